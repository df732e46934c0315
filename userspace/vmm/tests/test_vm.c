// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine on a real KVM, with guests of a few instructions: each way in
 * which one can end is told apart, a guest that never ends can be stopped, and
 * a machine whose construction fails at any step leaves no descriptor and no
 * mapping behind.  Skipped where there is no /dev/kvm.
 */
#include <pthread.h>
#include <signal.h>

#include "guest.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

static const uint8_t guest_reset[] = {
	0xb0, 0xfe, /* mov $0xfe, %al */
	0xe6, 0x64, /* out %al, $0x64 */
	0xeb, 0xfe, /* jmp . */
};
static const uint8_t guest_fault[] = {0x0f, 0x0b}; /* ud2, and no IDT */
static const uint8_t guest_spin[] = {0xeb, 0xfe};
static const uint8_t guest_halt[] = {0xf4, 0xeb, 0xfd};
/* Prints what it reads from where nothing is: an MMIO address and a port; then resets. */
static const uint8_t guest_print[] = {
	0x66, 0xba, 0xf8, 0x03,	      /* mov $0x3f8, %dx */
	0xb0, 'r',  0xee,	      /* mov $'r', %al; out %al, %dx */
	0xbf, 0x00, 0x00, 0x00, 0x03, /* mov $0x3000000, %edi: past RAM */
	0x8b, 0x07, 0xee,	      /* mov (%rdi), %eax; out %al, %dx */
	0x89, 0x07,		      /* mov %eax, (%rdi): ignored */
	0xe4, 0x42, 0xee,	      /* in $0x42, %al; out %al, %dx */
	0xb0, '\n', 0xee,	      /* mov $'\n', %al; out %al, %dx */
	0xb0, 0xfe, 0xe6, 0x64,	      /* reset */
	0xeb, 0xfe,
};

static void *stopper(void *arg)
{
	usleep(200000);
	vm_stop(arg, VM_EXIT_STOPPED);
	return NULL;
}

static enum vm_exit run(const uint8_t *code, size_t len, bool stop, enum irqchip_mode irqchip)
{
	static struct vm vm;
	struct vm_config cfg;
	pthread_t t;
	int fd;

	cfg = config(make_kernel(code, len, &fd));
	cfg.irqchip = irqchip;
	assert_int_equal(vm_create(&vm, &cfg), 0);
	if (stop)
		pthread_create(&t, NULL, stopper, &vm);
	assert_int_equal(vm_run(&vm), 0);
	if (stop)
		pthread_join(t, NULL);
	vm_destroy(&vm);
	close(fd);
	return vm.exit;
}

#define RUN(guest, stop, irqchip) run(guest, sizeof(guest), stop, irqchip)

static void endings(void **state)
{
	need_kvm();
	for (enum irqchip_mode m = IRQCHIP_SPLIT; m <= IRQCHIP_KERNEL; m++) {
		assert_int_equal(RUN(guest_reset, false, m), VM_EXIT_RESET);
		assert_int_equal(RUN(guest_fault, false, m), VM_EXIT_TRIPLE_FAULT);
		assert_int_equal(RUN(guest_spin, true, m), VM_EXIT_STOPPED);
		assert_int_equal(RUN(guest_halt, true, m), VM_EXIT_STOPPED);
	}
}

/* The stop may come at any moment: before, while and after the vCPUs start. */
static void stop_races(void **state)
{
	static struct vm vm;
	struct vm_config cfg;
	int fd;

	need_kvm();
	cfg = config(make_kernel(guest_halt, sizeof(guest_halt), &fd));
	for (int i = 0; i < 30; i++) {
		assert_int_equal(vm_create(&vm, &cfg), 0);
		if (i % 3 == 0) {
			vm_stop(&vm, VM_EXIT_STOPPED);
			assert_int_equal(vm_run(&vm), 0);
		} else {
			assert_int_equal(vcpu_start_all(&vm), 0);
			usleep(i % 3 == 1 ? 0 : i * 100);
			vm_stop(&vm, VM_EXIT_STOPPED);
			vcpu_stop_all(&vm);
		}
		assert_int_equal(vm.exit, VM_EXIT_STOPPED);
		vm_destroy(&vm);
	}
	close(fd);
}

