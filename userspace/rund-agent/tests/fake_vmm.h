/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stand-in for rund-vmm and the guest in it, so that the whole agent can be
 * tested under the sanitizers on any machine.  It takes rund-vmm's options and
 * speaks rund-init's protocol; $RUND_FAKE says what kind of guest it is.
 */
#ifndef RUND_AGENT_FAKE_VMM_H
#define RUND_AGENT_FAKE_VMM_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "rund/proto.h"

struct fake {
	const char *vsock;
	int console, control;
	int link;
};

static int fake_fd(const char *arg)
{
	return atoi(strstr(arg, "fd=") + 3);
}

static void fake_parse(struct fake *f, int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--vsock"))
			f->vsock = strstr(argv[i + 1], "path=") + 5;
		if (!strcmp(argv[i], "--console"))
			f->console = fake_fd(argv[i + 1]);
		if (!strcmp(argv[i], "--control"))
			f->control = fake_fd(argv[i + 1]);
	}
}

static int fake_connect(const struct fake *f, int port)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s_%d", f->vsock, port);
	fd = io_unix_connect(path);
	if (fd < 0)
		exit(3);
	return fd;
}

static void fake_send(const struct fake *f, uint32_t type, const void *payload, uint32_t len)
{
	struct rund_msg m = {.type = type, .len = len};

	io_write_full(f->link, &m, sizeof(m));
	io_write_full(f->link, payload, len);
}

static void fake_say(int fd, const char *text)
{
	io_write_full(fd, text, strlen(text));
}

/* The strings of CONFIG: hostname, directory and user are passed over. */
static char **fake_argv(char *strings, uint32_t nr)
{
	char **argv = calloc(nr + 1, sizeof(*argv));

	for (uint32_t i = 0; i < 3 + nr; i++) {
		if (i >= 3)
			argv[i - 3] = strings;
		strings += strlen(strings) + 1;
	}
	return argv;
}

static void fake_child(char **argv, int in, int out, int err)
{
	dup2(in, 0);
	dup2(out, 1);
	dup2(err, 2);
	execvp(argv[0], argv);
	_exit(127);
}

/* Pass signals on until the command ends, as rund-init does. */
static int fake_wait(const struct fake *f, pid_t pid)
{
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		struct {
			struct rund_msg m;
			struct rund_signal s;
		} in;

		usleep(2000);
		if (recv(f->link, &in, sizeof(in), MSG_DONTWAIT) == sizeof(in))
			kill(pid, in.s.signo);
	}
	return status;
}

static void fake_run(struct fake *f, bool tty, uint32_t nr, char *strings)
{
	int in = fake_connect(f, RUND_PORT_STDIN), out = fake_connect(f, RUND_PORT_STDOUT);
	int err = fake_connect(f, RUND_PORT_STDERR), status;
	struct rund_exit e = {};
	pid_t pid = fork();
	char c;

	if (!pid)
		fake_child(fake_argv(strings, nr), in, out, err);
	fake_send(f, RUND_MSG_STARTED, NULL, 0);
	close(in);
	close(out);
	close(err);
	status = fake_wait(f, pid);
	e.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	e.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	fake_send(f, RUND_MSG_EXIT, &e, sizeof(e));
	while (read(f->link, &c, 1) > 0)
		;
}

static void fake_guest(struct fake *f)
{
	struct rund_hello hello = {.version = RUND_PROTO_VERSION};
	struct rund_config c;
	struct rund_msg m;
	char *strings;

	f->link = fake_connect(f, RUND_PORT_CONTROL);
	fake_send(f, RUND_MSG_HELLO, &hello, sizeof(hello));
	if (io_read_full(f->link, &m, sizeof(m)) != sizeof(m) ||
	    io_read_full(f->link, &c, sizeof(c)) != sizeof(c) || m.len != sizeof(c) + c.strings_len)
		exit(4);
	strings = malloc(c.strings_len);
	io_read_full(f->link, strings, c.strings_len);
	fake_run(f, c.flags & RUND_CONFIG_TTY, c.nr_args, strings);
}

/* Bytes that are no protocol, then nothing. */
static void fake_garbage(struct fake *f)
{
	static const char noise[300] = "\x07noise";

	f->link = fake_connect(f, RUND_PORT_CONTROL);
	io_write_full(f->link, noise, sizeof(noise));
	pause();
}

static int fake_vmm(int argc, char **argv)
{
	const char *kind = getenv("RUND_FAKE");
	struct fake f = {};

	fake_parse(&f, argc, argv);
	if (!strcmp(kind, "broken")) {
		fake_say(2, "rund-vmm: error: /dev/kvm: no such thing; get one\n");
		return 1;
	}
	fake_say(f.control, "{\"event\":\"started\"}\nthis is not JSON\n");
	fake_say(f.console, "Linux version 6\n");
	if (!strcmp(kind, "panic")) {
		fake_say(f.console, "Kernel panic - not syncing\n");
		fake_say(f.control, "{\"event\":\"exit\",\"reason\":\"reset\"}\n");
		return 0;
	}
	if (!strcmp(kind, "garbage"))
		fake_garbage(&f);
	if (!strcmp(kind, "silent"))
		pause();
	if (!strcmp(kind, "hangup")) {
		f.link = fake_connect(&f, RUND_PORT_CONTROL);
		close(f.link);
		pause();
	}
	fake_guest(&f);
	return 0;
}

#endif
