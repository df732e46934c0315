// SPDX-License-Identifier: GPL-2.0-only
/*
 * /init of the guests that bench-guest boots.  It says on the console how much
 * memory is used, and then resets at once, or waits: "hold" on the kernel's
 * command line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static char buf[8192];

static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	buf[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		close(fd);
	return buf;
}

static long field(const char *name)
{
	const char *at = strstr(buf, name);
	long v = -1;

	if (at)
		sscanf(at + strlen(name), "%ld", &v);
	return v;
}

int main(int argc, char **argv)
{
	int hold = argc > 1 && !strcmp(argv[1], "hold"), console;
	char line[128];

	/* What is counted ends here. */
	if (argc > 1 && !strcmp(argv[1], "reset"))
		reboot(RB_AUTOBOOT);
	mkdir("/proc", 0555);
	mount("proc", "/proc", "proc", 0, NULL);
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	slurp("/proc/meminfo");
	/* Through the kernel's log: Debian's kernel finds no interrupt for the serial port. */
	snprintf(line, sizeof(line), "<0>ready total=%ld free=%ld available=%ld\n",
		 field("MemTotal:"), field("MemFree:"), field("MemAvailable:"));
	console = open("/dev/kmsg", O_WRONLY);
	if (console < 0 || write(console, line, strlen(line)) < 0)
		reboot(RB_AUTOBOOT);
	while (hold)
		pause();
	reboot(RB_AUTOBOOT);
	return 0;
}
