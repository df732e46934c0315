/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMM as a child: started inside the sandbox's cgroup, dead when this
 * process is dead, and listened to on its control socket, its error output and
 * the guest's console.
 */
#ifndef RUND_AGENT_VMM_H
#define RUND_AGENT_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "logfile.h"

struct ra_opts;

/* Each VMM is its own vsock host, so every guest can have the first free CID. */
#define RA_GUEST_CID 3

struct ra_vmm {
	pid_t pid;
	int pidfd;
	int control; /* JSON lines, both ways */
	int console; /* reading end; the guest's 8250 */
	int errors;  /* reading end; the VMM's stdout and stderr */
	bool dead;
	int status;	 /* wait status, when dead */
	bool started;	 /* it says that the guest runs */
	char reason[32]; /* why the guest ended, as it says */
	char line[1024]; /* of control, incomplete */
	size_t line_len;
	char err[512]; /* the last of its error output */
	size_t err_len;
};

#define RA_VMM_INIT                                                     \
	{                                                               \
		.pidfd = -1, .control = -1, .console = -1, .errors = -1 \
	}

/**
 * ra_vmm_spawn() - start the VMM of a sandbox
 * @v: receives it
 * @o: options
 * @cgroup: directory of the cgroup that it is to begin its life in
 * @lower: directory served as the read-only layer
 * @upper: file served as the writable layer
 * @vsock: path prefix of its Unix sockets
 *
 * Return: 0 or -errno; reported.
 */
int ra_vmm_spawn(struct ra_vmm *v, const struct ra_opts *o, int cgroup, int lower, int upper,
		 const char *vsock);

/**
 * ra_vmm_read_control() - take in what it says on its control socket
 */
void ra_vmm_read_control(struct ra_vmm *v);

/**
 * ra_vmm_read_console() - take in what the guest's console says
 * Return: whether there was anything.
 */
bool ra_vmm_read_console(struct ra_vmm *v, struct ra_log *log);

/**
 * ra_vmm_read_errors() - take in what the VMM writes to stderr
 * Return: whether there was anything.
 */
bool ra_vmm_read_errors(struct ra_vmm *v, struct ra_log *log);

/**
 * ra_vmm_signal() - send it a signal, if it is alive
 */
void ra_vmm_signal(const struct ra_vmm *v, int signo);

/**
 * ra_vmm_reap() - collect its exit status, which must be there to collect
 */
void ra_vmm_reap(struct ra_vmm *v);

/**
 * ra_vmm_last_error() - the last line of its error output
 * @buf: receives it, without the program's prefix, printable
 */
void ra_vmm_last_error(const struct ra_vmm *v, char *buf, size_t len);

/**
 * ra_vmm_close() - kill it if need be, wait for it, close everything
 */
void ra_vmm_close(struct ra_vmm *v);

#endif
