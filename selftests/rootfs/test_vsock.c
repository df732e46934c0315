// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams between guest and host arrive whole, in both directions at once, with
 * readers that stop, ends that close by halves, many at a time, and to the last
 * byte when the guest powers off.
 */
#include "vm.h"

#define PORT_ECHO  10
#define PORT_COUNT 11 /* answers with the number of bytes, after the end */
#define PORT_STALL 12 /* reads nothing until PORT_GO was connected to */
#define PORT_GO	   13
#define PORT_HELLO 14 /* says "hello" and closes */
#define PORT_SLOW  15 /* counts, but starts a second late */
#define PORT_CALL  16 /* the host connects to guest port GPORT */
#define PORT_NONE  99 /* nobody listens */
#define GPORT	   5000
#define NR_CONNS   100
#define LAST_BYTES 100000

/* ---- both sides ---- */

static uint8_t byte_at(uint64_t off)
{
	return (off * 2654435761U) >> 13;
}

static bool write_pattern(int fd, uint64_t total)
{
	static uint8_t buf[65536];

	for (uint64_t off = 0; off < total;) {
		size_t len = total - off < sizeof(buf) ? total - off : sizeof(buf);
		ssize_t n;

		for (size_t i = 0; i < len; i++)
			buf[i] = byte_at(off + i);
		n = write(fd, buf, len);
		if (n <= 0)
			return false;
		off += n;
	}
	return true;
}

/* ---- guest ---- */

/* Read @total bytes of the pattern. Returns how many were right. */
static uint64_t read_pattern(int fd, uint64_t total)
{
	static uint8_t buf[65536];
	uint64_t off = 0;

	while (off < total) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] != byte_at(off + i))
				return off + i;
		}
		off += n;
	}
	return off;
}

/* 100 MB through an echo: one process writes while the other reads. */
static int echo_is_identical(void)
{
	uint64_t total = atoll(vm_guest_arg("echo"));
	int fd = vm_guest_connect(VMADDR_CID_HOST, PORT_ECHO), status = -1;
	double start = vm_now();
	pid_t pid;
	char c;

	EXPECT(fd >= 0);
	pid = fork();
	if (!pid) {
		bool ok = write_pattern(fd, total);

		shutdown(fd, SHUT_WR);
		_exit(!ok);
	}
	EXPECT_EQ(read_pattern(fd, total), total);
	/* The echo ends when our direction does. */
	EXPECT_EQ(read(fd, &c, 1), 0);
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
	close(fd);
	ktap_diag("%llu bytes there and back in %.1f s", (unsigned long long)total,
		  vm_now() - start);
	return KTAP_PASS;
}

static int nobody_listens(void)
{
	/* Refused, not timed out. */
	EXPECT_EQ(vm_guest_connect(VMADDR_CID_HOST, PORT_NONE), -1);
	EXPECT_EQ(errno, ECONNRESET);
	EXPECT_EQ(vm_guest_connect(77, PORT_ECHO), -1);
	EXPECT_EQ(errno, ECONNRESET);
	return KTAP_PASS;
}

static int half_close(void)
{
	int fd = vm_guest_connect(VMADDR_CID_HOST, PORT_COUNT);
	char buf[32] = {0};

	EXPECT(fd >= 0);
	EXPECT(write_pattern(fd, 300000));
	EXPECT_EQ(shutdown(fd, SHUT_WR), 0);
	EXPECT(read(fd, buf, sizeof(buf) - 1) > 0);
	EXPECT_EQ(atoi(buf), 300000);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), 0);
	close(fd);
	return KTAP_PASS;
}

static int host_closes(void)
{
	int fd = vm_guest_connect(VMADDR_CID_HOST, PORT_HELLO);
	char buf[16];

	EXPECT(fd >= 0);
	EXPECT_EQ(read(fd, buf, 5), 5);
	EXPECT(!memcmp(buf, "hello", 5));
	EXPECT_EQ(read(fd, buf, 1), 0);
	/* Writing to it fails, soon if not at once. */
	for (int i = 0; i < 3000; i++) {
		if (write(fd, buf, 1) < 0)
			break;
		usleep(20000);
	}
	EXPECT_EQ(write(fd, buf, 1), -1);
	EXPECT_EQ(errno, EPIPE);
	close(fd);
	return KTAP_PASS;
}

