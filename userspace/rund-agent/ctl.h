/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor's command socket, /run/rund/NAME/ctl: one JSON object a line, from
 * root only; one object a line comes back.
 *
 *   {"cmd":"kill","signal":15}   send the command a signal
 *   {"cmd":"stop"}               end the sandbox at once
 *   {"cmd":"status"}             {"ok":true,"state":"running"}
 *
 * Refusals are {"ok":false,"error":"..."}.
 */
#ifndef RUND_AGENT_CTL_H
#define RUND_AGENT_CTL_H

#include <json-c/json.h>
#include <poll.h>
#include <stddef.h>

#define RA_CTL_CONNS 8
#define RA_CTL_LINE  512

struct ra_ctl {
	int listen;
	struct ra_ctl_conn {
		int fd;
		char line[RA_CTL_LINE];
		size_t len;
	} conn[RA_CTL_CONNS];
	struct json_object *(*serve)(void *ctx, struct json_object *req);
	void *ctx;
};

#define RA_CTL_POLLS (1 + RA_CTL_CONNS)

/**
 * ra_ctl_init() - not listening
 * @serve: answers one request with a new object; NULL is taken as malformed
 */
void ra_ctl_init(struct ra_ctl *c, struct json_object *(*serve)(void *, struct json_object *),
		 void *ctx);

/**
 * ra_ctl_listen() - begin to listen
 * Return: 0 or -errno; reported.
 */
int ra_ctl_listen(struct ra_ctl *c, const char *path);

/**
 * ra_ctl_poll() - fill in what to wait for
 */
void ra_ctl_poll(const struct ra_ctl *c, struct pollfd pfd[RA_CTL_POLLS]);

/**
 * ra_ctl_run() - accept, read and answer
 */
void ra_ctl_run(struct ra_ctl *c, const struct pollfd pfd[RA_CTL_POLLS]);

/**
 * ra_ctl_close() - stop listening and drop every connection
 */
void ra_ctl_close(struct ra_ctl *c);

/**
 * ra_ctl_error() - a refusal
 */
struct json_object *ra_ctl_error(const char *text);

/**
 * ra_ctl_ok() - an agreement
 */
struct json_object *ra_ctl_ok(void);

/**
 * ra_ctl_call() - the client's side: one request, one answer
 * @name: sandbox
 * @req: its reference is consumed
 * @err: receives the text of a refusal
 *
 * Return: 0, -ENOENT or -ECONNREFUSED when nobody listens, -EREMOTEIO when it
 * was refused, or -errno; unreported.
 */
int ra_ctl_call(const char *name, struct json_object *req, char *err, size_t len);

#endif
