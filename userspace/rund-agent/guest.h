/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent's end of the control connection to rund-init (include/rund/proto.h).
 *
 * What the guest sends is hostile: type, length and contents of every message are
 * checked against what may come next, texts are cut to printable characters, and
 * anything else makes the guest "broken", which ends the sandbox.
 */
#ifndef RUND_AGENT_GUEST_H
#define RUND_AGENT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rund/proto.h"

struct ra_opts;

enum ra_guest_state {
	RA_GUEST_SILENT,  /* connected at most */
	RA_GUEST_HELLO,	  /* said hello; CONFIG is on its way to it */
	RA_GUEST_STARTED, /* the command runs */
	RA_GUEST_OVER,	  /* EXIT or ERROR came: nothing may follow */
	RA_GUEST_ENDED,	  /* and the VMM was told to end */
};

struct ra_guest {
	int fd; /* owned, non-blocking; -1: not connected */
	enum ra_guest_state state;
	uint8_t in[sizeof(struct rund_msg) + RUND_MSG_MAX_TO_HOST];
	size_t in_len;
	uint8_t *out; /* to be sent */
	size_t out_cap, out_len, out_sent;
	struct rund_exit exit;	 /* after EXIT */
	struct rund_error error; /* after ERROR */
	bool failed;		 /* ERROR came */
};

#define RA_GUEST_INIT    \
	{                \
		.fd = -1 \
	}

/**
 * ra_config_check() - whether command and environment fit into a message
 * Return: 0 or -E2BIG; reported.
 */
int ra_config_check(const struct ra_opts *o);

/**
 * ra_config_payload() - the payload of CONFIG for these options
 * @o: options
 * @ws: terminal size, zero when there is none
 * @stdin_on: connect standard input
 * @len: receives the length
 *
 * The seed and the time in it are those of this moment.
 *
 * Return: malloc()ed, or NULL; reported.
 */
uint8_t *ra_config_payload(const struct ra_opts *o, const struct rund_winsize *ws, bool stdin_on,
			   size_t *len);

/**
 * ra_guest_queue() - queue a message for the guest
 * @type: of the host to guest direction
 * @payload: copied
 * @len: its length
 *
 * Return: 0, -ENOTCONN, -ENOBUFS when the guest reads nothing, or -ENOMEM;
 * unreported.
 */
int ra_guest_queue(struct ra_guest *g, uint32_t type, const void *payload, size_t len);

/**
 * ra_guest_send() - send what is queued as far as the socket takes it
 * Return: 0 or -errno; unreported.
 */
int ra_guest_send(struct ra_guest *g);

/**
 * ra_guest_recv() - read what has come, without taking messages from it
 * Return: bytes read, 0 at end of stream, -EAGAIN, or -errno; unreported.
 */
int ra_guest_recv(struct ra_guest *g);

/**
 * ra_guest_next() - take the next complete message
 *
 * Moves @g->state on and fills @g->exit or @g->error.
 *
 * Return: its type, 0 when none is complete, or -EPROTO when the guest breaks
 * the protocol.
 */
int ra_guest_next(struct ra_guest *g);

/**
 * ra_guest_close() - end the connection and forget what was queued
 */
void ra_guest_close(struct ra_guest *g);

/**
 * ra_printable() - replace what is not printable ASCII, in place
 */
void ra_printable(char *text);

#endif
