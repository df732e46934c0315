/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything a monitor holds for its sandbox.  It is built by a ladder of steps
 * and given back in the opposite order, from wherever the ladder ended.
 */
#ifndef RUND_AGENT_SANDBOX_H
#define RUND_AGENT_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl.h"
#include "guest.h"
#include "link.h"
#include "logfile.h"
#include "options.h"
#include "pump.h"
#include "rundir.h"
#include "slot.h"
#include "state.h"
#include "timeline.h"
#include "vmm.h"

#define RA_NR_PORTS 4 /* RUND_PORT_CONTROL to RUND_PORT_STDERR */

struct ra_sandbox {
	const struct ra_opts *o;
	int base;	   /* the state directory */
	struct ra_dir dir; /* the sandbox's, held */
	char path[108];	   /* of the sandbox's directory; a sockaddr_un has no more */
	char vsock[108];   /* prefix of the guest's sockets */
	struct ra_state st;
	struct ra_slot slot;
	int lower, upper;
	int listeners[RA_NR_PORTS]; /* where the guest connects to */
	struct ra_ctl ctl;
	struct ra_log console, log;
	struct ra_vmm vmm;

	/* While it runs (session.c). */
	int client; /* to the launch process, or -1 */
	struct rund_winsize ws;
	bool stdin_on; /* the guest gets a standard input */
	int sigfd;
	struct ra_guest guest;
	struct ra_pump in, out, err;
	bool guest_gone; /* the control connection ended before the guest said how it ended */
	bool stopping;	 /* it was decided to end it: stop_code and stop_text say why */
	int stop_code;
	char stop_text[512];
	uint64_t boot_by;  /* the command must have started, ns of CLOCK_MONOTONIC */
	uint64_t kill_by;  /* what was killed must be dead; 0: nothing was */
	uint64_t progress; /* when something last moved */

	struct ra_result result;
	struct ra_timeline t;
};

/**
 * ra_sandbox_init() - nothing held
 * @sb: sandbox
 * @o: options; must outlive it
 * @client: connection to the launch process; borrowed
 */
void ra_sandbox_init(struct ra_sandbox *sb, const struct ra_opts *o, int client);

/**
 * ra_sandbox_build() - climb the ladder up to the running VMM
 *
 * Return: 0 or -errno; reported, and nothing is held.
 */
int ra_sandbox_build(struct ra_sandbox *sb);

/**
 * ra_sandbox_destroy() - give everything back
 * @keep_dir: leave the directory, with its logs and @sb->st as it is now
 */
void ra_sandbox_destroy(struct ra_sandbox *sb, bool keep_dir);

/**
 * ra_session_run() - from the started VMM to its end
 *
 * Fills @sb->result.
 */
void ra_session_run(struct ra_sandbox *sb);

/**
 * ra_session_stop() - decide that the sandbox ends now
 * @code: exit status of the launch
 * @text: why, for people
 *
 * The first decision stands.
 */
void ra_session_stop(struct ra_sandbox *sb, int code, const char *text);

/**
 * ra_session_signal() - pass a signal on to the command
 * Return: NULL, or why not.
 */
const char *ra_session_signal(struct ra_sandbox *sb, int signo);

/**
 * ra_verdict() - how it ended, once the VMM is dead
 *
 * Fills @sb->result from what the guest, the VMM, the cgroup and the operator
 * said.
 */
void ra_verdict(struct ra_sandbox *sb);

#endif
