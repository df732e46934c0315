// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parts of the platform that need no KVM: MP table, IOAPIC, serial port,
 * bus and CPUID.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "vmm/boot.h"
#include "vmm/bus.h"
#include "vmm/cpuid.h"
#include "vmm/ioapic.h"
#include "vmm/irqchip.h"
#include "vmm/mptable.h"
#include "vmm/serial.h"
#include "vmm/vm.h"

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

/* Entries have 20 bytes (CPUs) or 8 (all others): MP specification, 4.3. */
static void mptable(void **state)
{
	static const struct {
		unsigned int cpus;
		uint32_t pins;
		int nr_pins;
	} t[] = {{1, 0, 0}, {2, 1U << 4 | 1U << 5, 2}, {64, 0x1ffff0, 17}};
	uint8_t buf[BOOT_MPTABLE_END - BOOT_MPTABLE_GPA];
	uint8_t mpf[16];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct mptable_info info = {t[i].cpus, 9, t[i].pins};
		int len = mptable_build(buf, sizeof(buf), &info);
		unsigned int count[5] = {0};
		int pos = 44;

		assert_true(len > 44);
		assert_memory_equal(buf, "PCMP", 4);
		assert_int_equal(sum(buf, len), 0);
		assert_int_equal(buf[4] | buf[5] << 8, len);
		while (pos < len) {
			assert_in_range(buf[pos], 0, 4);
			count[buf[pos]]++;
			pos += buf[pos] ? 8 : 20;
		}
		assert_int_equal(pos, len);
		assert_int_equal(count[0], t[i].cpus);
		assert_int_equal(count[1], 1);
		assert_int_equal(count[2], 1);
		assert_int_equal(count[3], t[i].nr_pins);
		assert_int_equal(count[4], 2);
		/* One byte less than needed is refused, not overrun. */
		assert_int_equal(mptable_build(buf, len - 1, &info), -ENOSPC);
	}
	mptable_float(mpf, BOOT_MPTABLE_GPA);
	assert_memory_equal(mpf, "_MP_", 4);
	assert_int_equal(sum(mpf, 16), 0);
}

static unsigned int route_calls, routes;
static struct ioapic_msi last_route;

static void record_routes(void *priv, const struct ioapic_msi *msi, unsigned int nr)
{
	route_calls++;
	routes = nr;
	if (nr)
		last_route = msi[nr - 1];
}

static void io_write(struct ioapic *io, uint8_t reg, uint32_t v)
{
	uint32_t sel = reg;

	ioapic_access(io, 0x00, true, &sel, 4);
	ioapic_access(io, 0x10, true, &v, 4);
}

static uint32_t io_read(struct ioapic *io, uint8_t reg)
{
	uint32_t sel = reg, v = 0;

	ioapic_access(io, 0x00, true, &sel, 4);
	ioapic_access(io, 0x10, false, &v, 4);
	return v;
}

static void ioapic(void **state)
{
	struct ioapic io;

	ioapic_init(&io, 3, record_routes, NULL);
	io.nr_pins = 8;
	route_calls = 0;
	assert_int_equal(io_read(&io, 0), 3U << 24);
	assert_int_equal(io_read(&io, 1) >> 16, 7);
	assert_int_equal(io_read(&io, 0x10) & 1U << 16, 1U << 16);

	/* Masked: nothing is routed. Unmasked: vector 0x31, physical, CPU 1. */
	io_write(&io, 0x10 + 2 * 5 + 1, 1U << 24);
	assert_int_equal(route_calls, 0);
	io_write(&io, 0x10 + 2 * 5, 0x31);
	assert_int_equal(route_calls, 1);
	assert_int_equal(routes, 1);
	assert_int_equal(last_route.pin, 5);
	assert_int_equal(last_route.addr, 0xfee01000);
	assert_int_equal(last_route.data, 0x31);
	/* The same again is no change. */
	io_write(&io, 0x10 + 2 * 5, 0x31);
	assert_int_equal(route_calls, 1);
	/* Level, logical, lowest priority; read-only bits stay clear. */
	io_write(&io, 0x10 + 2 * 5, 1U << 15 | 1U << 14 | 1U << 12 | 1U << 11 | 1U << 8 | 0x32);
	assert_int_equal(last_route.addr, 0xfee0100c);
	assert_int_equal(last_route.data, 0xc132);
	assert_int_equal(io_read(&io, 0x10 + 2 * 5), 1U << 15 | 1U << 11 | 1U << 8 | 0x32);
	/* An external interrupt has no PIC behind it. */
	io_write(&io, 0x10 + 2 * 5, 7U << 8);
	assert_int_equal(routes, 0);
	/* Beyond the last pin nothing is there. */
	io_write(&io, 0x10 + 2 * 8, 0x31);
	io_write(&io, 0xff, 0x31);
	assert_int_equal(routes, 0);
	assert_int_equal(io_read(&io, 0x10 + 2 * 8), ~0U);
	assert_int_equal(io_read(&io, 0xff), ~0U);
	ioapic_fini(&io);
}

