// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tries one feature.  Each try has a process of its own, which may crash, hang or change what
 * it likes of itself; it ends with all that it has started.
 */
#include "probe.h"
#include <poll.h>
#include <stdarg.h>
#include <sys/wait.h>

static const char *prefix;
static char *text; /* shared with children: what say() said */

bool start(const char *name_prefix)
{
	prefix = name_prefix;
	text = mmap(NULL, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return text != MAP_FAILED;
}

static bool want(const char *name)
{
	return !strncmp(name, prefix, strlen(prefix));
}

bool want_group(const char *group)
{
	return !strncmp(group, prefix, strnlen(prefix, strlen(group)));
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, 1024, fmt, ap);
	va_end(ap);
}

static void say_errno(int err)
{
	const char *name = strerrorname_np(err);

	if (name)
		say("%s", name);
	else
		say("errno %d", err);
}

int err(long ret)
{
	return ret < 0 ? -errno : 0;
}

char *fmt(const char *f, ...)
{
	static char buf[512];
	va_list ap;

	va_start(ap, f);
	vsnprintf(buf, sizeof(buf), f, ap);
	va_end(ap);
	return buf;
}

void emit(const char *name, const char *result)
{
	if (want(name))
		printf("%s: %s\n", name, result);
}

/*
 * Have FN tried by a child: its result is 0 or a negative errno, or what it says.
 * Whatever the child leaves behind is in its process group.  Returns the number of the
 * signal that has ended it, SIGALRM when it took too long.
 */
static int try(probe_fn *fn, long a, long b, int seconds)
{
	struct pollfd pfd = {.events = POLLIN};
	int status, ret, i;
	bool late;
	pid_t pid;

	text[0] = 0;
	pid = fork();
	if (pid < 0) {
		say("cannot fork");
		return 0;
	}
	if (!pid) {
		setsid();
		alarm(seconds);
		ret = fn(a, b);
		if (ret < 0)
			say_errno(-ret);
		else if (!text[0])
			say("ok");
		_exit(0);
	}
	pfd.fd = syscall(SYS_pidfd_open, pid, 0);
	late = pfd.fd >= 0 && !poll(&pfd, 1, seconds * 1000 + 3000);
	if (pfd.fd < 0)
		waitid(P_PID, pid, NULL, WEXITED | WNOWAIT);
	else
		close(pfd.fd);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	/* What sleeps in the kernel may survive that; it must not stop the others. */
	for (i = 0; !(ret = waitpid(pid, &status, WNOHANG)) && i < 100; i++)
		usleep(10000);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	if (late || ret != pid)
		return SIGALRM;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void probe(const char *test, probe_fn *fn, long a, long b)
{
	char name[256];
	int sig;

	if (!want(test))
		return;
	/* It may be what fmt() has made. */
	snprintf(name, sizeof(name), "%s", test);
	sig = try(fn, a, b, 5);
	/* A busy machine must not pass for a hang. */
	if (sig == SIGALRM)
		sig = try(fn, a, b, 20);
	emit(name, sig ? fmt("signal %d", sig) : text);
}

void run_tests(const struct test *t, size_t n)
{
	for (; n; n--, t++)
		probe(t->name, t->fn, t->a, t->b);
}

void probe_words(const char *group, const char *words, probe_fn *fn, long nr)
{
	char *list = strdup(words), *save, *w;

	for (w = strtok_r(list, " ", &save); w; w = strtok_r(NULL, " ", &save), nr++)
		if (*w != '-')
			probe(fmt("%s/%s", group, w), fn, nr, 0);
	free(list);
}

int in_child(probe_fn *fn, long a, long b)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(-fn(a, b));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	if (WIFSIGNALED(status))
		say("signal %d", WTERMSIG(status));
	return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}
