/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One test program for both sides of a microVM: started by the runner it is the
 * host's side, builds an initramfs out of itself and starts rund-vmm; started
 * as PID 1 it is the guest's side, runs a ktap table and sends the output over
 * vsock, so that the guest's results are lines of the same KTAP output.
 *
 * Everything waits with a bound; a guest that hangs or dies turns into failed
 * tests with the end of its console as diagnostics.
 */
#ifndef RUND_SELFTESTS_VM_H
#define RUND_SELFTESTS_VM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define VM_PORT_RESULTS 1 /* guest's stdout */
#define VM_CID		3

static inline double vm_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* ---- guest ---- */

static inline int vm_guest_connect(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm sa = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	/* The default of 2 s is short for a machine emulated on a busy one. */
	struct timeval patience = {.tv_sec = 60};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &patience, sizeof(patience))) {
		close(fd);
		return -1;
	}
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* The value of KEY=VALUE on the kernel's command line, or "". */
static inline const char *vm_guest_arg(const char *key)
{
	static char text[4096], value[256];
	size_t len = strlen(key);
	char *word, *save;
	ssize_t n;
	int fd;

	value[0] = '\0';
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		if (!strncmp(word, key, len) && word[len] == '=')
			snprintf(value, sizeof(value), "%s", word + len + 1);
	}
	return value;
}

/* Run the table as PID 1 and power off. */
static inline void vm_guest_main(const struct ktap_test *tests, unsigned int nr)
{
	int fd;

	signal(SIGPIPE, SIG_IGN);
	mkdir("/proc", 0755);
	mkdir("/mnt", 0755);
	mkdir("/tmp", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("tmp", "/tmp", "tmpfs", 0, NULL);
	fd = vm_guest_connect(VMADDR_CID_HOST, VM_PORT_RESULTS);
	if (fd < 0) {
		printf("vsock to the host: %m\n");
	} else {
		fflush(stdout);
		dup2(fd, STDOUT_FILENO);
		close(fd);
		ktap_run(tests, nr);
		fflush(stdout);
		close(STDOUT_FILENO);
	}
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* ---- host ---- */

struct vm {
	char dir[64];
	char sock[80];
	pid_t pid;
	int status; /* of rund-vmm, once it ended */
	unsigned int nr_ok, nr_seen;
	bool failed;
};

static inline void vm_die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* One entry of a cpio archive, "newc" format. */
static inline void vm_cpio(FILE *f, const char *name, unsigned int mode, unsigned int rdev_major,
			   unsigned int rdev_minor, const char *data, size_t len)
{
	static unsigned int ino;
	size_t n = strlen(name) + 1;

	fprintf(f, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", ++ino, mode, 0,
		0, 1, 0, len, 0, 0, rdev_major, rdev_minor, n, 0);
	fwrite(name, 1, n, f);
	for (size_t at = 110 + n; at % 4; at++)
		fputc(0, f);
	if (len)
		fwrite(data, 1, len, f);
	for (size_t at = len; at % 4; at++)
		fputc(0, f);
}

static inline void vm_make_initrd(const char *path)
{
	FILE *self = fopen("/proc/self/exe", "r"), *f = fopen(path, "w");
	struct stat st;
	char *data;

	if (!self || !f || fstat(fileno(self), &st))
		vm_die(path);
	data = malloc(st.st_size);
	if (fread(data, 1, st.st_size, self) != st.st_size)
		vm_die("/proc/self/exe");
	vm_cpio(f, "dev", S_IFDIR | 0755, 0, 0, NULL, 0);
	vm_cpio(f, "dev/console", S_IFCHR | 0600, 5, 1, NULL, 0);
	vm_cpio(f, "init", S_IFREG | 0755, 0, 0, data, st.st_size);
	vm_cpio(f, "TRAILER!!!", 0, 0, 0, NULL, 0);
	if (fclose(f))
		vm_die(path);
	fclose(self);
	free(data);
}

/* A listening socket where the guest's connections to @port arrive. */
static inline int vm_listen(const struct vm *vm, unsigned int port)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s_%u", vm->sock, port);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 128))
		vm_die(sa.sun_path);
	return fd;
}

/* accept() that gives up after @secs. */
static inline int vm_accept(int listener, int secs)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	return poll(&p, 1, secs * 1000) == 1 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
}

static inline void vm_init(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	signal(SIGPIPE, SIG_IGN);
	/* On the XFS disk: it has extended attributes, and files of any size. */
	snprintf(vm->dir, sizeof(vm->dir), "/var/lib/rund/test-XXXXXX");
	if (!mkdtemp(vm->dir))
		vm_die(vm->dir);
	snprintf(vm->sock, sizeof(vm->sock), "%s/v", vm->dir);
}

