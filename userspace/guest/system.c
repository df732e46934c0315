// SPDX-License-Identifier: GPL-2.0-only
/*
 * System-wide state of the guest, set once before the command starts.
 */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/random.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define NSEC_PER_SEC 1000000000ULL
#define DEFAULT_NAME "rund"

uint64_t system_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int system_seed(const uint8_t *seed, size_t len, struct rund_error *why)
{
	__cleanup_fd int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	struct {
		struct rand_pool_info info;
		uint8_t bytes[RUND_SEED_LEN];
	} pool;

	if (len > sizeof(pool.bytes))
		len = sizeof(pool.bytes);
	pool.info.entropy_count = len * CHAR_BIT;
	pool.info.buf_size = len;
	memcpy(pool.bytes, seed, len);
	/* Crediting alone does not reseed a CRNG that is already initialised. */
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) || ioctl(fd, RNDRESEEDCRNG))
		return fault(why, EXIT_SETUP, -errno, "seeding /dev/urandom");
	explicit_bzero(&pool, sizeof(pool));
	return 0;
}

int system_set_clock(uint64_t realtime_ns, struct rund_error *why)
{
	struct timespec ts;
	uint64_t now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	if (llabs((int64_t)(realtime_ns - now)) <= NSEC_PER_SEC)
		return 0;
	ts.tv_sec = realtime_ns / NSEC_PER_SEC;
	ts.tv_nsec = realtime_ns % NSEC_PER_SEC;
	if (clock_settime(CLOCK_REALTIME, &ts))
		return fault(why, EXIT_SETUP, -errno, "setting the clock");
	return 0;
}

int system_set_hostname(const char *name, struct rund_error *why)
{
	if (!*name)
		name = DEFAULT_NAME;
	if (sethostname(name, strlen(name)))
		return fault(why, EXIT_SETUP, -errno, "hostname %s", name);
	return 0;
}

int system_loopback_up(struct rund_error *why)
{
	__cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		return fault(why, EXIT_SETUP, -errno, "network interface lo");
	return 0;
}

int system_connect(unsigned int port)
{
	__cleanup_fd int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_vm sa = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = port,
	};

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	return take_fd(&fd);
}

void system_power_off(void)
{
	/* The VMM takes a reset for the end; the kernel was told reboot=k. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
