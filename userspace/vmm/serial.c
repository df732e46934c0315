// SPDX-License-Identifier: GPL-2.0-only
/*
 * An 8250/16550A UART that only sends: the guest's console, to a descriptor.
 * The transmitter is always empty.  Output that the descriptor does not take
 * at once is dropped, so that a full pipe never stops the guest.
 */
#include "vmm/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "vmm/bus.h"
#include "vmm/dev.h"
#include "vmm/irqchip.h"
#include "vmm/vm.h"

#define SERIAL_PORT 0x3f8
#define SERIAL_LEN  8
#define SERIAL_IRQ  4

/* Modem lines as if a terminal were there; what loop-back shows of MCR (16550 datasheet, 8.6.7). */
#define MSR_READY (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

static void flush(struct serial *s)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};

	/* At most PIPE_BUF bytes, so a writable pipe takes them without blocking. */
	if (s->len && poll(&p, 1, 0) == 1 && p.revents & POLLOUT) {
		if (write(s->fd, s->buf, s->len) < 0)
			s->dropped += s->len;
	} else {
		s->dropped += s->len;
	}
	s->len = 0;
}

static void transmit(struct serial *s, uint8_t c)
{
	s->buf[s->len++] = c;
	if (c == '\n' || s->len == sizeof(s->buf))
		flush(s);
}

/* The transmitter emptied: interrupt if the driver waits for that. */
static void thr_empty(struct serial *s)
{
	if (!(s->ier & UART_IER_THRI))
		return;
	s->thri = true;
	s->raise = true;
}

static uint8_t modem_status(const struct serial *s)
{
	uint8_t v = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_READY;
	v |= s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0;
	v |= s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0;
	v |= s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0;
	v |= s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0;
	return v;
}

uint8_t serial_read(struct serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;
	uint8_t v;

	switch (reg) {
	case UART_RX:
		return dlab ? s->dll : 0;
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		v = s->thri ? UART_IIR_THRI : UART_IIR_NO_INT;
		s->thri = false; /* reading it clears this cause */
		return v | (s->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return UART_LSR_THRE | UART_LSR_TEMT;
	case UART_MSR:
		return modem_status(s);
	default:
		return s->scr;
	}
}

void serial_write(struct serial *s, unsigned int reg, uint8_t v)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab) {
			s->dll = v;
			break;
		}
		if (!(s->mcr & UART_MCR_LOOP))
			transmit(s, v);
		thr_empty(s);
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = v;
			break;
		}
		s->ier = v & 0x0f;
		s->thri = false;
		thr_empty(s);
		break;
	case UART_FCR:
		s->fcr = v;
		break;
	case UART_LCR:
		s->lcr = v;
		break;
	case UART_MCR:
		s->mcr = v & 0x1f;
		break;
	case UART_SCR:
		s->scr = v;
		break;
	}
}

static void serial_access(void *priv, uint64_t off, bool write, void *data, unsigned int len)
{
	struct serial *s = priv;
	uint8_t *v = data;
	bool raise;

	if (len != 1)
		return;
	pthread_mutex_lock(&s->lock);
	if (write)
		serial_write(s, off, *v);
	else
		*v = serial_read(s, off);
	raise = s->raise;
	s->raise = false;
	pthread_mutex_unlock(&s->lock);
	if (raise)
		irqchip_pulse(s->vm, SERIAL_IRQ);
}

static int serial_attach(struct vm *vm, void **priv)
{
	struct serial *s;
	int ret;

	if (vm->cfg.console_fd < 0)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return log_errno(-ENOMEM, "serial: out of memory");
	s->vm = vm;
	s->fd = vm->cfg.console_fd;
	pthread_mutex_init(&s->lock, NULL);
	ret = irqchip_claim(vm, SERIAL_IRQ);
	if (!ret)
		ret = bus_add(vm, BUS_PIO, SERIAL_PORT, SERIAL_LEN, serial_access, s);
	if (ret)
		free(s);
	else
		*priv = s;
	return ret;
}

static void serial_detach(struct vm *vm, void *priv)
{
	struct serial *s = priv;

	if (!s)
		return;
	flush(s);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const struct dev_ops serial_ops = {
	.name = "serial",
	.attach = serial_attach,
	.detach = serial_detach,
};
