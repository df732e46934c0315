// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that has nothing to do with sandboxes, in a cgroup of its own, and
 * forks all the time: what do the series do to it?
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

/* In memory that the bystander shares with the benchmark. */
struct shared {
	atomic_int go, done;
	unsigned int forks;
	uint64_t ns[];
};

static int join_cgroup(const char *path)
{
	__cleanup_fd int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char text[16];

	snprintf(text, sizeof(text), "%d", getpid());
	return dir < 0 ? -errno : io_write_file(dir, "cgroup.procs", text);
}

static int fork_loop(struct shared *sh)
{
	struct sandbox sb = {.stack = spawn_stack()};
	uint64_t start;
	int ret = sb.stack ? 0 : -ENOMEM;

	while (!atomic_load(&sh->go))
		usleep(100);
	for (unsigned int i = 0; i < sh->forks && !ret; i++) {
		start = now_ns();
		ret = spawn_child(&sb, -1, false);
		sh->ns[i] = now_ns() - start;
		if (!ret)
			ret = spawn_reap(&sb);
	}
	return ret;
}

static pid_t start_bystander(struct shared *sh, const char *path)
{
	pid_t pid = fork();
	int ret;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ret = join_cgroup(path);
	if (!ret)
		ret = fork_loop(sh);
	/* the series ends with it, whatever happened */
	atomic_store(&sh->done, 1);
	_exit(ret ? 1 : 0);
}

/* The series goes on until the bystander is done. */
static int run_beside(struct bench *b, unsigned int threads, struct shared *sh, pid_t pid)
{
	struct pass p = {.bench = b, .threads = threads, .until = &sh->done};
	int status, ret = 0;

	atomic_store(&sh->go, 1);
	if (b)
		ret = pass_run(&p);
	if (ret)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!ret && status)
		ret = log_errno(-ECHILD, "the bystander ended with status %#x", status);
	return ret;
}

static int measure(struct bench *b, unsigned int threads, struct shared *sh, const char *path)
{
	pid_t pid;

	pid = start_bystander(sh, path);
	if (pid < 0)
		return log_errno(-errno, "fork: %m");
	return run_beside(b, threads, sh, pid);
}

int bystander_run(struct bench *b, unsigned int threads, unsigned int forks, uint64_t *p99_ns)
{
	size_t size = sizeof(struct shared) + forks * sizeof(uint64_t);
	char path[256], root[128];
	struct shared *sh;
	struct spread s;
	int ret = cg2_mount(root, sizeof(root));

	if (ret)
		return log_errno(ret, "no cgroup v2 is mounted");
	sh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		return log_errno(-errno, "memory for %u forks: %m", forks);
	sh->forks = forks;
	snprintf(path, sizeof(path), "%s/rund-bench-%d-bystander", root, getpid());
	if (mkdir(path, 0755)) {
		ret = log_errno(-errno, "mkdir %s: %m", path);
	} else {
		ret = measure(b, threads, sh, path);
		if (rmdir(path))
			log_warn("rmdir %s: %m; remove it by hand", path);
	}
	if (!ret) {
		spread_of(sh->ns, forks, &s);
		*p99_ns = s.p99;
	}
	munmap(sh, size);
	return ret;
}
