// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monitor's loop: one poll() over the guest, the VMM, the launch process, the
 * standard streams and the command socket, until the VMM is dead and every byte
 * it had handed out is passed on.  Nothing in it blocks, and every wait that
 * depends on the guest has an end.
 */
#include "sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#define NS_PER_S UINT64_C(1000000000)

/* What was told to die is killed for good after this. */
#define KILL_GRACE_NS (5 * NS_PER_S)
/* After the end: how long nothing may move before the rest is given up. */
#define DRAIN_GRACE_NS (5 * NS_PER_S)

enum {
	P_SIG,
	P_CLIENT,
	P_VMM,
	P_VMM_CONTROL,
	P_VMM_CONSOLE,
	P_VMM_ERRORS,
	P_GUEST,
	P_LISTEN,
	P_IN = P_LISTEN + RA_NR_PORTS,
	P_OUT = P_IN + 2,
	P_ERR = P_OUT + 2,
	P_CTL = P_ERR + 2,
	NR_POLL = P_CTL + RA_CTL_POLLS,
};

void ra_session_stop(struct ra_sandbox *sb, int code, const char *text)
{
	if (!sb->stopping) {
		sb->stopping = true;
		sb->stop_code = code;
		snprintf(sb->stop_text, sizeof(sb->stop_text), "%s", text);
	}
	ra_vmm_signal(&sb->vmm, SIGKILL);
}

static void link_send(struct ra_sandbox *sb, int type)
{
	struct ra_link_up up = {.type = type, .result = sb->result, .t = sb->t};

	if (sb->client >= 0)
		send(sb->client, &up, sizeof(up), MSG_NOSIGNAL);
}

/* A detached sandbox lives on without the process that launched it. */
static void detach(struct ra_sandbox *sb)
{
	close_fd(sb->client);
	sb->client = -1;
	/* Nobody must wait for the end of a stream that this process inherited. */
	dup2(STDIN_FILENO, STDERR_FILENO);
}

static void guest_started(struct ra_sandbox *sb)
{
	ra_mark(&sb->t, RA_T_EXEC);
	sb->boot_by = 0;
	sb->st.status = RA_RUNNING;
	sb->st.started = time(NULL);
	ra_state_write(sb->dir.fd, &sb->st);
	link_send(sb, RA_LINK_STARTED);
	if (sb->o->detach)
		detach(sb);
}

static void guest_hello(struct ra_sandbox *sb)
{
	__cleanup_free uint8_t *config = NULL;
	size_t len = 0;

	ra_mark(&sb->t, RA_T_HELLO);
	config = ra_config_payload(sb->o, &sb->ws, sb->stdin_on, &len);
	if (!config || ra_guest_queue(&sb->guest, RUND_MSG_CONFIG, config, len))
		ra_session_stop(sb, 125, "cannot tell the guest what to run");
}

static void stop_streams(struct ra_sandbox *sb)
{
	ra_pump_stop(&sb->in);
	ra_pump_stop(&sb->out);
	ra_pump_stop(&sb->err);
}

static void guest_message(struct ra_sandbox *sb, int type)
{
	switch (type) {
	case RUND_MSG_HELLO:
		guest_hello(sb);
		break;
	case RUND_MSG_STARTED:
		guest_started(sb);
		break;
	case RUND_MSG_EXIT:
		ra_mark(&sb->t, RA_T_EXIT);
		break;
	case RUND_MSG_ERROR: /* ra_verdict() reads what it says */
		stop_streams(sb);
		break;
	}
}

static void guest_run(struct ra_sandbox *sb, short revents)
{
	int ret = ra_guest_send(&sb->guest);

	if (!ret && revents & (POLLIN | POLLHUP | POLLERR))
		ret = ra_guest_recv(&sb->guest);
	else
		ret = ret ? ret : 1;
	for (int type; (type = ra_guest_next(&sb->guest)) != 0;) {
		if (type < 0) {
			ra_session_stop(sb, 125, "the guest broke the protocol");
			break;
		}
		guest_message(sb, type);
	}
	/* What the end of the connection means, the end of the VMM will tell. */
	if (ret <= 0 && ret != -EAGAIN) {
		ra_guest_close(&sb->guest);
		sb->guest_gone = true;
		sb->progress = ra_now();
	}
}

