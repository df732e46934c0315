// SPDX-License-Identifier: GPL-2.0-only
/*
 * PID 1 of the lab's host kernel, the only file of its initramfs.
 *
 * Mounts the machine's root (9p, read-only) below a tmpfs overlay, the kernel's
 * file systems, cgroup v2 and the XFS disk on it; runs the job's command, with
 * virtio-serial ports behind its standard streams; looks for trouble in the kernel
 * log; reports the command's exit status over a port of its own; powers off.
 * The lab's verdict is therefore never parsed from a console.
 *
 * The job directory, on the shared root, is named by rund_job= on the kernel
 * command line and holds:
 *   argv, env   NUL-terminated strings
 *   cwd         the working directory
 *   tty         present: the command gets the console hvc0 as its terminal
 *   modules     NUL-terminated paths of modules to load before the command
 *   kmemleak    present: scan for leaked kernel memory afterwards
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_STRINGS 1024

static char job[256];
static int status_fd = -1;

static void report(int code)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "exit %d\n", code);

	/* The port buffers until the other side reads: nothing is lost by powering off. */
	if (status_fd < 0 || write(status_fd, line, n) != n)
		fprintf(stderr, "lab: no status port\n");
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);
}

static void __attribute__((format(printf, 1, 2), noreturn)) die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "lab: error: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	report(125);
	_exit(125);
}

static void do_mount(const char *src, const char *dst, const char *type, unsigned long flags,
		     const char *opts)
{
	mkdir(dst, 0755);
	if (mount(src, dst, type, flags, opts))
		die("mounting %s (%s) on %s: %s", src, type, dst, strerror(errno));
}

/* The serial port of a given name; /sys/class/virtio-ports/vportXpY/name holds it. */
static int open_port(const char *want, int flags)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	char path[300], name[64];
	struct dirent *e;
	int fd = -1;

	while (d && fd < 0 && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(strtok(name, "\n"), want)) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			fd = open(path, flags | O_CLOEXEC);
		}
		fclose(f);
	}
	if (d)
		closedir(d);
	return fd;
}

/* The kernel registers ports from a work item: they may appear a little later than /dev. */
static int wait_port(const char *name, int flags)
{
	struct timespec ms10 = {0, 10 * 1000 * 1000};
	int i, fd;

	for (i = 0; i < 500; i++) {
		fd = open_port(name, flags);
		if (fd >= 0)
			return fd;
		nanosleep(&ms10, NULL);
	}
	return -1;
}

/* Read a file of the job; NULL when there is none. */
static char *job_file(const char *name, size_t *len)
{
	char path[300];
	struct stat st;
	char *buf;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", job, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || !(buf = calloc(1, st.st_size + 1)))
		die("%s: %s", path, strerror(errno));
	for (*len = 0; *len < st.st_size; *len += n) {
		n = read(fd, buf + *len, st.st_size - *len);
		if (n <= 0)
			die("%s: short read", path);
	}
	close(fd);
	return buf;
}

static char **job_strings(const char *name)
{
	static char *none[] = {NULL};
	char **v = calloc(MAX_STRINGS + 1, sizeof(*v));
	size_t len, off, n = 0;
	char *buf = job_file(name, &len);

	if (!buf || !v)
		return none;
	for (off = 0; off < len && n < MAX_STRINGS; off += strlen(buf + off) + 1)
		v[n++] = buf + off;
	return v;
}

/*
 * An output stream of the command.  It is a pipe, because a port can be opened only
 * once: with a port for its stdout the command could not open /dev/stdout.
 */
struct stream {
	int port, pipe[2];
	pthread_t thread;
};

static struct stream out = {.port = -1}, err = {.port = -1};

/* Until nobody has the other end of the pipe any more. */
static void *stream_copy(void *arg)
{
	struct stream *s = arg;
	static __thread char buf[65536];
	ssize_t n, done, ret;

	while ((n = read(s->pipe[0], buf, sizeof(buf))) > 0) {
		for (done = 0; done < n; done += ret) {
			ret = write(s->port, buf + done, n - done);
			if (ret < 0)
				return NULL;
		}
	}
	return NULL;
}

static void stream_start(struct stream *s)
{
	if (pipe2(s->pipe, O_CLOEXEC) || pthread_create(&s->thread, NULL, stream_copy, s))
		die("a pipe for the command's output: %s", strerror(errno));
}

