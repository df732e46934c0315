/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers of the console UART; apart from the device so that they can be
 * tested without a machine.
 */
#ifndef RUND_VMM_SERIAL_H
#define RUND_VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;

struct serial {
	pthread_mutex_t lock; /* protects everything below; innermost */
	struct vm *vm;
	int fd;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	bool thri;  /* "transmitter empty" not yet seen in IIR */
	bool raise; /* interrupt to be sent once the lock is dropped */
	uint64_t dropped;
	size_t len;
	uint8_t buf[256];
};

/* One byte register access; lock held. */
uint8_t serial_read(struct serial *s, unsigned int reg);
void serial_write(struct serial *s, unsigned int reg, uint8_t v);

#endif
