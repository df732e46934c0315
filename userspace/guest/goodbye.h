/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last thing a guest does: let the host take every byte before the power
 * goes, because what a VMM still holds then is lost.
 */
#ifndef RUND_GUEST_GOODBYE_H
#define RUND_GUEST_GOODBYE_H

#include "link.h"

/**
 * goodbye() - wait until the host has everything
 * @l: control connection; the last message is sent
 * @out: socket of stdout, shut down for writing, or -1
 * @err: socket of stderr, likewise
 * @grace_ms: how long the host may take to close the control connection once it
 *	has closed the streams, in milliseconds
 *
 * The host owns the guest and may be as slow as it likes to pass output on, so
 * there is no limit while it keeps a stream open.  Closing the control
 * connection ends the wait at once.
 */
void goodbye(struct link *l, int out, int err, int grace_ms);

#endif
