// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine as a whole.  It is built by a ladder of steps; whatever fails,
 * the steps before it are undone in reverse order and nothing is left.
 *
 * The order is also what makes it fast: memory slots and vCPUs come before
 * anything that changes an I/O bus, and notifications come last, because each
 * such change starts a grace period that the next memory slot waits for.
 */
#include "vmm/vm.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/control.h"
#include "vmm/device-list.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"
#include "vmm/virtio/transport.h"
#include "vmm/watch.h"

#define NR_DEVICES (sizeof(device_list) / sizeof(device_list[0]))
_Static_assert(NR_DEVICES <= VM_MAX_DEVS, "dev_priv[] is too short");

#ifdef RUND_UNIT_TEST
int vm_fail_step = -1;
#else
#define vm_fail_step -1
#endif

static int loop_step(struct vm *vm)
{
	int ret = loop_init(&vm->loop);

	return ret ? log_errno(ret, "cannot make an event loop: %s", strerror(-ret)) : 0;
}

static void loop_undo(struct vm *vm)
{
	loop_fini(&vm->loop);
}

static int mem_step(struct vm *vm)
{
	int ret = mem_init(&vm->mem, vm->cfg.mem_size);

	if (ret == -EINVAL)
		return log_errno(ret,
				 "--mem: %llu bytes is no possible size; give a multiple of 4K",
				 (unsigned long long)vm->cfg.mem_size);
	if (ret)
		return log_errno(ret,
				 "--mem %llu MiB: this host cannot map that much: %s; ask for less",
				 (unsigned long long)vm->cfg.mem_size >> 20, strerror(-ret));
	return 0;
}

static void mem_undo(struct vm *vm)
{
	mem_fini(&vm->mem);
}

static void detach_devices(struct vm *vm, unsigned int nr)
{
	while (nr--)
		device_list[nr]->detach(vm, vm->dev_priv[nr]);
}

static int device_step(struct vm *vm)
{
	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		int ret = device_list[i]->attach(vm, &vm->dev_priv[i]);

		if (ret) {
			detach_devices(vm, i);
			return ret;
		}
	}
	return 0;
}

static void device_undo(struct vm *vm)
{
	detach_devices(vm, NR_DEVICES);
}

static const struct {
	const char *name;
	int (*step)(struct vm *vm);
	void (*undo)(struct vm *vm);
} ladder[] = {
	{"event loop", loop_step, loop_undo},
	{"guest memory", mem_step, mem_undo},
	{"KVM", kvm_init, kvm_fini},
	{"memory slots", kvm_add_memory, NULL},
	{"bus", bus_init, bus_fini},
	{"irqchip", irqchip_init, irqchip_fini},
	{"vCPUs", vcpu_init_all, vcpu_fini_all},
	{"devices", device_step, device_undo},
	{"boot", boot_init, boot_fini},
	{"watch", watch_init, watch_fini},
	{"control", control_init, control_fini},
	{"notifications", virtio_wire, NULL},
};

#define NR_STEPS (sizeof(ladder) / sizeof(ladder[0]))

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

int vm_create(struct vm *vm, const struct vm_config *cfg)
{
	int ret = 0;

	memset(vm, 0, sizeof(*vm));
	vm->cfg = *cfg;
	vm->setup_us = now_us();
	for (; vm->nr_steps < NR_STEPS; vm->nr_steps++) {
		if (vm->nr_steps == vm_fail_step)
			ret = log_errno(-ECANCELED, "step \"%s\" failed on purpose",
					ladder[vm->nr_steps].name);
		else
			ret = ladder[vm->nr_steps].step(vm);
		if (ret) {
			vm_destroy(vm);
			return ret;
		}
	}
	vm->setup_us = now_us() - vm->setup_us;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	while (vm->nr_steps) {
		void (*undo)(struct vm * vm) = ladder[--vm->nr_steps].undo;

		if (undo)
			undo(vm);
	}
}

int vm_run(struct vm *vm)
{
	int ret = vcpu_start_all(vm);

	if (!ret) {
		control_event_started(vm);
		ret = loop_run(&vm->loop);
	}
	if (ret)
		vm_stop(vm, VM_EXIT_INTERNAL);
	vcpu_stop_all(vm);
	control_event_exit(vm);
	return vm->exit == VM_EXIT_INTERNAL ? -EIO : ret;
}

void vm_stop(struct vm *vm, enum vm_exit reason)
{
	enum vm_exit none = VM_EXIT_NONE;

	__atomic_compare_exchange_n(&vm->exit, &none, reason, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	loop_stop(&vm->loop);
}

const char *vm_exit_name(enum vm_exit reason)
{
	static const char *const name[] = {
		[VM_EXIT_NONE] = "running",
		[VM_EXIT_RESET] = "reset",
		[VM_EXIT_SHUTDOWN] = "shutdown",
		[VM_EXIT_TRIPLE_FAULT] = "triple-fault",
		[VM_EXIT_STOPPED] = "stopped",
		[VM_EXIT_FROZEN] = "frozen",
		[VM_EXIT_INTERNAL] = "internal-error",
	};

	return name[reason];
}
