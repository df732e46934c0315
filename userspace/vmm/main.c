// SPDX-License-Identifier: GPL-2.0-only
/*
 * rund-vmm: run one guest until it ends, exit 0; or say what is wrong in one
 * line, exit 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/opts.h"
#include "vmm/vm.h"

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) == sizeof(si))
		vm_stop(w->data, VM_EXIT_STOPPED);
}

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

/*
 * Before any thread exists, so that all inherit the mask and only the loop sees
 * the signals; and before any socket exists that sudden death would leave behind.
 */
static void block_signals(void)
{
	sigset_t set = stop_signals();

	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_signals(void)
{
	sigset_t set = stop_signals();
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd < 0 ? log_errno(-errno, "signalfd: %s", strerror(errno)) : fd;
}

/*
 * Growing the descriptor table of a process with threads waits for an RCU
 * grace period: grow it while there is only one.
 */
static void presize_fd_table(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 255);

	close_fd(fd);
}

static int run(const struct vm_config *cfg)
{
	static struct vm vm;
	__cleanup_fd int sigfd = open_signals();
	struct loop_watch w = {.fd = sigfd, .events = EPOLLIN, .fn = on_signal, .data = &vm};
	int ret;

	if (sigfd < 0)
		return sigfd;
	presize_fd_table();
	ret = vm_create(&vm, cfg);
	if (ret)
		return ret;
	ret = loop_add(&vm.loop, &w);
	if (ret)
		log_err("cannot watch for signals: %s", strerror(-ret));
	else
		ret = vm_run(&vm);
	if (!ret && cfg->watch.mode == WATCH_LOG)
		ret = watch_report(&vm, cfg->watch.fd);
	vm_destroy(&vm);
	return ret;
}

int main(int argc, char **argv)
{
	struct opts o;
	int ret;

	log_init("rund-vmm", LOG_LEVEL_INFO);
	block_signals();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warn("cannot give up gaining privileges: %s", strerror(errno));
	ret = opts_parse(argc, argv, &o);
	if (ret == OPTS_HELP)
		fputs(opts_usage, stdout);
	else if (ret == OPTS_VERSION)
		printf("rund-vmm %s\n", RUND_VERSION);
	if (ret)
		return ret < 0;
	ret = run(&o.cfg);
	opts_fini(&o);
	return ret ? 1 : 0;
}