static int ping(int fd)
{
	char c = 'p';

	return write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1 && c == 'p' ? 0 : -1;
}

/* A reader that stops holds up its own stream and no other. */
static int stalled_reader(void)
{
	int fd = vm_guest_connect(VMADDR_CID_HOST, PORT_STALL), other, go, status = -1;
	char buf[32] = {0};
	pid_t pid;

	EXPECT(fd >= 0);
	pid = fork();
	if (!pid) {
		bool ok = write_pattern(fd, 4 << 20);

		shutdown(fd, SHUT_WR);
		_exit(!ok);
	}
	other = vm_guest_connect(VMADDR_CID_HOST, PORT_ECHO);
	EXPECT(other >= 0);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ping(other), 0);
	usleep(300000);
	EXPECT_EQ(waitpid(pid, &status, WNOHANG), 0);
	EXPECT_EQ(ping(other), 0);
	close(other);
	go = vm_guest_connect(VMADDR_CID_HOST, PORT_GO);
	EXPECT(go >= 0);
	EXPECT(read(fd, buf, sizeof(buf) - 1) > 0);
	EXPECT_EQ(atoi(buf), 4 << 20);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close(go);
	close(fd);
	return KTAP_PASS;
}

/* The same the other way: this guest does not read an echo for a while. */
static int stalled_guest(void)
{
	int fd = vm_guest_connect(VMADDR_CID_HOST, PORT_ECHO), other, status = -1;
	const uint64_t total = 4 << 20;
	pid_t pid;

	EXPECT(fd >= 0);
	pid = fork();
	if (!pid)
		_exit(!write_pattern(fd, total));
	usleep(300000);
	other = vm_guest_connect(VMADDR_CID_HOST, PORT_ECHO);
	EXPECT(other >= 0);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ping(other), 0);
	close(other);
	EXPECT_EQ(read_pattern(fd, total), total);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	close(fd);
	return KTAP_PASS;
}

static int many_connections(void)
{
	int fd[NR_CONNS], more = atoi(vm_guest_arg("conns"));

	for (int i = 0; i < NR_CONNS; i++) {
		fd[i] = vm_guest_connect(VMADDR_CID_HOST, PORT_ECHO);
		if (fd[i] < 0)
			ktap_diag("connection %d: %m", i);
		EXPECT(fd[i] >= 0);
	}
	for (int i = NR_CONNS - 1; i >= 0; i--)
		EXPECT_EQ(ping(fd[i]), 0);
	for (int i = 0; i < NR_CONNS; i++)
		close(fd[i]);
	/* One after the other: nothing is used up. */
	for (int i = 0; i < more; i++) {
		fd[0] = vm_guest_connect(VMADDR_CID_HOST, PORT_ECHO);
		if (fd[0] < 0)
			ktap_diag("connection %d after the others: %m", i);
		EXPECT(fd[0] >= 0);
		EXPECT_EQ(ping(fd[0]), 0);
		close(fd[0]);
	}
	return KTAP_PASS;
}

static int host_connects(void)
{
	struct sockaddr_vm sa = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = GPORT};
	int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), call, fd;
	char buf[16] = {0};

	EXPECT_EQ(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	EXPECT_EQ(listen(listener, 5), 0);
	call = vm_guest_connect(VMADDR_CID_HOST, PORT_CALL);
	EXPECT(call >= 0);
	fd = accept(listener, NULL, NULL);
	EXPECT(fd >= 0);
	EXPECT_EQ(read(fd, buf, 4), 4);
	EXPECT(!memcmp(buf, "ping", 4));
	EXPECT_EQ(write(fd, "pong", 4), 4);
	/* The host says what it saw. */
	EXPECT_EQ(read(call, buf, 2), 2);
	EXPECT(!memcmp(buf, "ok", 2));
	close(fd);
	close(call);
	close(listener);
	return KTAP_PASS;
}

/* The host's side judges: these bytes are sent right before the end. */
static int last_words(void)
{
	int fd = vm_guest_connect(VMADDR_CID_HOST, PORT_SLOW);

	EXPECT(fd >= 0);
	EXPECT(write_pattern(fd, LAST_BYTES));
	return KTAP_PASS;
}

static const struct ktap_test guest_tests[] = {
	T(echo_is_identical), T(nobody_listens), T(half_close),
	T(host_closes),	      T(stalled_reader), T(stalled_guest),
	T(many_connections),  T(host_connects),	 T(last_words),
};