/* Start rund-vmm; @share may be NULL, @cmdline reaches vm_guest_arg(). */
static inline void vm_start(struct vm *vm, const char *share, const char *cmdline)
{
	const char *build = getenv("RUND_BUILD");
	char kernel[512], initrd[96], vsock[128], console[128], fs[256];

	snprintf(kernel, sizeof(kernel), "%s/lib/rund/vmlinux", build ? build : "build");
	snprintf(initrd, sizeof(initrd), "%s/initrd", vm->dir);
	snprintf(vsock, sizeof(vsock), "cid=%d,path=%s", VM_CID, vm->sock);
	snprintf(console, sizeof(console), "path=%s/console", vm->dir);
	snprintf(fs, sizeof(fs), "tag=share,dir=%s", share ? share : "/");
	vm_make_initrd(initrd);
	vm->pid = fork();
	if (vm->pid)
		return;
	execlp("rund-vmm", "rund-vmm", "--name", "test", "--kernel", kernel, "--initrd", initrd,
	       "--mem", "256M", "--cpus", "2", "--vsock", vsock, "--console", console, "--cmdline",
	       cmdline, share ? "--fs" : NULL, fs, NULL);
	fprintf(stderr, "rund-vmm: %m\n");
	_exit(127);
}

/* The end of the guest's console, as diagnostics. */
static inline void vm_show_console(const struct vm *vm)
{
	char path[128], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/console", vm->dir);
	f = fopen(path, "r");
	if (!f)
		return;
	if (!fseek(f, -4000, SEEK_END) && !fgets(line, sizeof(line), f))
		rewind(f);
	while (fgets(line, sizeof(line), f))
		printf("# console: %.*s\n", (int)strcspn(line, "\r\n"), line);
	fclose(f);
}

/* Pass the guest's lines on, but for its header; @secs of silence end it. */
static inline void vm_relay(struct vm *vm, int listener, int secs)
{
	int fd = vm_accept(listener, secs);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
	char line[1024];

	if (!f) {
		printf("# the guest did not connect within %d s\n", secs);
		return;
	}
	setvbuf(f, NULL, _IONBF, 0);
	while (poll(&p, 1, secs * 1000) == 1 && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "KTAP", 4) || !strncmp(line, "1..", 3))
			continue;
		if (!strncmp(line, "ok ", 3) || !strncmp(line, "not ok ", 7))
			vm->nr_seen++;
		if (!strncmp(line, "not ok ", 7))
			vm->failed = true;
		fputs(line, stdout);
	}
	fclose(f);
}

/* Wait for rund-vmm, but kill it after @secs. */
static inline int vm_wait(struct vm *vm, int secs)
{
	double end = vm_now() + secs;

	while (waitpid(vm->pid, &vm->status, WNOHANG) == 0) {
		if (vm_now() > end) {
			printf("# rund-vmm did not end within %d s\n", secs);
			kill(vm->pid, SIGKILL);
			waitpid(vm->pid, &vm->status, 0);
			break;
		}
		usleep(20000);
	}
	vm->pid = 0;
	return vm->status;
}

static inline void vm_remove(struct vm *vm)
{
	pid_t pid;

	if (vm->failed)
		vm_show_console(vm);
	pid = fork();
	if (!pid) {
		execlp("rm", "rm", "-rf", vm->dir, NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/* Guest tests that gave no result, then the host's own. Returns the exit status. */
static inline int vm_finish(struct vm *vm, const struct ktap_test *guest, unsigned int nr_guest,
			    const struct ktap_test *host, unsigned int nr_host)
{
	for (; vm->nr_seen < nr_guest; vm->nr_seen++) {
		printf("not ok %u %s\n# no result from the guest\n", vm->nr_seen + 1,
		       guest[vm->nr_seen].name);
		vm->failed = true;
	}
	for (unsigned int i = 0; i < nr_host; i++) {
		int ret = host[i].fn();

		if (ret == KTAP_SKIP)
			printf("ok %u %s # SKIP %s\n", nr_guest + i + 1, host[i].name, ktap_reason);
		else
			printf("%sok %u %s\n", ret ? "not " : "", nr_guest + i + 1, host[i].name);
		if (ret == KTAP_FAIL)
			vm->failed = true;
	}
	vm_remove(vm);
	return vm->failed ? 1 : 0;
}

#endif
