// SPDX-License-Identifier: GPL-2.0-only
/*
 * rund-init: PID 1 of the microVM.  Runs one command in the container's root
 * file system for rund-agent and powers the guest off when it has ended, when it
 * could not be started, and when the host has gone away.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "account.h"
#include "config.h"
#include "dev.h"
#include "fault.h"
#include "goodbye.h"
#include "lib/log.h"
#include "link.h"
#include "rootfs.h"
#include "session.h"
#include "system.h"

/* How long the host may take to close the connection after the last message. */
#define GOODBYE_MS 2000

/* Too large for a stack, and there is only one of each. */
static struct account account;
static struct session session;

static int vsock_stream(void *ctx, unsigned int port)
{
	return system_connect(port);
}

static void kill_everything(void *ctx)
{
	/* The kernel spares PID 1, the sender. */
	kill(-1, SIGKILL);
}

static int tty_ready(void *ctx, const char *path)
{
	return dev_console(path);
}

static const struct session_ops guest_ops = {
	.open_stream = vsock_stream,
	.kill_rest = kill_everything,
	.tty_ready = tty_ready,
};

/*
 * Without a console 0, 1 and 2 are closed; a socket must not become one of them.
 * The initramfs has no /dev/null: this is for when devtmpfs is mounted.
 */
static void fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/*
 * What the command starts with unless it is told otherwise: the kernel's own
 * hard limit of 4096 open files is a quarter-century old, and more is what
 * containers get elsewhere.
 */
static void default_limits(void)
{
	const struct rlimit files = {.rlim_cur = 1024, .rlim_max = 524288};

	if (setrlimit(RLIMIT_NOFILE, &files))
		log_warn("limit of open files: %s", strerror(errno));
}

static int say_hello(struct link *link, struct rund_error *why)
{
	struct rund_hello hello = {.version = RUND_PROTO_VERSION};
	int ret;

	link->fd = system_connect(RUND_PORT_CONTROL);
	if (link->fd < 0)
		return fault(why, EXIT_SETUP, link->fd, "vsock port %u of the host",
			     RUND_PORT_CONTROL);
	ret = link_send(link, RUND_MSG_HELLO, &hello, sizeof(hello));
	if (ret)
		return fault(why, EXIT_SETUP, ret, "control connection");
	return 0;
}

static int get_config(struct link *link, struct config *cfg, struct rund_error *why)
{
	const char *what;
	void *payload = NULL;
	long len = link_recv_config(link, &payload);
	int ret;

	if (len < 0)
		return fault(why, EXIT_SETUP, len, "configuration from the host");
	ret = config_decode(cfg, payload, len, &what);
	/* It carries the seed. */
	explicit_bzero(payload, len);
	free(payload);
	if (ret)
		return fault(why, EXIT_SETUP, ret, "configuration from the host: %s", what);
	return 0;
}

static int prepare(struct config *cfg, struct rund_exit *times, struct rund_error *why)
{
	int ret;

	ret = system_seed(cfg->fixed.seed, sizeof(cfg->fixed.seed), why);
	explicit_bzero(cfg->fixed.seed, sizeof(cfg->fixed.seed));
	if (!ret)
		ret = system_set_clock(cfg->fixed.realtime_ns, why);
	if (!ret)
		ret = system_set_hostname(cfg->hostname, why);
	if (!ret)
		ret = system_loopback_up(why);
	if (!ret)
		ret = rootfs_mount(why);
	if (!ret)
		ret = rootfs_populate(why);
	if (!ret)
		ret = account_load(&account, cfg->user, why);
	times->t_mounts = system_now_ns();
	return ret;
}

static int run(struct link *link, struct rund_exit *result, struct rund_error *why)
{
	struct config cfg;
	int ret;

	ret = get_config(link, &cfg, why);
	if (ret)
		return ret;
	ret = prepare(&cfg, result, why);
	if (!ret) {
		session.cfg = &cfg;
		session.account = &account;
		session.link = link;
		session.ops = &guest_ops;
		ret = session_run(&session, result, why);
	}
	config_free(&cfg);
	return ret;
}

static void report(struct link *link, int ret, const struct rund_exit *result,
		   const struct rund_error *why)
{
	if (!ret) {
		ret = link_send(link, RUND_MSG_EXIT, result, sizeof(*result));
	} else if (why->exit_code) {
		log_err("%s", why->text);
		ret = link_send(link, RUND_MSG_ERROR, why, sizeof(*why));
	} else {
		log_err("the host has closed the control connection");
	}
	/* A host that is gone waits for nothing. */
	if (!ret || why->exit_code)
		goodbye(link, session.out.out, session.err.out, GOODBYE_MS);
}

int main(void)
{
	struct rund_exit result = {.t_init = system_now_ns()};
	struct link link = {.fd = -1};
	struct rund_error why = {0};
	int ret;

	log_init("rund-init", LOG_LEVEL_INFO);
	/* The kernel runs it as /init; ps should tell what it is. */
	prctl(PR_SET_NAME, "rund-init");
	default_limits();
	session_init(&session);
	ret = rootfs_early(&why);
	if (!ret) {
		fill_stdio();
		ret = say_hello(&link, &why);
	}
	if (ret) {
		/* Nobody to tell but whoever reads the console. */
		log_err("%s", why.text);
		system_power_off();
	}
	ret = run(&link, &result, &why);
	report(&link, ret, &result, &why);
	system_power_off();
}