/* ---- host ---- */

static struct vm vm;
static int go_listener;
static volatile uint64_t last_count;

static void *serve_echo(void *data)
{
	int fd = (int)(intptr_t)data;
	char buf[65536];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0, w; done < n; done += w) {
			w = write(fd, buf + done, n - done);
			if (w <= 0)
				goto out;
		}
	}
out:
	close(fd);
	return NULL;
}

/* Count what comes, checking it, and answer with the number. */
static uint64_t count(int fd)
{
	static char buf[65536];
	uint64_t total = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if ((uint8_t)buf[i] != byte_at(total + i))
				return 0;
		}
		total += n;
	}
	dprintf(fd, "%llu", (unsigned long long)total);
	return total;
}

static void *serve_count(void *data)
{
	int fd = (int)(intptr_t)data;

	count(fd);
	close(fd);
	return NULL;
}

static void *serve_stall(void *data)
{
	int go = vm_accept(go_listener, 600);

	serve_count(data);
	close(go);
	return NULL;
}

static void *serve_hello(void *data)
{
	int fd = (int)(intptr_t)data;

	if (write(fd, "hello", 5) != 5)
		perror("hello");
	close(fd);
	return NULL;
}

static void *serve_slow(void *data)
{
	int fd = (int)(intptr_t)data;

	sleep(1);
	last_count = count(fd);
	close(fd);
	return NULL;
}

static void *serve_call(void *data)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int call = (int)(intptr_t)data, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[64] = {0}, *p = line;

	strcpy(sa.sun_path, vm.sock);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		perror(vm.sock);
	dprintf(fd, "CONNECT %d\nping", GPORT);
	while (p < line + sizeof(line) - 1 && read(fd, p, 1) == 1 && *p++ != '\n')
		;
	if (!strncmp(line, "OK ", 3) && read(fd, line, 4) == 4 && !memcmp(line, "pong", 4))
		dprintf(call, "ok");
	close(fd);
	close(call);
	return NULL;
}

struct service {
	unsigned int port;
	void *(*serve)(void *fd);
	int listener;
};

static void *accept_all(void *data)
{
	struct service *s = data;
	pthread_t th;
	int fd;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (!pthread_create(&th, NULL, s->serve, (void *)(intptr_t)fd))
			pthread_detach(th);
	}
	return NULL;
}

static int vmm_exits_clean(void)
{
	int st = vm_wait(&vm, 180);

	EXPECT(WIFEXITED(st));
	EXPECT_EQ(WEXITSTATUS(st), 0);
	EXPECT_EQ(access(vm.sock, F_OK), -1);
	return KTAP_PASS;
}

static int last_words_arrived(void)
{
	for (int i = 0; i < 1200 && !last_count; i++)
		usleep(100000);
	EXPECT_EQ(last_count, LAST_BYTES);
	return KTAP_PASS;
}

int main(void)
{
	static struct service services[] = {
		{PORT_ECHO, serve_echo, -1},   {PORT_COUNT, serve_count, -1},
		{PORT_STALL, serve_stall, -1}, {PORT_HELLO, serve_hello, -1},
		{PORT_SLOW, serve_slow, -1},   {PORT_CALL, serve_call, -1},
	};
	static const struct ktap_test host_tests[] = {T(vmm_exits_clean), T(last_words_arrived)};
	char cmdline[64];
	pthread_t th;
	int results;

	if (getpid() == 1)
		vm_guest_main(guest_tests, ARRAY_SIZE(guest_tests));
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(guest_tests) + ARRAY_SIZE(host_tests));
	vm_init(&vm);
	results = vm_listen(&vm, VM_PORT_RESULTS);
	go_listener = vm_listen(&vm, PORT_GO);
	snprintf(cmdline, sizeof(cmdline), "echo=%d conns=%d", (ktap_slow() ? 16 : 100) * 1000000,
		 ktap_slow() ? 30 : 300);
	/* before the guest, which does not call twice */
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		services[i].listener = vm_listen(&vm, services[i].port);
	vm_start(&vm, NULL, cmdline);
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (pthread_create(&th, NULL, accept_all, &services[i]))
			vm_die("thread");
	}
	vm_relay(&vm, results, 500);
	return vm_finish(&vm, guest_tests, ARRAY_SIZE(guest_tests), host_tests,
			 ARRAY_SIZE(host_tests));
}