/* Whoever started the VMM may have left any signal blocked: the kick arrives all the same. */
static void blocked_signals(void **state)
{
	sigset_t all, old;

	need_kvm();
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	assert_int_equal(RUN(guest_halt, true, IRQCHIP_SPLIT), VM_EXIT_STOPPED);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void nothing_there(void **state)
{
	static struct vm vm;
	struct vm_config cfg;
	uint8_t out[8] = {0};
	int fd, p[2];

	need_kvm();
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	cfg = config(make_kernel(guest_print, sizeof(guest_print), &fd));
	cfg.console_fd = p[1];
	assert_int_equal(vm_create(&vm, &cfg), 0);
	assert_int_equal(vm_run(&vm), 0);
	assert_int_equal(vm.exit, VM_EXIT_RESET);
	assert_true(vcpu_exits(&vm) >= 7);
	vm_destroy(&vm);
	assert_int_equal(read(p[0], out, sizeof(out)), 4);
	assert_memory_equal(out, "r\xff\xff\n", 4);
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void failing_steps(void **state)
{
	static struct vm vm;
	struct vm_config cfg;
	struct left before;
	int fd, disk, dir, ret;

	need_kvm();
	cfg = config(make_kernel(guest_reset, sizeof(guest_reset), &fd));
	disk = memfd_create("disk", MFD_CLOEXEC);
	dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(ftruncate(disk, 1 << 20), 0);
	cfg.nr_blk = 1;
	cfg.blk[0].fd = disk;
	cfg.nr_fs = 1;
	cfg.fs[0].fd = dir;
	strcpy(cfg.fs[0].tag, "t");
	cfg.freeze = FREEZE_NOTE;
	cfg.watch.mode = WATCH_LOG;
	cfg.watch.range[0] = (struct watch_range){LOAD, LOAD + 0x1000};
	cfg.watch.nr = 1;
	before = count_left();
	for (vm_fail_step = 0;; vm_fail_step++) {
		ret = vm_create(&vm, &cfg);
		if (!ret)
			break;
		assert_int_equal(ret, -ECANCELED);
		assert_same(count_left(), before);
	}
	print_message("# %d steps\n", vm_fail_step);
	assert_true(vm_fail_step >= 12);
	vm_fail_step = -1;
	assert_true(count_left().kvm_maps > 0 && count_left().ram_maps > 0);
	vm_destroy(&vm);
	assert_same(count_left(), before);
	close(fd);
	close(disk);
	close(dir);
}

static void real_failures(void **state)
{
	static struct vm vm;
	struct left before;
	int fd;

	need_kvm();
	for (int i = 0; i < 8; i++) {
		struct vm_config cfg = config(make_kernel(guest_reset, sizeof(guest_reset), &fd));
		int want = -EINVAL;

		switch (i) {
		case 0:
			cfg.kernel = "/nonexistent";
			want = -ENOENT;
			break;
		case 1:
			cfg.kernel = "/proc/self/exe"; /* an ELF file, but no kernel */
			want = -ENOEXEC;
			break;
		case 2:
			cfg.mem_size = 1ULL << 60;
			break;
		case 3:
			cfg.mem_size = 4096;
			break;
		case 4:
			cfg.mem_size = LOAD;
			want = -ENOSPC;
			break;
		case 5:
			cfg.initrd = "/proc/self/mem";
			break;
		case 6:
			cfg.nr_blk = 1;
			cfg.blk[0].fd = fd + 100;
			want = -EBADF;
			break;
		case 7:
			cfg.control_fd = fd;
			want = -ENOTSOCK;
			break;
		}
		before = count_left();
		assert_int_equal(vm_create(&vm, &cfg), want);
		assert_same(count_left(), before);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endings),	   cmocka_unit_test(stop_races),
		cmocka_unit_test(blocked_signals), cmocka_unit_test(nothing_there),
		cmocka_unit_test(failing_steps),   cmocka_unit_test(real_failures),
	};

	/* A lost kick would hang for ever. */
	alarm(550);
	return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
