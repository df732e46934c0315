// SPDX-License-Identifier: GPL-2.0-only
/*
 * rund-vmm as its parent sees it, with guests of a few instructions: control
 * socket, exit status, and that it can be stopped or killed at any moment and
 * in any number without leaving a process behind.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ktap.h"

#define LOAD	 0x1000000
#define LIMIT_MS 180000
#define PARALLEL 20

/* mov $0xfe, %al; out %al, $0x64: a reset */
static const uint8_t guest_reset[] = {0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe};
/* ud2 without an IDT: a triple fault */
static const uint8_t guest_fault[] = {0x0f, 0x0b};
/* 1: hlt; jmp 1b */
static const uint8_t guest_halt[] = {0xf4, 0xeb, 0xfd};
/* jmp . */
static const uint8_t guest_spin[] = {0xeb, 0xfe};

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	uint8_t code[16];
};

struct machine {
	pid_t pid;
	int control;
	int err; /* its stderr */
};

static const char *vmm_path(void)
{
	static char path[512];
	const char *build = getenv("RUND_BUILD");

	snprintf(path, sizeof(path), "%s/bin/rund-vmm", build ? build : "build");
	return path;
}

static int make_kernel(const uint8_t *code, size_t len)
{
	int fd = memfd_create("guest", 0);
	struct image im = {
		.eh = {.e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_entry = LOAD,
		       .e_phoff = offsetof(struct image, ph),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 1},
		.ph = {.p_type = PT_LOAD,
		       .p_offset = offsetof(struct image, code),
		       .p_paddr = LOAD,
		       .p_filesz = sizeof(im.code),
		       .p_memsz = sizeof(im.code)},
	};

	memcpy(im.eh.e_ident, ELFMAG, SELFMAG);
	im.eh.e_ident[EI_CLASS] = ELFCLASS64;
	im.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(im.code, code, len);
	if (fd < 0 || write(fd, &im, sizeof(im)) != sizeof(im))
		return -1;
	return fd;
}

/* In the child: descriptors 3 (control), 4 (kernel), then exec. */
static void exec_vmm(int control, int kernel, int err, const char *cpus, rlim_t nofile)
{
	struct rlimit rl = {nofile, nofile};

	dup2(err, STDERR_FILENO);
	dup2(control, 100);
	dup2(kernel, 101);
	dup2(100, 3);
	dup2(101, 4);
	for (int fd = 5; fd < 200; fd++)
		close(fd);
	if (nofile)
		setrlimit(RLIMIT_NOFILE, &rl);
	execl(vmm_path(), "rund-vmm", "--name", "tiny", "--kernel", "/proc/self/fd/4", "--mem",
	      "32M", "--cpus", cpus, "--control", "fd=3", NULL);
	_exit(99);
}

static int start(struct machine *m, const uint8_t *code, size_t len, const char *cpus,
		 rlim_t nofile)
{
	int kernel = make_kernel(code, len);
	int sv[2], p[2];

	if (kernel < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) ||
	    pipe2(p, O_CLOEXEC))
		return -1;
	m->pid = fork();
	if (!m->pid)
		exec_vmm(sv[1], kernel, p[1], cpus, nofile);
	close(kernel);
	close(sv[1]);
	close(p[1]);
	m->control = sv[0];
	m->err = p[0];
	return m->pid < 0 ? -1 : 0;
}

#define START(m, guest) start(m, guest, sizeof(guest), "2", 0)

/* Next line from the control socket; "" at its end, NULL when nothing comes in time. */
static const char *next_line(struct machine *m)
{
	static char buf[4096];
	struct pollfd p = {.fd = m->control, .events = POLLIN};
	size_t n = 0;

	while (n < sizeof(buf) - 1) {
		if (poll(&p, 1, LIMIT_MS) != 1)
			return NULL;
		if (read(m->control, buf + n, 1) != 1 || buf[n] == '\n')
			break;
		n++;
	}
	buf[n] = '\0';
	return buf;
}

static bool expect_line(struct machine *m, const char *part)
{
	const char *line = next_line(m);

	if (line && strstr(line, part))
		return true;
	ktap_diag("control socket: \"%s\" where \"%s\" was expected", line ? line : "(nothing)",
		  part);
	return false;
}

/* Wait status, or -1 when it does not end in time (it is killed then). */
static int end(struct machine *m)
{
	struct timespec pause = {.tv_nsec = 2000000};
	int st = -1;

	for (int i = 0; i < LIMIT_MS / 2; i++) {
		if (waitpid(m->pid, &st, WNOHANG) == m->pid)
			goto out;
		nanosleep(&pause, NULL);
	}
	ktap_diag("rund-vmm does not end");
	kill(m->pid, SIGKILL);
	waitpid(m->pid, &st, 0);
	st = -1;
out:
	close(m->control);
	close(m->err);
	return st;
}

#define NEED_KVM()                                              \
	do {                                                    \
		if (access("/dev/kvm", R_OK | W_OK))            \
			return ktap_skip("no usable /dev/kvm"); \
	} while (0)

static int ends_as(const uint8_t *code, size_t len, const char *reason)
{
	struct machine m;

	EXPECT_EQ(start(&m, code, len, "2", 0), 0);
	EXPECT(expect_line(&m, "{\"event\":\"started\","));
	EXPECT(expect_line(&m, reason));
	EXPECT_EQ(end(&m), 0);
	return KTAP_PASS;
}

static int reset_is_told(void)
{
	NEED_KVM();
	return ends_as(guest_reset, sizeof(guest_reset),
		       "{\"event\":\"exit\",\"reason\":\"reset\",");
}

