// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounded logs in two halves.
 */
#include "logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

#define LOG_FLAGS (O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC)

struct names {
	char old[24], dropped[24];
};

static struct names names_of(const char *name)
{
	struct names n;

	snprintf(n.old, sizeof(n.old), "%.15s.1", name);
	snprintf(n.dropped, sizeof(n.dropped), "%.15s.dropped", name);
	return n;
}

int ra_log_open(struct ra_log *log, int dir, const char *name, size_t max)
{
	int fd = openat(dir, name, LOG_FLAGS, 0600);

	if (fd < 0)
		return log_errno(-errno, "%s: %m", name);
	*log = (struct ra_log){.dir = dir, .fd = fd, .half = max / 2};
	snprintf(log->name, sizeof(log->name), "%s", name);
	return 0;
}

static void note_dropped(struct ra_log *log, uint64_t bytes)
{
	struct names n = names_of(log->name);
	__cleanup_fd int fd = -1;

	log->dropped += bytes;
	fd = openat(log->dir, n.dropped, LOG_FLAGS, 0600);
	if (fd >= 0)
		dprintf(fd, "%" PRIu64 "\n", log->dropped);
}

/* The newer half becomes the older one, whose bytes are dropped. */
static void change_over(struct ra_log *log)
{
	struct names n = names_of(log->name);

	if (log->old_len)
		note_dropped(log, log->old_len);
	close_fd(log->fd);
	renameat(log->dir, log->name, log->dir, n.old);
	log->old_len = log->len;
	log->len = 0;
	log->fd = openat(log->dir, log->name, LOG_FLAGS, 0600);
}

void ra_log_write(struct ra_log *log, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		size_t n = log->half - log->len;

		if (!n) {
			change_over(log);
			continue;
		}
		n = n < len ? n : len;
		if (log->fd < 0 || io_write_full(log->fd, p, n)) {
			note_dropped(log, len);
			return;
		}
		log->len += n;
		p += n;
		len -= n;
	}
}

size_t ra_log_tail(const struct ra_log *log, char *buf, size_t len)
{
	off_t start = log->len > len ? log->len - len : 0;
	ssize_t n;

	if (log->fd < 0)
		return 0;
	n = pread(log->fd, buf, len, start);
	return n > 0 ? n : 0;
}

void ra_log_close(struct ra_log *log)
{
	close_fd(log->fd);
	log->fd = -1;
}

static int dump_file(int dir, const char *name, int out)
{
	__cleanup_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	static char buf[1 << 16];
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	while ((n = io_read_full(fd, buf, sizeof(buf))) > 0) {
		ret = io_write_full(out, buf, n);
		if (ret)
			return ret;
	}
	return n;
}

int ra_log_dump(int dir, const char *name, int out)
{
	struct names n = names_of(name);
	__cleanup_free char *dropped = NULL;
	int ret;

	if (io_read_file(dir, n.dropped, 32, &dropped) > 0)
		dprintf(out, "[rund-agent: %.*s bytes of older output were dropped]\n",
			(int)strcspn(dropped, "\n"), dropped);
	ret = dump_file(dir, n.old, out);
	if (ret && ret != -ENOENT)
		return ret;
	return dump_file(dir, name, out);
}
