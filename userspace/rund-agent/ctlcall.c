// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client's side of the command socket.
 */
#include "ctl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "json.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "rundir.h"

/* A monitor answers at once; on a loaded machine that is seconds. */
#define CALL_TIMEOUT_S 10
#define ANSWER_MAX     4096

static int connect_to(const char *name)
{
	struct timeval tv = {.tv_sec = CALL_TIMEOUT_S};
	char path[256];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s/ctl", ra_rundir_path(), name) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = io_unix_connect(path);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static ssize_t read_line(int fd, char *buf, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = recv(fd, buf + have, len - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!n)
			return -ECONNRESET;
		have += n;
		if (buf[have - 1] == '\n')
			return have - 1;
	}
	return -EMSGSIZE;
}

static int judge(const char *text, size_t len, char *err, size_t err_len)
{
	struct json_object *o = ra_json_parse(text, len);
	bool ok = false;
	int ret = -EBADMSG;

	if (o && !ra_json_bool(o, "ok", &ok))
		ret = ok ? 0 : -EREMOTEIO;
	if (ret == -EREMOTEIO && ra_json_str(o, "error", err, err_len))
		ret = -EBADMSG;
	json_object_put(o);
	return ret;
}

int ra_ctl_call(const char *name, struct json_object *req, char *err, size_t len)
{
	__cleanup_free char *text = ra_json_line(req);
	__cleanup_fd int fd = -1;
	char answer[ANSWER_MAX];
	ssize_t n;

	if (!text)
		return -ENOMEM;
	fd = connect_to(name);
	if (fd < 0)
		return fd;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return -errno;
	n = read_line(fd, answer, sizeof(answer));
	return n < 0 ? n : judge(answer, n, err, len);
}
