// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command is an ordinary child of PID 1, not PID 1 of a namespace of its
 * own: the kernel shields a namespace's init from its own signals, and
 * `sh -c 'kill -9 $$'` has to end in 137.
 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "env.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "path.h"

/* The tty group of every distribution, and the gid= that devpts is mounted with. */
#define TTY_GID 5

void command_init(struct command *c)
{
	*c = (struct command){
		.report = -1,
		.to_stdin = -1,
		.from_stdout = -1,
		.from_stderr = -1,
		.master = -1,
		.child = {-1, -1, -1},
	};
}

static void close_slot(int *fd)
{
	close_fd(*fd);
	*fd = -1;
}

void command_close(struct command *c)
{
	close_slot(&c->report);
	close_slot(&c->to_stdin);
	close_slot(&c->from_stdout);
	close_slot(&c->from_stderr);
	close_slot(&c->master);
	for (int i = 0; i < 3; i++)
		close_slot(&c->child[i]);
}

/*
 * Pipes, not the sockets themselves: /dev/stdout, which is /proc/self/fd/1,
 * cannot be opened when it is a socket.
 */
static int make_pipe(int *reader, int *writer, const struct account *a)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return -errno;
	*reader = p[0];
	*writer = p[1];
	/* Both ends are one inode, mode 0600; its owner may reopen it. */
	return fchown(p[0], a->uid, a->gid) ? -errno : 0;
}

static int stdio_pipes(struct command *c, const struct config *cfg, const struct account *a)
{
	int ret;

	if (cfg->fixed.flags & RUND_CONFIG_STDIN) {
		ret = make_pipe(&c->child[0], &c->to_stdin, a);
	} else {
		c->child[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		ret = c->child[0] < 0 ? -errno : 0;
	}
	if (ret)
		return ret;
	ret = make_pipe(&c->from_stdout, &c->child[1], a);
	if (ret)
		return ret;
	return make_pipe(&c->from_stderr, &c->child[2], a);
}

static void set_winsize(int fd, const struct rund_winsize *w)
{
	struct winsize ws = {w->rows, w->cols, w->xpixel, w->ypixel};

	/* Cosmetic: a terminal without a size still works. */
	if (ioctl(fd, TIOCSWINSZ, &ws))
		return;
}

static int stdio_tty(struct command *c, const struct config *cfg, const struct account *a)
{
	int unlock = 0, slave;

	c->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->master < 0 || ioctl(c->master, TIOCSPTLCK, &unlock))
		return -errno;
	slave = ioctl(c->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	c->child[0] = slave;
	if (fchown(slave, a->uid, TTY_GID) || fchmod(slave, 0620))
		return -errno;
	set_winsize(c->master, &cfg->fixed.winsize);
	/* One description for three descriptors, as a login gives. */
	c->child[1] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	c->child[2] = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	c->from_stdout = fcntl(c->master, F_DUPFD_CLOEXEC, 3);
	c->to_stdin = fcntl(c->master, F_DUPFD_CLOEXEC, 3);
	if (c->child[1] < 0 || c->child[2] < 0 || c->from_stdout < 0 || c->to_stdin < 0)
		return -errno;
	return 0;
}

int command_stdio(struct command *c, const struct config *cfg, const struct account *a,
		  struct rund_error *why)
{
	int ret;

	if (cfg->fixed.flags & RUND_CONFIG_TTY)
		ret = stdio_tty(c, cfg, a);
	else
		ret = stdio_pipes(c, cfg, a);
	if (ret)
		return fault(why, EXIT_SETUP, ret, "standard streams of the command");
	return 0;
}

static int set_limits(const struct config *cfg, struct rund_error *why)
{
	for (uint32_t i = 0; i < cfg->fixed.nr_rlimits; i++) {
		const struct rund_rlimit *r = &cfg->fixed.rlimit[i];
		struct rlimit lim = {r->soft, r->hard};

		if (setrlimit(r->resource, &lim))
			return fault(why, EXIT_SETUP, -errno, "rlimit %u", r->resource);
	}
	return 0;
}

static int set_credentials(const struct account *a, struct rund_error *why)
{
	if (setgroups(a->nr_groups, a->groups) || setresgid(a->gid, a->gid, a->gid) ||
	    setresuid(a->uid, a->uid, a->uid))
		return fault(why, EXIT_SETUP, -errno, "credentials %u:%u", a->uid, a->gid);
	return 0;
}

static int set_stdio(const struct command *c, bool tty, struct rund_error *why)
{
	/* The sources are all above 2, so no dup2 overwrites one still needed. */
	for (int i = 0; i < 3; i++)
		if (dup2(c->child[i], i) < 0)
			return fault(why, EXIT_SETUP, -errno, "standard streams of the command");
	if (tty && ioctl(0, TIOCSCTTY, 0))
		return fault(why, EXIT_SETUP, -errno, "controlling terminal");
	return 0;
}

static void default_signals(void)
{
	sigset_t none;

	/* exec keeps what is ignored or blocked; PID 1 does both. */
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int enter_cwd(const struct config *cfg, struct rund_error *why)
{
	const char *dir = *cfg->cwd ? cfg->cwd : "/";

	if (chdir(dir))
		return fault(why, EXIT_NOT_EXEC, -errno, "working directory %s", dir);
	return 0;
}

static void run(const struct config *cfg, const struct account *a, struct rund_error *why)
{
	const char *term = cfg->fixed.flags & RUND_CONFIG_TTY ? "xterm" : NULL;
	char host[HOST_NAME_MAX + 1] = "";
	const char *cmd = cfg->argv[0];
	char **env;
	int err;

	gethostname(host, sizeof(host) - 1);
	env = env_build(cfg->envp, a->home, host, term);
	if (!env) {
		fault(why, EXIT_SETUP, -ENOMEM, "environment of the command");
		return;
	}
	err = path_exec(env_get(env, "PATH"), cfg->argv, env);
	if (err == -ENOENT && strchr(cmd, '/') && !access(cmd, F_OK))
		fault(why, EXIT_NOT_FOUND, err, "command %s: its interpreter", cmd);
	else if (err == -ENOENT && !strchr(cmd, '/'))
		fault(why, EXIT_NOT_FOUND, 0, "command %s: not found in the container's PATH", cmd);
	else
		fault(why, path_exit_code(err), err, "command %s", cmd);
	env_free(env);
}

static void child(const struct command *c, const struct config *cfg, const struct account *a,
		  int report)
{
	struct rund_error why = {0};

	setsid();
	umask(022);
	/* Ours all are close-on-exec already; a library's may not be. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (!set_stdio(c, cfg->fixed.flags & RUND_CONFIG_TTY, &why) && !set_limits(cfg, &why) &&
	    !set_credentials(a, &why) && !enter_cwd(cfg, &why)) {
		default_signals();
		run(cfg, a, &why);
	}
	/* Smaller than PIPE_BUF, so it arrives whole or not at all. */
	io_write_full(report, &why, sizeof(why));
	_exit(why.exit_code);
}

int command_spawn(struct command *c, const struct config *cfg, const struct account *a,
		  struct rund_error *why)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return fault(why, EXIT_SETUP, -errno, "report pipe");
	c->report = p[0];
	c->pid = fork();
	if (!c->pid)
		child(c, cfg, a, p[1]);
	close_fd(p[1]);
	if (c->pid < 0)
		return fault(why, EXIT_SETUP, -errno, "process of the command");
	for (int i = 0; i < 3; i++)
		close_slot(&c->child[i]);
	return 0;
}