static int triple_fault_is_told(void)
{
	NEED_KVM();
	return ends_as(guest_fault, sizeof(guest_fault),
		       "{\"event\":\"exit\",\"reason\":\"triple-fault\",");
}

static int status_and_stop(void)
{
	struct machine m;

	NEED_KVM();
	EXPECT_EQ(START(&m, guest_spin), 0);
	EXPECT(expect_line(&m, "started"));
	EXPECT(write(m.control, "{\"cmd\":\"status\"}\nrubbish\n", 25) == 25);
	EXPECT(expect_line(&m, "\"state\":\"running\",\"vcpus\":2,\"mem\":33554432"));
	EXPECT(expect_line(&m, "\"ok\":false"));
	EXPECT(write(m.control, "{\"cmd\":\"stop\"}\n", 15) == 15);
	EXPECT(expect_line(&m, "\"ok\":true"));
	EXPECT(expect_line(&m, "\"reason\":\"stopped\""));
	EXPECT_EQ(end(&m), 0);
	return KTAP_PASS;
}

/* The end of the connection is not the end of the machine. */
static int control_peer_goes(void)
{
	struct timespec pause = {.tv_nsec = 200000000};
	struct machine m;
	int st;

	NEED_KVM();
	EXPECT_EQ(START(&m, guest_halt), 0);
	EXPECT(expect_line(&m, "started"));
	shutdown(m.control, SHUT_RDWR);
	nanosleep(&pause, NULL);
	EXPECT_EQ(waitpid(m.pid, &st, WNOHANG), 0);
	kill(m.pid, SIGTERM);
	EXPECT_EQ(end(&m), 0);
	return KTAP_PASS;
}

/* At any moment of its life SIGTERM means exit status 0, or death before main() is ready for it. */
static int sigterm_any_time(void)
{
	unsigned int seed = 20260104;
	struct machine m;

	NEED_KVM();
	ktap_diag("seed %u", seed);
	srandom(seed);
	for (int i = 0; i < 30; i++) {
		struct timespec pause = {.tv_nsec = random() % 60000000};
		int st;

		EXPECT_EQ(i & 1 ? START(&m, guest_halt) : START(&m, guest_spin), 0);
		nanosleep(&pause, NULL);
		kill(m.pid, SIGTERM);
		st = end(&m);
		EXPECT(st == 0 || (WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM));
	}
	return KTAP_PASS;
}

static int sigkill_any_time(void)
{
	unsigned int seed = 20260105;
	struct machine m;

	NEED_KVM();
	ktap_diag("seed %u", seed);
	srandom(seed);
	for (int i = 0; i < 20; i++) {
		struct timespec pause = {.tv_nsec = random() % 60000000};
		int st;

		EXPECT_EQ(START(&m, guest_halt), 0);
		nanosleep(&pause, NULL);
		kill(m.pid, SIGKILL);
		st = end(&m);
		EXPECT(WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
		EXPECT(kill(m.pid, 0) && errno == ESRCH);
	}
	return KTAP_PASS;
}

static int many_at_once(void)
{
	static struct machine m[PARALLEL];

	NEED_KVM();
	for (int i = 0; i < PARALLEL; i++)
		EXPECT_EQ(START(&m[i], guest_halt), 0);
	for (int i = 0; i < PARALLEL; i++)
		EXPECT(expect_line(&m[i], "started"));
	for (int i = 0; i < PARALLEL; i++)
		kill(m[i].pid, SIGTERM);
	for (int i = 0; i < PARALLEL; i++)
		EXPECT_EQ(end(&m[i]), 0);
	return KTAP_PASS;
}

/* One line, exit status 1: also when descriptors run out, at every point where they can. */
static int out_of_descriptors(void)
{
	bool worked = false;

	NEED_KVM();
	for (rlim_t n = 5; n < 32 && !worked; n++) {
		struct machine m;
		char buf[1024];
		size_t used = 0;
		ssize_t len;
		int st;

		EXPECT_EQ(start(&m, guest_reset, sizeof(guest_reset), "2", n), 0);
		/* to its end: the dynamic linker's words come one by one */
		while ((len = read(m.err, buf + used, sizeof(buf) - 1 - used)) > 0)
			used += len;
		buf[used] = '\0';
		st = end(&m);
		EXPECT(WIFEXITED(st));
		worked = !WEXITSTATUS(st);
		/* The dynamic linker needs a few by itself: 127, and its own words. */
		if (worked || WEXITSTATUS(st) == 127)
			continue;
		ktap_diag("%d descriptors: %.*s", (int)n, (int)strcspn(buf, "\n"), buf);
		EXPECT_EQ(WEXITSTATUS(st), 1);
		EXPECT(!strncmp(buf, "rund-vmm: error: ", 17));
		EXPECT(strchr(buf, '\n') == buf + strlen(buf) - 1);
	}
	EXPECT(worked);
	return KTAP_PASS;
}

static int most_vcpus(void)
{
	struct machine m;

	NEED_KVM();
	EXPECT_EQ(start(&m, guest_reset, sizeof(guest_reset), "64", 0), 0);
	EXPECT(expect_line(&m, "started"));
	EXPECT(expect_line(&m, "\"reason\":\"reset\""));
	EXPECT_EQ(end(&m), 0);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test tests[] = {
		T(reset_is_told),     T(triple_fault_is_told), T(status_and_stop),
		T(control_peer_goes), T(sigterm_any_time),     T(sigkill_any_time),
		T(many_at_once),      T(out_of_descriptors),   T(most_vcpus),
	};

	signal(SIGPIPE, SIG_IGN);
	return ktap_run(tests, ARRAY_SIZE(tests));
}