static void setup_root(void)
{
	do_mount("rundroot", "/lower", "9p", MS_RDONLY,
		 "trans=virtio,version=9p2000.L,cache=loose,msize=524288");
	do_mount("tmpfs", "/upper", "tmpfs", 0, "mode=755");
	mkdir("/upper/u", 0755);
	mkdir("/upper/w", 0755);
	do_mount("overlay", "/root", "overlay", 0,
		 "lowerdir=/lower,upperdir=/upper/u,workdir=/upper/w,xino=off,index=off");
	do_mount("devtmpfs", "/root/dev", "devtmpfs", 0, NULL);
	do_mount("proc", "/root/proc", "proc", 0, NULL);
	do_mount("sysfs", "/root/sys", "sysfs", 0, NULL);
	do_mount("debugfs", "/root/sys/kernel/debug", "debugfs", 0, NULL);
	do_mount("cgroup2", "/root/sys/fs/cgroup", "cgroup2", 0, NULL);
	do_mount("tmpfs", "/root/run", "tmpfs", 0, "mode=755");
	do_mount("tmpfs", "/root/dev/shm", "tmpfs", 0, "mode=1777");
	do_mount("devpts", "/root/dev/pts", "devpts", 0, "ptmxmode=666,mode=620");
	/* devtmpfs has nodes only; shells need /dev/fd for process substitution. */
	if (symlink("/proc/self/fd", "/root/dev/fd") || symlink("fd/0", "/root/dev/stdin") ||
	    symlink("fd/1", "/root/dev/stdout") || symlink("fd/2", "/root/dev/stderr"))
		die("links in /dev: %s", strerror(errno));
	mkdir("/root/var/lib/rund", 0700);
	do_mount("/dev/vda", "/root/var/lib/rund", "xfs", 0, NULL);
	if (chdir("/root") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		die("entering the new root: %s", strerror(errno));
	/* The job directory must be readable and /tmp writable: both are the overlay's already. */
}

static void loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("bringing lo up: %s", strerror(errno));
	close(fd);
}

static void load_modules(void)
{
	char **path;

	for (path = job_strings("modules"); *path; path++) {
		int fd = open(*path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			die("loading %s: %s; see dmesg above", *path, strerror(errno));
		close(fd);
	}
}

static void child(bool tty)
{
	char **argv = job_strings("argv"), **env = job_strings("env"), **e;
	struct rlimit nofile = {1 << 20, 1 << 20};
	size_t len;
	char *cwd = job_file("cwd", &len);

	setsid();
	if (tty) {
		int fd = open("/dev/hvc0", O_RDWR);

		if (fd < 0)
			die("/dev/hvc0: %s", strerror(errno));
		ioctl(fd, TIOCSCTTY, 1);
		dup2(fd, 0);
		dup2(fd, 1);
		dup2(fd, 2);
	} else {
		dup2(out.pipe[1], STDOUT_FILENO);
		dup2(err.pipe[1], STDERR_FILENO);
	}
	setrlimit(RLIMIT_NOFILE, &nofile);
	if (cwd && chdir(cwd))
		die("working directory %s: %s", cwd, strerror(errno));
	clearenv();
	for (e = env; *e; e++)
		putenv(*e);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	fprintf(stderr, "lab: error: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int run(bool tty)
{
	pid_t pid = fork(), p;
	int st = 0, code = 125;

	if (!pid)
		child(tty);
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!tty) {
		close(out.pipe[1]);
		close(err.pipe[1]);
	}
	while ((p = wait(&st)) >= 0 || errno == EINTR) {
		if (p != pid)
			continue;
		code = WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st);
		break;
	}
	/* What the command left running must not race with the checks below. */
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
	if (!tty) {
		pthread_join(out.thread, NULL);
		pthread_join(err.thread, NULL);
	}
	return code;
}

/* Reports of the kernel's checkers, and of nothing else: boot messages say "WARNING" too. */
static const char *const trouble[] = {
	"BUG:",
	"WARNING: CPU:",
	"WARNING: possible",
	"WARNING: suspicious",
	"WARNING: inconsistent",
	"WARNING: bad unlock",
	"WARNING: held lock",
	"WARNING: lock held",
	"INFO: possible",
	"INFO: task ",
	"INFO: rcu",
	"INFO: trying to register non-static key",
	"ODEBUG:",
	"KASAN:",
	"KCSAN:",
	"UBSAN:",
	"Oops",
	"general protection fault",
	"kernel BUG at",
	"refcount_t:",
	"unreferenced object",
	"new suspected memory leaks",
	"list_add corruption",
	"list_del corruption",
	"Kernel panic",
};

/* Print trouble found in the kernel log; true when there was any. */
static bool scan_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	static char rec[8192];
	unsigned long long seq, next = 0;
	bool bad = false;
	int context = 0;
	ssize_t n;
	size_t i;

	if (fd < 0)
		die("/dev/kmsg: %s", strerror(errno));
	for (;;) {
		char *msg;

		n = read(fd, rec, sizeof(rec) - 1);
		if (n < 0 && errno == EPIPE)
			continue; /* the gap shows in the sequence numbers */
		if (n < 0)
			break;
		rec[n] = '\0';
		if (sscanf(rec, "%*u,%llu", &seq) == 1) {
			if (seq != next) {
				fprintf(stderr,
					"lab: the kernel log overflowed: raise log_buf_len\n");
				bad = true;
			}
			next = seq + 1;
		}
		msg = strchr(rec, ';');
		if (!msg++)
			continue;
		msg[strcspn(msg, "\n")] = '\0';
		for (i = 0; i < sizeof(trouble) / sizeof(*trouble); i++)
			if (strstr(msg, trouble[i]))
				break;
		if (i < sizeof(trouble) / sizeof(*trouble)) {
			if (!bad)
				fprintf(stderr, "lab: the kernel log holds trouble:\n");
			bad = true;
			context = 40;
		}
		if (context > 0 && context--)
			fprintf(stderr, "lab: dmesg: %s\n", msg);
	}
	close(fd);
	return bad;
}

