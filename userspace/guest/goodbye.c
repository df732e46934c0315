// SPDX-License-Identifier: GPL-2.0-only
/*
 * A closed stream means that its last byte has been read; a closed control
 * connection means that the last message has.
 */
#include "goodbye.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

static bool stream_open(int fd)
{
	char sink[256];
	ssize_t n;

	if (fd < 0)
		return false;
	n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool host_gone(struct link *l)
{
	struct link_event ev;
	int ret;

	/* There is no command any more that a message could be for. */
	do
		ret = link_recv(l, &ev);
	while (ret > 0);
	return ret < 0;
}

void goodbye(struct link *l, int out, int err, int grace_ms)
{
	int n;

	do {
		struct pollfd p[3] = {
			{.fd = l->fd, .events = POLLIN},
			{.fd = stream_open(out) ? out : -1, .events = POLLIN},
			{.fd = stream_open(err) ? err : -1, .events = POLLIN},
		};
		bool streams = p[1].fd >= 0 || p[2].fd >= 0;

		n = poll(p, 3, streams ? -1 : grace_ms);
		if (n < 0 && errno != EINTR)
			return;
	} while (n && !host_gone(l));
}
