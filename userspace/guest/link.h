/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control connection to rund-agent: whole messages out, checked messages
 * in, never a partial one seen by a caller.
 */
#ifndef RUND_GUEST_LINK_H
#define RUND_GUEST_LINK_H

#include <stddef.h>

#include "rund/proto.h"

/**
 * struct link - the connection
 * @fd: stream socket
 * @have: bytes of an incomplete message in @buf
 * @buf: large enough for any message that may arrive after CONFIG
 */
struct link {
	int fd;
	size_t have;
	unsigned char buf[sizeof(struct rund_msg) + sizeof(struct rund_winsize)];
};

/**
 * struct link_event - a message that arrived after CONFIG
 * @type: RUND_MSG_SIGNAL or RUND_MSG_WINSIZE
 */
struct link_event {
	uint32_t type;
	union {
		struct rund_signal signal;
		struct rund_winsize winsize;
	};
};

/**
 * link_send() - send a message
 * @l: the connection
 * @type: enum rund_msg_type
 * @payload: its @len bytes, at most RUND_MSG_MAX_TO_HOST
 * @len: may be 0
 *
 * Return: 0, -EMSGSIZE or -errno.
 */
int link_send(struct link *l, uint32_t type, const void *payload, size_t len);

/**
 * link_recv_config() - wait for CONFIG
 * @l: the connection
 * @payload: receives a malloc()ed buffer
 *
 * Return: payload length in bytes, -EPROTO when another message or an overlong
 * one arrives, -ECONNRESET when the host closes the connection, or -errno.
 */
long link_recv_config(struct link *l, void **payload);

/**
 * link_recv() - take the next message that has arrived, without waiting
 * @l: the connection
 * @ev: filled when there is one
 *
 * Return: 1 for a message, 0 for none yet, -ECONNRESET when the host has closed
 * the connection, -EPROTO for a message that may not come now, or -errno.
 */
int link_recv(struct link *l, struct link_event *ev);

#endif
