/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The CONFIG message, decoded.  Every length is checked against the bytes that
 * arrived; a decoded config holds only NUL-terminated strings inside its own
 * buffer.
 */
#ifndef RUND_GUEST_CONFIG_H
#define RUND_GUEST_CONFIG_H

#include <stddef.h>

#include "rund/proto.h"

/**
 * struct config - what the command is to be given
 * @fixed: the fixed part of the message
 * @hostname: "" to keep the default
 * @cwd: "" for "/"
 * @user: "" for root
 * @argv: the command, NULL-terminated, at least one entry
 * @envp: "KEY=VALUE" entries, NULL-terminated
 * @strings: owns the bytes that the pointers above point into
 */
struct config {
	struct rund_config fixed;
	char *hostname;
	char *cwd;
	char *user;
	char **argv;
	char **envp;
	char *strings;
};

/**
 * config_decode() - check and decode the payload of RUND_MSG_CONFIG
 * @c: filled on success; give it back with config_free()
 * @payload: bytes as received
 * @len: how many
 * @what: set to what is wrong with the message when it is refused
 *
 * Return: 0, -EPROTO when the message is malformed, -ENOMEM.
 */
int config_decode(struct config *c, const void *payload, size_t len, const char **what);

/**
 * config_free() - free what config_decode() allocated
 */
void config_free(struct config *c);

#endif