/* Each port takes one connection; its listener is then closed. */
static void accept_port(struct ra_sandbox *sb, int i)
{
	int fd = accept4(sb->listeners[i], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	close_fd(sb->listeners[i]);
	sb->listeners[i] = -1;
	switch (RUND_PORT_CONTROL + i) {
	case RUND_PORT_CONTROL:
		sb->guest.fd = fd;
		break;
	case RUND_PORT_STDIN:
		ra_pump_set_out(&sb->in, fd);
		break;
	case RUND_PORT_STDOUT:
		ra_pump_set_in(&sb->out, fd);
		break;
	case RUND_PORT_STDERR:
		ra_pump_set_in(&sb->err, fd);
		break;
	}
}

static bool is_deadly(int signo)
{
	return signo == SIGKILL || signo == SIGTERM || signo == SIGINT || signo == SIGHUP ||
	       signo == SIGQUIT;
}

const char *ra_session_signal(struct ra_sandbox *sb, int signo)
{
	struct rund_signal msg = {.signo = signo};
	char text[80];

	if (sb->guest.state >= RA_GUEST_OVER || sb->vmm.dead)
		return "its command has ended";
	if (sb->guest.state != RA_GUEST_STARTED) {
		/* Nobody is there yet to take it; those that end a program end the launch. */
		if (!is_deadly(signo))
			return "its command has not started yet";
		snprintf(text, sizeof(text), "ended by signal %d before its command started",
			 signo);
		ra_session_stop(sb, 128 + signo, text);
		return NULL;
	}
	/* No program survives SIGKILL, but a guest might not take or deliver it. */
	if (signo == SIGKILL && !sb->kill_by)
		sb->kill_by = ra_now() + KILL_GRACE_NS;
	if (ra_guest_queue(&sb->guest, RUND_MSG_SIGNAL, &msg, sizeof(msg)) && signo != SIGKILL)
		return "the guest takes no messages; use rund-agent rm -f";
	return NULL;
}

static void client_run(struct ra_sandbox *sb)
{
	struct ra_link_down msg;
	ssize_t n = recv(sb->client, &msg, sizeof(msg), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != sizeof(msg)) {
		sb->client = -1;
		ra_session_stop(sb, 125, "the launching process ended");
		return;
	}
	if (msg.type == RA_LINK_SIGNAL) {
		/* Only output is left to wait for, and its reader is done with it. */
		if (ra_session_signal(sb, msg.signo) && is_deadly(msg.signo) &&
		    (sb->guest.state >= RA_GUEST_OVER || sb->vmm.dead))
			stop_streams(sb);
	} else {
		/* Until CONFIG is sent the size goes with that. */
		sb->ws = msg.ws;
		if (sb->guest.state == RA_GUEST_HELLO || sb->guest.state == RA_GUEST_STARTED)
			ra_guest_queue(&sb->guest, RUND_MSG_WINSIZE, &msg.ws, sizeof(msg.ws));
	}
}

static void own_signal(struct ra_sandbox *sb)
{
	struct signalfd_siginfo si;

	while (read(sb->sigfd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo != SIGHUP)
			ra_session_stop(sb, 128 + si.ssi_signo, "its monitor was told to end");
	}
}

static struct json_object *serve(void *ctx, struct json_object *req)
{
	struct ra_sandbox *sb = ctx;
	struct json_object *rep;
	char cmd[16];
	int64_t signo;
	const char *why;

	if (ra_json_str(req, "cmd", cmd, sizeof(cmd)))
		return NULL;
	if (!strcmp(cmd, "stop")) {
		ra_session_stop(sb, 137, "ended by rund-agent rm -f");
		return ra_ctl_ok();
	}
	if (!strcmp(cmd, "kill")) {
		if (ra_json_int(req, "signal", 1, 64, &signo))
			return NULL;
		why = ra_session_signal(sb, signo);
		return why ? ra_ctl_error(why) : ra_ctl_ok();
	}
	if (strcmp(cmd, "status"))
		return NULL;
	rep = ra_ctl_ok();
	json_object_object_add(rep, "state", json_object_new_string(ra_status_name(sb->st.status)));
	return rep;
}

static struct pollfd want(int fd, short events)
{
	return (struct pollfd){.fd = fd, .events = events};
}

static void watch(const struct ra_sandbox *sb, struct pollfd *p)
{
	bool sending = sb->guest.out_sent < sb->guest.out_len;

	p[P_SIG] = want(sb->sigfd, POLLIN);
	p[P_CLIENT] = want(sb->client, POLLIN);
	p[P_VMM] = want(sb->vmm.dead ? -1 : sb->vmm.pidfd, POLLIN);
	p[P_VMM_CONTROL] = want(sb->vmm.control, POLLIN);
	p[P_VMM_CONSOLE] = want(sb->vmm.console, POLLIN);
	p[P_VMM_ERRORS] = want(sb->vmm.errors, POLLIN);
	p[P_GUEST] = want(sb->guest.fd, sending ? POLLIN | POLLOUT : POLLIN);
	for (int i = 0; i < RA_NR_PORTS; i++)
		p[P_LISTEN + i] = want(sb->listeners[i], POLLIN);
	ra_pump_poll(&sb->in, &p[P_IN]);
	ra_pump_poll(&sb->out, &p[P_OUT]);
	ra_pump_poll(&sb->err, &p[P_ERR]);
	ra_ctl_poll(&sb->ctl, &p[P_CTL]);
}

static void vmm_run(struct ra_sandbox *sb, const struct pollfd *p)
{
	if (p[P_VMM_CONTROL].revents)
		ra_vmm_read_control(&sb->vmm);
	if (sb->vmm.started)
		ra_mark(&sb->t, RA_T_VM);
	if (p[P_VMM_CONSOLE].revents && ra_vmm_read_console(&sb->vmm, &sb->console))
		sb->progress = ra_now();
	if (p[P_VMM_ERRORS].revents && ra_vmm_read_errors(&sb->vmm, &sb->console))
		sb->progress = ra_now();
}

/*
 * Streams before messages: EXIT comes after the last byte was handed to the VMM,
 * and a connection is accepted before the bytes in it count.  The VMM's end comes
 * last, so that what it did before is seen before.
 */
static void turn(struct ra_sandbox *sb, const struct pollfd *p)
{
	bool moved;

	for (int i = 0; i < RA_NR_PORTS; i++) {
		if (sb->listeners[i] >= 0 && (p[P_LISTEN + i].revents || p[P_VMM].revents))
			accept_port(sb, i);
	}
	moved = ra_pump_run(&sb->in, &p[P_IN]);
	moved |= ra_pump_run(&sb->out, &p[P_OUT]);
	moved |= ra_pump_run(&sb->err, &p[P_ERR]);
	if (moved)
		sb->progress = ra_now();
	vmm_run(sb, p);
	if (p[P_SIG].revents)
		own_signal(sb);
	if (sb->client >= 0 && p[P_CLIENT].revents)
		client_run(sb);
	ra_ctl_run(&sb->ctl, &p[P_CTL]);
	if (sb->guest.fd >= 0)
		guest_run(sb, p[P_GUEST].revents);
	if (p[P_VMM].revents) {
		ra_vmm_reap(&sb->vmm);
		sb->progress = ra_now();
	}
}

static bool stream_done(const struct ra_pump *p)
{
	return p->done || p->in < 0;
}

static bool streams_done(const struct ra_sandbox *sb)
{
	return stream_done(&sb->out) && stream_done(&sb->err);
}

/*
 * The command has ended and said how, and its output is here: nothing the guest
 * might still do matters, so it need not be waited for.
 */
static void end_guest(struct ra_sandbox *sb)
{
	if (sb->guest.state != RA_GUEST_OVER || sb->vmm.dead || !streams_done(sb))
		return;
	ra_guest_close(&sb->guest);
	ra_pump_stop(&sb->in);
	sb->kill_by = ra_now() + KILL_GRACE_NS;
	ra_vmm_signal(&sb->vmm, SIGTERM);
	sb->guest.state = RA_GUEST_ENDED;
}

static bool over(const struct ra_sandbox *sb)
{
	return sb->vmm.dead && streams_done(sb) && sb->guest.fd < 0 && sb->vmm.console < 0 &&
	       sb->vmm.errors < 0;
}

/* A reader on this side may take as long as it likes, unless it all was ended. */
static bool waiting_for_reader(const struct ra_sandbox *sb)
{
	return !sb->stopping && (sb->out.len || sb->err.len);
}

static uint64_t drain_by(const struct ra_sandbox *sb)
{
	bool ending = sb->vmm.dead || sb->guest.state >= RA_GUEST_OVER || sb->guest_gone;

	return ending && !waiting_for_reader(sb) ? sb->progress + DRAIN_GRACE_NS : 0;
}

/* Nothing moved for long enough: end what is left, one way or the other. */
static void give_up(struct ra_sandbox *sb, uint64_t now)
{
	sb->progress = now;
	stop_streams(sb);
	ra_guest_close(&sb->guest);
	if (!sb->vmm.dead && sb->guest.state < RA_GUEST_OVER)
		ra_session_stop(sb, 125, "the guest closed its control connection");
	ra_vmm_signal(&sb->vmm, SIGKILL);
	if (sb->vmm.dead)
		ra_vmm_close(&sb->vmm);
}

/* How far it came is what whoever reads this needs. */
static void start_timed_out(struct ra_sandbox *sb)
{
	const char *last = "its guest is silent; see rund-agent logs --console";
	char text[400];

	if (sb->guest.state == RA_GUEST_HELLO)
		last = "its guest is up, but not done with its mounts";
	else if (sb->guest.fd >= 0)
		last = "its guest is connected";
	else if (!sb->vmm.started)
		last = "its VMM has not started the guest";
	snprintf(text, sizeof(text), "the command did not start within %u s (--timeout): %s",
		 sb->o->timeout_s, last);
	ra_session_stop(sb, 125, text);
}

static void expire(struct ra_sandbox *sb, uint64_t now)
{
	uint64_t drain = drain_by(sb);

	if (sb->boot_by && now >= sb->boot_by) {
		sb->boot_by = 0;
		start_timed_out(sb);
	}
	if (sb->kill_by && now >= sb->kill_by) {
		sb->kill_by = 0;
		if (sb->guest.state == RA_GUEST_STARTED)
			ra_session_stop(sb, 137, "killed");
		ra_vmm_signal(&sb->vmm, SIGKILL);
	}
	if (drain && now >= drain)
		give_up(sb, now);
}

static int timeout_ms(const struct ra_sandbox *sb)
{
	const uint64_t by[] = {sb->boot_by, sb->kill_by, drain_by(sb)};
	uint64_t now = ra_now(), first = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		if (by[i] && by[i] < first)
			first = by[i];
	}
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (first - now) / 1000000 + 1;
}

void ra_session_run(struct ra_sandbox *sb)
{
	struct pollfd p[NR_POLL];

	sb->ctl.serve = serve;
	sb->ctl.ctx = sb;
	sb->progress = ra_now();
	sb->boot_by = sb->progress + sb->o->timeout_s * NS_PER_S;
	while (!over(sb)) {
		watch(sb, p);
		if (poll(p, NR_POLL, timeout_ms(sb)) < 0) {
			if (errno != EINTR)
				ra_session_stop(sb, 125, "poll failed");
			continue;
		}
		turn(sb, p);
		end_guest(sb);
		expire(sb, ra_now());
	}
	if (sb->t.at[RA_T_EXEC])
		ra_mark(&sb->t, RA_T_EXIT);
	ra_verdict(sb);
}
