/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An IOAPIC (82093AA datasheet) whose pins are raised elsewhere, by irqfds: it
 * only keeps the redirection table and says which MSI each pin stands for.
 */
#ifndef RUND_VMM_IOAPIC_H
#define RUND_VMM_IOAPIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_MAX_PINS 24

/* What a pin means: a write of @data to @addr (SDM vol. 3, 11.11). */
struct ioapic_msi {
	uint32_t pin;
	uint32_t addr;
	uint32_t data;
};

/* The set of unmasked pins changed; called with the IOAPIC's lock held. */
typedef void (*ioapic_routes_fn)(void *priv, const struct ioapic_msi *msi, unsigned int nr);

struct ioapic {
	pthread_mutex_t lock; /* protects everything below; innermost */
	uint8_t id;
	uint8_t select;
	unsigned int nr_pins; /* fixed before vCPUs run */
	uint64_t redir[IOAPIC_MAX_PINS];
	struct ioapic_msi msi[IOAPIC_MAX_PINS]; /* as last reported */
	unsigned int nr_msi;
	ioapic_routes_fn routes;
	void *priv;
};

void ioapic_init(struct ioapic *io, uint8_t id, ioapic_routes_fn routes, void *priv);
void ioapic_fini(struct ioapic *io);

/* The register page; a bus_fn. */
void ioapic_access(void *priv, uint64_t off, bool write, void *data, unsigned int len);

#endif
