/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals by name.
 */
#ifndef RUND_AGENT_SIGNAME_H
#define RUND_AGENT_SIGNAME_H

/**
 * ra_signal_number() - "TERM", "SIGTERM" (any case) or "15" to 15
 * Return: 1 to 64, or -EINVAL.
 */
int ra_signal_number(const char *text);

#endif