static void serial_output(void **state)
{
	struct serial s = {0};
	char buf[64] = {0};
	int p[2];

	assert_int_equal(pipe(p), 0);
	s.fd = p[1];
	for (const char *c = "hello\n"; *c; c++)
		serial_write(&s, UART_TX, *c);
	assert_int_equal(read(p[0], buf, sizeof(buf)), 6);
	assert_string_equal(buf, "hello\n");
	assert_int_equal(serial_read(&s, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);

	/* A pipe that nobody reads does not stop the guest. */
	for (int i = 0; i < 200000; i++)
		serial_write(&s, UART_TX, i % 80 ? 'x' : '\n');
	assert_true(s.dropped > 0);
	close(p[0]);
	close(p[1]);
}

static void serial_registers(void **state)
{
	struct serial s = {.fd = -1};

	/* The divisor latch hides data and interrupt registers. */
	serial_write(&s, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	serial_write(&s, UART_DLL, 1);
	serial_write(&s, UART_DLM, 2);
	assert_int_equal(serial_read(&s, UART_DLL), 1);
	assert_int_equal(serial_read(&s, UART_DLM), 2);
	serial_write(&s, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(serial_read(&s, UART_IER), 0);

	/* Interrupt identification: pending once, until read. */
	assert_int_equal(serial_read(&s, UART_IIR), UART_IIR_NO_INT);
	serial_write(&s, UART_IER, 0xff);
	assert_int_equal(serial_read(&s, UART_IER), 0x0f);
	assert_true(s.raise);
	assert_int_equal(serial_read(&s, UART_IIR), UART_IIR_THRI);
	assert_int_equal(serial_read(&s, UART_IIR), UART_IIR_NO_INT);
	serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(serial_read(&s, UART_IIR), UART_IIR_NO_INT | 0xc0);

	/* What drivers probe with: scratch and loop-back. */
	serial_write(&s, UART_SCR, 0x5a);
	assert_int_equal(serial_read(&s, UART_SCR), 0x5a);
	serial_write(&s, UART_MCR, UART_MCR_LOOP | 0x0a);
	assert_int_equal(serial_read(&s, UART_MSR) & 0xf0, 0x90);
}

static unsigned int bus_calls;

static void bus_echo(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	bus_calls++;
	if (!write)
		memset(data, off, len);
}

static void bus_ranges(void **state)
{
	static struct vm vm;
	uint32_t v;

	assert_int_equal(bus_init(&vm), 0);
	assert_int_equal(bus_add(&vm, BUS_MMIO, 0x1000, 0x10, bus_echo, NULL), 0);
	assert_int_equal(bus_add(&vm, BUS_MMIO, 0x100f, 1, bus_echo, NULL), -EBUSY);
	assert_int_equal(bus_add(&vm, BUS_PIO, 0x1000, 0x10, bus_echo, NULL), 0);
	bus_access(&vm, BUS_MMIO, 0x1004, false, &v, 4);
	assert_int_equal(v, 0x04040404);
	/* Across the end, and where nothing is: all ones, no call. */
	bus_calls = 0;
	bus_access(&vm, BUS_MMIO, 0x100e, false, &v, 4);
	assert_int_equal(v, 0xffffffff);
	bus_access(&vm, BUS_MMIO, 0xfff, false, &v, 4);
	assert_int_equal(v, 0xffffffff);
	bus_access(&vm, BUS_MMIO, UINT64_MAX, false, &v, 4);
	bus_access(&vm, BUS_MMIO, 0x1010, true, &v, 4);
	assert_int_equal(bus_calls, 0);
	bus_fini(&vm);
}

static const struct kvm_cpuid_entry2 *find(const struct cpuid *c, uint32_t leaf, uint32_t index)
{
	for (unsigned int i = 0; i < c->head.nent; i++) {
		if (c->entry[i].function == leaf && c->entry[i].index == index)
			return &c->entry[i];
	}
	return NULL;
}

static void cpuid(void **state)
{
	static const struct kvm_cpuid_entry2 host[] = {
		{.function = 0, .eax = 0x1f},
		{.function = 1, .ebx = 0x12345678, .edx = 1U << 28},
		{.function = 0xa, .eax = 0x07300404},
		{.function = 0xb, .index = 0, .eax = 5, .edx = 77},
		{.function = 0x1f, .index = 0, .eax = 5, .edx = 77},
		{.function = 0x80000008, .eax = 0x3028, .ecx = 0x7fff},
	};
	const struct kvm_cpuid_entry2 *e;
	struct cpuid c;

	memset(&c, 0, sizeof(c));
	memcpy(c.entry, host, sizeof(host));
	c.head.nent = 6;
	assert_int_equal(cpuid_phys_bits(&c), 40);
	cpuid_adjust(&c, 2, 3);
	e = find(&c, 1, 0);
	assert_int_equal(e->ebx, 0x02035678);
	assert_true(e->ecx & 1U << 31 && e->ecx & 1U << 24 && e->edx & 1U << 28);
	assert_int_equal(find(&c, 0xa, 0)->eax, 0);
	assert_null(find(&c, 0x1f, 0));
	e = find(&c, 0xb, 1);
	assert_int_equal(e->eax, 2);
	assert_int_equal(e->ebx, 3);
	assert_int_equal(e->edx, 2);
	assert_non_null(find(&c, 0xb, 2));
	assert_null(find(&c, 0xb, 3));
	assert_int_equal(find(&c, 0x80000008, 0)->ecx, 2U << 12 | 2);

	/* A full table is not overrun. */
	c.head.nent = CPUID_MAX;
	cpuid_adjust(&c, 0, 1);
	assert_true(c.head.nent <= CPUID_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mptable),	 cmocka_unit_test(ioapic),
		cmocka_unit_test(serial_output), cmocka_unit_test(serial_registers),
		cmocka_unit_test(bus_ranges),	 cmocka_unit_test(cpuid),
	};

	return cmocka_run_group_tests_name("platform", tests, NULL, NULL);
}
