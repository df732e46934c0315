// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgroup v2: discovery, controllers, and the few control files that several
 * programs touch.
 */
#include "lib/cgroup2.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/io.h"

/* Control files that are read whole are short; this is far above any of them. */
#define CG2_FILE_MAX 65536

/* mountinfo writes space, tab, newline and backslash as three octal digits. */
static void unescape_octal(char *s)
{
	char *out = s;

	for (; *s; out++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*out = *s++;
		}
	}
	*out = '\0';
}

/* Field 5 is the mount point, the type follows the " - " (proc_pid_mountinfo(5)). */
static char *mount_point_if_cgroup2(char *line)
{
	char *dash = strstr(line, " - "), *save = NULL, *tok = NULL;

	if (!dash || strncmp(dash + 3, "cgroup2 ", 8))
		return NULL;
	*dash = '\0';
	for (int i = 0; i < 5; i++) {
		tok = strtok_r(i ? NULL : line, " ", &save);
		if (!tok)
			return NULL;
	}
	unescape_octal(tok);
	return tok;
}

int cg2_find_mount(FILE *mountinfo, char *path, size_t len)
{
	__cleanup_free char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, mountinfo) > 0) {
		const char *mp = mount_point_if_cgroup2(line);

		if (!mp)
			continue;
		if (strlen(mp) >= len)
			return -ENAMETOOLONG;
		strcpy(path, mp);
		return 0;
	}
	return -ENOENT;
}

int cg2_mount(char *path, size_t len)
{
	__cleanup_file FILE *f = fopen("/proc/self/mountinfo", "re");

	if (!f)
		return -errno;
	return cg2_find_mount(f, path, len);
}

bool cg2_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n) {
		bool starts = p == list || strchr(" \n", p[-1]);

		if (starts && strchr(" \n", p[n]))
			return true;
	}
	return false;
}

int cg2_enable(int dirfd, const char *controller)
{
	__cleanup_free char *have = NULL, *on = NULL;
	char text[32];
	ssize_t n;

	n = io_read_file(dirfd, "cgroup.subtree_control", CG2_FILE_MAX, &on);
	if (n < 0)
		return n;
	if (cg2_has_word(on, controller))
		return 0;
	n = io_read_file(dirfd, "cgroup.controllers", CG2_FILE_MAX, &have);
	if (n < 0)
		return n;
	if (!cg2_has_word(have, controller))
		return -ENOENT;
	snprintf(text, sizeof(text), "+%s", controller);
	return io_write_file(dirfd, "cgroup.subtree_control", text);
}

int cg2_read_key(int dirfd, const char *file, const char *key, uint64_t *value)
{
	__cleanup_free char *text = NULL;
	size_t n = strlen(key);
	char *save = NULL;
	ssize_t len;

	len = io_read_file(dirfd, file, CG2_FILE_MAX, &text);
	if (len < 0)
		return len;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (strncmp(l, key, n) || l[n] != ' ')
			continue;
		*value = strtoull(l + n + 1, NULL, 10);
		return 0;
	}
	return -ENOENT;
}

int cg2_write_u64(int dirfd, const char *file, uint64_t value)
{
	char text[24] = "max";

	if (value != UINT64_MAX)
		snprintf(text, sizeof(text), "%" PRIu64, value);
	return io_write_file(dirfd, file, text);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/*
 * A poll() that times out is repeated: the wake-up of cgroup.events can come
 * before this process has opened the file.
 */
int cg2_kill_wait(int dirfd, int timeout_ms)
{
	__cleanup_fd int fd = openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int64_t end = now_ms() + timeout_ms;

	if (fd < 0)
		return -errno;
	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLPRI};
		uint64_t populated;
		int ret;

		ret = cg2_read_key(dirfd, "cgroup.events", "populated", &populated);
		if (ret)
			return ret;
		if (!populated)
			return 0;
		ret = io_write_file(dirfd, "cgroup.kill", "1");
		if (ret)
			return ret;
		if (now_ms() >= end)
			return -ETIMEDOUT;
		poll(&pfd, 1, 20);
	}
}
