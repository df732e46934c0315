// SPDX-License-Identifier: GPL-2.0-only
/*
 * The freeze port on a real KVM: what a guest says there is kept, and ends the
 * machine only when that was asked for.  Skipped where there is no /dev/kvm.
 */
#include "guest.h"
#include "vmm/boot.h"
#include "vmm/freeze.h"

#define PORT	   0x66, 0xba, FREEZE_PORT & 0xff, FREEZE_PORT >> 8 /* mov $FREEZE_PORT, %dx */
#define SET_EAX(v) 0xb8, LE32(v)
#define OUT_B	   0xee
#define OUT_W	   0x66, 0xef
#define OUT_L	   0xef
#define IN_L	   0xed

static struct guest g;

/* Says where it is, then prints that it went on. */
static const uint8_t guest_freeze[] = {
	PORT, SET_EAX(0x89abcdef), OUT_L, CONSOLE, PUTC('x'), PUTC('\n'), RESET,
};
/* All that is no signal: other widths, other ports, and reading, which finds all ones. */
static const uint8_t guest_odd[] = {
	PORT,	    SET_EAX(0x89abcdef),
	OUT_B,	    OUT_W,
	0xff,	    0xc2,
	OUT_B,	    OUT_W,
	OUT_L, /* inc %edx */
	0xff,	    0xca,
	0xff,	    0xca, /* dec %edx, twice */
	OUT_B,	    OUT_W,
	OUT_L,	    PORT,
	0x31,	    0xc0,
	IN_L, /* xor %eax, %eax */
	0x83,	    0xc0,
	'y' + 1, /* add $('y' + 1), %eax: 'y' */
	CONSOLE,    OUT_B,
	PUTC('\n'), RESET,
};
/* A guest may say it again, and something else. */
static const uint8_t guest_twice[] = {
	PORT, SET_EAX(0x1000), OUT_L, SET_EAX(0x2000), OUT_L, RESET,
};

static void go(const uint8_t *code, size_t len, enum freeze_mode mode)
{
	struct vm_config cfg = config(NULL);

	cfg.freeze = mode;
	guest_run(&g, code, len, &cfg);
}

#define GO(guest, mode) go(guest, sizeof(guest), mode)

static void stops(void **state)
{
	need_kvm();
	GO(guest_freeze, FREEZE_STOP);
	assert_int_equal(g.vm.exit, VM_EXIT_FROZEN);
	assert_string_equal(vm_exit_name(g.vm.exit), "frozen");
	assert_int_equal(g.vm.frozen_gpa, 0x89abcdef);
	assert_string_equal(g.out, "");
	guest_end(&g);
}

static void notes(void **state)
{
	need_kvm();
	GO(guest_freeze, FREEZE_NOTE);
	assert_int_equal(g.vm.exit, VM_EXIT_RESET);
	assert_int_equal(g.vm.frozen_gpa, 0x89abcdef);
	assert_string_equal(g.out, "x\n");
	guest_end(&g);
	GO(guest_twice, FREEZE_NOTE);
	assert_int_equal(g.vm.frozen_gpa, 0x2000);
	guest_end(&g);
	GO(guest_twice, FREEZE_STOP);
	assert_int_equal(g.vm.frozen_gpa, 0x1000);
	guest_end(&g);
}

static void ignores(void **state)
{
	need_kvm();
	GO(guest_freeze, FREEZE_IGNORE);
	assert_int_equal(g.vm.exit, VM_EXIT_RESET);
	assert_int_equal(g.vm.frozen_gpa, 0);
	assert_string_equal(g.out, "x\n");
	guest_end(&g);
}

static void odd_accesses(void **state)
{
	need_kvm();
	for (enum freeze_mode m = FREEZE_IGNORE; m <= FREEZE_STOP; m++) {
		GO(guest_odd, m);
		assert_int_equal(g.vm.exit, VM_EXIT_RESET);
		assert_int_equal(g.vm.frozen_gpa, 0);
		assert_string_equal(g.out, "y\n");
		guest_end(&g);
	}
}

/* The kernel looks for a port only when it is told of one. */
static void command_line(void **state)
{
	char line[sizeof(g.vm.cmdline)];

	need_kvm();
	for (enum freeze_mode m = FREEZE_IGNORE; m <= FREEZE_STOP; m++) {
		GO(guest_freeze, m);
		assert_int_equal(mem_read(&g.vm.mem, BOOT_CMDLINE_GPA, line, sizeof(line)), 0);
		assert_string_equal(line, g.vm.cmdline);
		assert_int_equal(!!strstr(line, "frozen_text_port"), m != FREEZE_IGNORE);
		assert_int_equal(!!strstr(line, "frozen_text_port=1296 "), m != FREEZE_IGNORE);
		guest_end(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops),	cmocka_unit_test(notes),
		cmocka_unit_test(ignores),	cmocka_unit_test(odd_accesses),
		cmocka_unit_test(command_line),
	};

	alarm(550);
	return cmocka_run_group_tests_name("freeze", tests, NULL, NULL);
}
