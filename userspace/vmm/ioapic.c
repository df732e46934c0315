// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC of a split irqchip.  All pins are edge-triggered and raised by
 * irqfds, so no state follows an interrupt: a redirection entry is translated
 * once, when the guest writes it, and KVM is told only when the translation of
 * an unmasked pin changed.
 */
#include "vmm/ioapic.h"

#include <string.h>

/* Registers of the page, and those behind IOREGSEL (82093AA, 3.1 and 3.2). */
#define IOREGSEL  0x00
#define IOWIN	  0x10
#define REG_ID	  0x00
#define REG_VER	  0x01
#define REG_ARB	  0x02
#define REG_REDIR 0x10

/* Version without an EOI register, so that guests do not look for one. */
#define IOAPIC_VERSION 0x11

/* Redirection entry (82093AA, 3.2.4). */
#define REDIR_VECTOR	  0xffULL
#define REDIR_DELIVERY(e) ((e) >> 8 & 7)
#define REDIR_LOGICAL(e)  ((e) >> 11 & 1)
#define REDIR_LEVEL(e)	  ((e) >> 15 & 1)
#define REDIR_MASKED	  (1ULL << 16)
#define REDIR_DEST(e)	  ((e) >> 56 & 0xff)
#define REDIR_READ_ONLY	  (1ULL << 12 | 1ULL << 14) /* delivery status, remote IRR */
#define REDIR_RESERVED	  0x00fffffffffe0000ULL
#define DELIVERY_LOWEST	  1
#define DELIVERY_EXTINT	  7

/* Message address and data (SDM vol. 3, 11.11.1 and 11.11.2). */
#define MSI_ADDR_BASE	  0xfee00000U
#define MSI_ADDR_DEST(d)  ((uint32_t)(d) << 12)
#define MSI_ADDR_REDIRECT (1U << 3)
#define MSI_ADDR_LOGICAL  (1U << 2)
#define MSI_DATA_LEVEL	  (1U << 15)
#define MSI_DATA_ASSERT	  (1U << 14)

void ioapic_init(struct ioapic *io, uint8_t id, ioapic_routes_fn routes, void *priv)
{
	memset(io, 0, sizeof(*io));
	pthread_mutex_init(&io->lock, NULL);
	io->id = id;
	io->nr_pins = 1;
	io->routes = routes;
	io->priv = priv;
	for (unsigned int i = 0; i < IOAPIC_MAX_PINS; i++)
		io->redir[i] = REDIR_MASKED;
}

void ioapic_fini(struct ioapic *io)
{
	pthread_mutex_destroy(&io->lock);
}

static struct ioapic_msi translate(unsigned int pin, uint64_t e)
{
	struct ioapic_msi m = {
		.pin = pin,
		.addr = MSI_ADDR_BASE | MSI_ADDR_DEST(REDIR_DEST(e)),
		.data = (e & REDIR_VECTOR) | REDIR_DELIVERY(e) << 8,
	};

	if (REDIR_LOGICAL(e))
		m.addr |= MSI_ADDR_LOGICAL;
	if (REDIR_DELIVERY(e) == DELIVERY_LOWEST)
		m.addr |= MSI_ADDR_REDIRECT;
	if (REDIR_LEVEL(e))
		m.data |= MSI_DATA_LEVEL | MSI_DATA_ASSERT;
	return m;
}

static void update_routes(struct ioapic *io)
{
	struct ioapic_msi msi[IOAPIC_MAX_PINS];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < io->nr_pins; i++) {
		/* There is no PIC whose vector an external interrupt could fetch. */
		if (io->redir[i] & REDIR_MASKED || REDIR_DELIVERY(io->redir[i]) == DELIVERY_EXTINT)
			continue;
		msi[nr++] = translate(i, io->redir[i]);
	}
	if (nr == io->nr_msi && !memcmp(msi, io->msi, nr * sizeof(msi[0])))
		return;
	memcpy(io->msi, msi, nr * sizeof(msi[0]));
	io->nr_msi = nr;
	io->routes(io->priv, msi, nr);
}

static uint32_t read_reg(const struct ioapic *io)
{
	unsigned int pin = (io->select - REG_REDIR) / 2;

	switch (io->select) {
	case REG_ID:
	case REG_ARB:
		return (io->id & 0xfU) << 24;
	case REG_VER:
		return IOAPIC_VERSION | (io->nr_pins - 1) << 16;
	}
	if (io->select < REG_REDIR || pin >= io->nr_pins)
		return ~0U;
	return io->select & 1 ? io->redir[pin] >> 32 : io->redir[pin];
}

static void write_reg(struct ioapic *io, uint32_t v)
{
	unsigned int pin = (io->select - REG_REDIR) / 2;
	uint64_t *e;

	if (io->select == REG_ID)
		io->id = v >> 24 & 0xf;
	if (io->select < REG_REDIR || pin >= io->nr_pins)
		return;
	e = &io->redir[pin];
	if (io->select & 1)
		*e = (*e & 0xffffffffULL) | (uint64_t)v << 32;
	else
		*e = (*e & ~0xffffffffULL) | v;
	*e &= ~(REDIR_READ_ONLY | REDIR_RESERVED);
	update_routes(io);
}

void ioapic_access(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	struct ioapic *io = priv;
	uint32_t v = 0;

	if (len > sizeof(v) || (off != IOREGSEL && off != IOWIN))
		return;
	pthread_mutex_lock(&io->lock);
	if (write)
		memcpy(&v, data, len);
	if (write && off == IOREGSEL)
		io->select = v;
	else if (write)
		write_reg(io, v);
	else
		v = off == IOREGSEL ? io->select : read_reg(io);
	pthread_mutex_unlock(&io->lock);
	if (!write)
		memcpy(data, &v, len);
}
