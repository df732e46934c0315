// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connecting virtio-mmio devices to the machine: register page on the bus,
 * irqfd towards the guest, ioeventfd from it, and the entry on the kernel's
 * command line by which it finds the device.
 */
#include "vmm/virtio/transport.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "lib/log.h"
#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/virtio/mmio.h"
#include "vmm/vm.h"

static int connect_device(struct virtio_dev *vd)
{
	struct virtio_mmio *m = vd->mmio;
	int ret = irqchip_claim(vd->vm, m->pin);

	if (!ret)
		ret = irqchip_add_irqfd(vd->vm, m->pin, m->irq_fd);
	if (!ret)
		ret = bus_add(vd->vm, BUS_MMIO, m->gpa, VIRTIO_MMIO_PAGE, virtio_mmio_access, vd);
	if (!ret)
		ret = boot_cmdline(vd->vm, "virtio_mmio.device=4K@%#llx:%u",
				   (unsigned long long)m->gpa, m->pin);
	return ret;
}

int virtio_register(struct virtio_dev *vd)
{
	struct vm *vm = vd->vm;
	int ret;

	if (vm->nr_virtio == VM_MAX_DEVS)
		return log_errno(-ENOSPC, "virtio-%s: more than %d virtio devices", vd->ops->name,
				 VM_MAX_DEVS);
	ret = virtio_mmio_init(vd);
	if (ret)
		return ret;
	vd->mmio->gpa = VIRTIO_WINDOW_GPA + vm->nr_virtio * VIRTIO_MMIO_PAGE;
	vd->mmio->pin = VIRTIO_FIRST_PIN + vm->nr_virtio;
	ret = connect_device(vd);
	if (ret) {
		virtio_mmio_fini(vd);
		return ret;
	}
	vm->virtio[vm->nr_virtio++] = vd;
	return 0;
}

void virtio_unregister(struct virtio_dev *vd)
{
	struct vm *vm = vd->vm;

	/* In reverse order, and the machine is going away: its wiring goes with it. */
	for (unsigned int i = 0; i < vm->nr_virtio; i++) {
		if (vm->virtio[i] == vd)
			vm->virtio[i] = NULL;
	}
	while (vm->nr_virtio && !vm->virtio[vm->nr_virtio - 1])
		vm->nr_virtio--;
	virtio_mmio_fini(vd);
}

static int wire_queue(struct vm *vm, const struct virtio_dev *vd, unsigned int q)
{
	struct kvm_ioeventfd io = {
		.addr = vd->mmio->gpa + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = sizeof(uint32_t),
		.fd = vd->mmio->kick[q].watch.fd,
		.datamatch = q,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	return kvm_ioctl(vm->vm_fd, KVM_IOEVENTFD, &io);
}

int virtio_wire(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_virtio; i++) {
		const struct virtio_dev *vd = vm->virtio[i];

		for (unsigned int q = 0; vd && q < vd->ops->nr_queues; q++) {
			int ret = wire_queue(vm, vd, q);

			if (ret)
				return log_errno(ret, "virtio-%s: KVM_IOEVENTFD for queue %u: %s",
						 vd->ops->name, q, strerror(-ret));
		}
	}
	return 0;
}
