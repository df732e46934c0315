// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a sandbox ended.  Several parties say something about it; the one that
 * knows best is believed: the guest about its command, then the cgroup about
 * memory, then whoever ended it, and only then the VMM's exit status.
 */
#include "sandbox.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Enough of the console for the reason of a panic, on one line. */
#define TAIL_LEN 240

/* No guest takes an hour to mount its layers. */
#define RA_GUEST_PLAUSIBLE_NS (3600 * UINT64_C(1000000000))

static void from_guest(struct ra_sandbox *sb)
{
	const struct rund_exit *e = &sb->guest.exit;
	struct ra_result *r = &sb->result;

	if (sb->guest.failed) {
		r->code = sb->guest.error.exit_code;
		snprintf(r->text, sizeof(r->text), "%.500s", sb->guest.error.text);
		return;
	}
	r->code = e->signal ? 128 + e->signal : e->code;
	/* The guest's clock may say anything: only what can be true is shown. */
	if (e->t_mounts > e->t_init && e->t_mounts - e->t_init < RA_GUEST_PLAUSIBLE_NS)
		sb->t.guest_mount = e->t_mounts - e->t_init;
}

static void out_of_memory(struct ra_sandbox *sb)
{
	sb->result.code = 128 + SIGKILL;
	sb->result.oom = true;
	snprintf(sb->result.text, sizeof(sb->result.text),
		 "out of memory: killed by memory.max=%" PRIu64 "M (--mem is %" PRIu64
		 "M); raise --memory-max",
		 sb->o->memory_max / RA_MIB, sb->o->mem / RA_MIB);
}

/* The end of the console, as one printable line. */
static void console_tail(const struct ra_sandbox *sb, char *buf, size_t len)
{
	char raw[TAIL_LEN];
	size_t n = ra_log_tail(&sb->console, raw, sizeof(raw)), used = 0;

	for (size_t i = 0; i < n && used + 4 < len; i++) {
		if (raw[i] == '\n') {
			memcpy(buf + used, " | ", 3);
			used += 3;
		} else if (raw[i] >= ' ' && raw[i] <= '~') {
			buf[used++] = raw[i];
		}
	}
	while (used >= 3 && !strncmp(buf + used - 3, " | ", 3))
		used -= 3;
	buf[used] = '\0';
}

static void guest_died(struct ra_sandbox *sb)
{
	const char *reason = *sb->vmm.reason ? sb->vmm.reason : "no reason given";
	char tail[TAIL_LEN * 3];

	console_tail(sb, tail, sizeof(tail));
	snprintf(sb->result.text, sizeof(sb->result.text),
		 "the guest ended (%s) without saying how its command did%s%.380s", reason,
		 *tail ? "; its console ends: " : "; its console is empty", tail);
}

static void from_vmm(struct ra_sandbox *sb)
{
	char err[384];

	sb->result.code = 125;
	if (WIFSIGNALED(sb->vmm.status)) {
		snprintf(sb->result.text, sizeof(sb->result.text),
			 "the VMM was killed by signal %d", WTERMSIG(sb->vmm.status));
		return;
	}
	if (!WEXITSTATUS(sb->vmm.status)) {
		guest_died(sb);
		return;
	}
	ra_vmm_last_error(&sb->vmm, err, sizeof(err));
	if (!*err)
		snprintf(err, sizeof(err), "it exited with status %d and no message",
			 WEXITSTATUS(sb->vmm.status));
	snprintf(sb->result.text, sizeof(sb->result.text), "VMM: %s", err);
}

void ra_verdict(struct ra_sandbox *sb)
{
	if (sb->guest.state >= RA_GUEST_OVER) {
		from_guest(sb);
	} else if (ra_slot_oom_kills(&sb->slot)) {
		out_of_memory(sb);
	} else if (sb->stopping) {
		sb->result.code = sb->stop_code;
		snprintf(sb->result.text, sizeof(sb->result.text), "%s", sb->stop_text);
	} else {
		from_vmm(sb);
	}
}
