/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the launch process and its monitor say to each other, over a
 * SOCK_SEQPACKET pair between two processes of one program.
 */
#ifndef RUND_AGENT_LINK_H
#define RUND_AGENT_LINK_H

#include <stdbool.h>

#include "rund/proto.h"
#include "timeline.h"

struct ra_result {
	int code;	/* exit status of the launch */
	bool oom;	/* the cgroup ran out of memory */
	char text[512]; /* why, when the command did not simply end; else empty */
};

/* Launch process to monitor. */
enum { RA_LINK_SIGNAL = 1, RA_LINK_WINSIZE };
struct ra_link_down {
	int type;
	int signo;
	struct rund_winsize ws;
};

/* Monitor to launch process. */
enum { RA_LINK_STARTED = 1, RA_LINK_RESULT };
struct ra_link_up {
	int type;
	struct ra_result result;
	struct ra_timeline t;
};

#endif
