// SPDX-License-Identifier: GPL-2.0-only
/*
 * Building the MP table.  Chapter numbers below are of the MultiProcessor
 * Specification, version 1.4.
 */
#include "vmm/mptable.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "vmm/irqchip.h"

#define MP_SPEC_REV	4 /* 1.4 */
#define MP_APIC_VERSION 0x14
#define MP_BUS_ISA	0

/* Entry types and flags, 4.3. */
enum { MP_CPU, MP_BUS, MP_IOAPIC, MP_IOINT, MP_LINT };
enum { MP_INT, MP_NMI, MP_SMI, MP_EXTINT };
#define MP_ENABLED   1
#define MP_BOOT_CPU  2
#define MP_ALL_APICS 0xff

/* 4.1 */
struct mp_float {
	char signature[4];
	uint32_t table;
	uint8_t length; /* in 16 bytes */
	uint8_t spec;
	uint8_t checksum;
	uint8_t feature[5];
} __attribute__((packed));

/* 4.2 */
struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t spec;
	uint8_t checksum;
	char oem[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_size;
	uint16_t count;
	uint32_t lapic;
	uint16_t ext_length;
	uint8_t ext_checksum;
	uint8_t reserved;
} __attribute__((packed));

/* 4.3.1 */
struct mp_cpu {
	uint8_t type;
	uint8_t apic_id;
	uint8_t apic_version;
	uint8_t flags;
	uint32_t signature;
	uint32_t features;
	uint32_t reserved[2];
} __attribute__((packed));

/* 4.3.2 */
struct mp_bus {
	uint8_t type;
	uint8_t id;
	char name[6];
} __attribute__((packed));

/* 4.3.3 */
struct mp_ioapic {
	uint8_t type;
	uint8_t id;
	uint8_t version;
	uint8_t flags;
	uint32_t address;
} __attribute__((packed));

/* 4.3.4 and 4.3.5 */
struct mp_intr {
	uint8_t type;
	uint8_t kind;
	uint16_t flags; /* 0: as the bus has it; ISA: edge, active high */
	uint8_t bus;
	uint8_t irq;
	uint8_t apic;
	uint8_t pin;
} __attribute__((packed));

struct writer {
	uint8_t *buf;
	size_t len, pos;
	bool full;
	unsigned int entries;
};

static void add(struct writer *w, const void *entry, size_t len)
{
	if (len > w->len - w->pos) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->pos, entry, len);
	w->pos += len;
	w->entries++;
}

/* All bytes of a structure sum up to zero. */
static uint8_t checksum(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

static void add_cpus(struct writer *w, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct mp_cpu cpu = {
			.type = MP_CPU,
			.apic_id = i,
			.apic_version = MP_APIC_VERSION,
			.flags = MP_ENABLED | (i ? 0 : MP_BOOT_CPU),
			/* Family 6, FPU and APIC: guests look at CPUID instead. */
			.signature = 0x600,
			.features = 1U << 9 | 1U << 0,
		};

		add(w, &cpu, sizeof(cpu));
	}
}

static void add_interrupts(struct writer *w, const struct mptable_info *info)
{
	struct mp_intr lint = {.type = MP_LINT, .bus = MP_BUS_ISA};

	for (unsigned int pin = 0; pin < IRQCHIP_PINS; pin++) {
		struct mp_intr intr = {
			.type = MP_IOINT,
			.kind = MP_INT,
			.bus = MP_BUS_ISA,
			/* Pin 2 is where KVM's IOAPIC has the timer, IRQ 0. */
			.irq = pin == 2 ? 0 : pin,
			.apic = info->ioapic_id,
			.pin = pin,
		};

		if (info->pins & 1U << pin)
			add(w, &intr, sizeof(intr));
	}
	lint.kind = MP_EXTINT;
	lint.apic = 0;
	add(w, &lint, sizeof(lint));
	lint.kind = MP_NMI;
	lint.apic = MP_ALL_APICS;
	lint.pin = 1;
	add(w, &lint, sizeof(lint));
}

int mptable_build(void *buf, size_t len, const struct mptable_info *info)
{
	struct mp_header head = {
		.signature = "PCMP",
		.spec = MP_SPEC_REV,
		.oem = "RUND    ",
		.product = "MICROVM     ",
		.lapic = IRQCHIP_LAPIC_GPA,
	};
	struct mp_bus bus = {.type = MP_BUS, .id = MP_BUS_ISA, .name = "ISA   "};
	struct mp_ioapic ioapic = {
		.type = MP_IOAPIC,
		.id = info->ioapic_id,
		.version = MP_APIC_VERSION,
		.flags = MP_ENABLED,
		.address = IRQCHIP_IOAPIC_GPA,
	};
	struct writer w = {.buf = buf, .len = len, .pos = sizeof(head)};

	if (len < sizeof(head) || len > UINT16_MAX)
		return -ENOSPC;
	add_cpus(&w, info->nr_cpus);
	add(&w, &bus, sizeof(bus));
	add(&w, &ioapic, sizeof(ioapic));
	add_interrupts(&w, info);
	if (w.full)
		return -ENOSPC;
	head.length = w.pos;
	head.count = w.entries;
	memcpy(buf, &head, sizeof(head));
	head.checksum = checksum(buf, w.pos);
	memcpy(buf, &head, sizeof(head));
	return w.pos;
}

void mptable_float(uint8_t out[16], uint32_t table)
{
	struct mp_float f = {
		.signature = "_MP_",
		.table = table,
		.length = 1,
		.spec = MP_SPEC_REV,
	};

	f.checksum = checksum(&f, sizeof(f));
	memcpy(out, &f, sizeof(f));
}