/* An object counts as leaked once it is 5 s old and two scans have missed it. */
static bool scan_kmemleak(void)
{
	static const char path[] = "/sys/kernel/debug/kmemleak";
	char buf[4096];
	bool bad = false;
	ssize_t n;
	int fd, i;

	for (i = 0; i < 2; i++) {
		sleep(i ? 1 : 6);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 || write(fd, "scan", 4) != 4)
			die("%s: %s", path, strerror(errno));
		close(fd);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (!bad)
			fprintf(stderr, "lab: kmemleak reports:\n");
		bad = true;
		if (write(STDERR_FILENO, buf, n) < 0)
			break;
	}
	close(fd);
	return bad;
}

/* The job's command runs between these marks of the log, for whoever reads it later. */
static void mark(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		dprintf(fd, "lab: %s\n", text);
		close(fd);
	}
}

static void find_job(void)
{
	char line[4096] = "", *p;
	FILE *f = fopen("/proc/cmdline", "re");

	if (f && fgets(line, sizeof(line), f) && (p = strstr(line, "rund_job=")))
		sscanf(p, "rund_job=%255s", job);
	if (f)
		fclose(f);
	if (!*job)
		die("no rund_job= on the kernel command line");
}

static bool job_has(const char *name)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", job, name);
	return !access(path, F_OK);
}

int main(void)
{
	bool tty, bad;
	int code, in;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) || mount("sysfs", "/sys", "sysfs", 0, NULL))
		return 1;
	do_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	status_fd = wait_port("rund.status", O_WRONLY);
	err.port = wait_port("rund.stderr", O_WRONLY);
	if (err.port >= 0)
		dup2(err.port, STDERR_FILENO);
	find_job();
	setup_root();
	tty = job_has("tty");
	if (!tty) {
		in = wait_port("rund.stdin", O_RDONLY);
		out.port = wait_port("rund.stdout", O_WRONLY);
		if (in < 0 || out.port < 0 || err.port < 0)
			die("the ports rund.stdin, rund.stdout and rund.stderr did not appear");
		dup2(in, STDIN_FILENO);
		stream_start(&out);
		stream_start(&err);
	}
	loopback_up();
	sethostname("rund-lab", 8);
	load_modules();
	mark("command starts");
	code = run(tty);
	mark("command ended");
	bad = job_has("kmemleak") && scan_kmemleak();
	if (scan_log() || bad) {
		fprintf(stderr, "lab: failed by the above; the command's own status was %d\n",
			code);
		code = 124;
	}
	report(code);
}
