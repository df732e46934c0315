/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What makes a booted kernel a guest of its own: clock, randomness, name,
 * loopback, the way to the host, and the way out.
 */
#ifndef RUND_GUEST_SYSTEM_H
#define RUND_GUEST_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#include "fault.h"

/**
 * system_now_ns() - CLOCK_MONOTONIC, which counts from the start of the kernel
 */
uint64_t system_now_ns(void);

/**
 * system_seed() - credit fresh bytes of the host to the CRNG and reseed it now
 * @seed: secret bytes that no other guest has
 * @len: how many, at most RUND_SEED_LEN
 *
 * Return: 0 or -errno with @why filled.
 */
int system_seed(const uint8_t *seed, size_t len, struct rund_error *why);

/**
 * system_set_clock() - follow the host's clock when ours is off by over a second
 * @realtime_ns: CLOCK_REALTIME of the host
 *
 * Return: 0 or -errno with @why filled.
 */
int system_set_clock(uint64_t realtime_ns, struct rund_error *why);

/**
 * system_set_hostname() - name the guest
 * @name: "" for the default, "rund"
 *
 * Return: 0 or -errno with @why filled.
 */
int system_set_hostname(const char *name, struct rund_error *why);

/**
 * system_loopback_up() - bring up lo
 * Return: 0 or -errno with @why filled.
 */
int system_loopback_up(struct rund_error *why);

/**
 * system_connect() - connect to a vsock port of the host
 * Return: a close-on-exec descriptor or -errno.
 */
int system_connect(unsigned int port);

/**
 * system_power_off() - end the guest at once; does not return
 *
 * Nothing is synced: the writable layer is thrown away with the guest.
 */
void system_power_off(void) __attribute__((noreturn));

#endif
