/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of probe share.  Each has one function, which main() calls, for a subject;
 * run.c tries a single feature, call.c those that are a single system call, and util.c is
 * what the tries need around them.
 */
#ifndef PROBE_H
#define PROBE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* An object's address and size, for tables */
#define OBJ(type, ...) &(const type){__VA_ARGS__}, sizeof(type)

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define P(ptr)	       ((long)(ptr))
#define RW	       (PROT_READ | PROT_WRITE)

/* Tries something in a child: 0, a negative errno, or what it has told say(). */
typedef int probe_fn(long a, long b);

/* All have these two arguments. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

struct test {
	const char *name;
	probe_fn *fn;
	long a, b;
};

/* Arguments of calls that stand for things which only exist in the child */
enum { FD = 0x7f5e0000, FD2, DIRFD, PIPE_R, PIPE_W, PIPE2_W, EPFD, PIDFD, SELF, PAGE };

/* What a call is made in, or that its value is the result */
enum { SCRATCH = 1, IPC = 2, VALUE = 4 };

struct call {
	const char *name;
	int flags;
	int nr;
	long arg[6];
};

/*
 * What main() wants of a subject: lists with a probe_fn of their own, its tests, its calls, or
 * what goes by number.  Each is had from all subjects before the next: a thing that is asked
 * for may bring others, as a module does, so the results depend on the order.
 */
enum pass { FIRST, TESTS, CALLS, LAST };

/* run.c */

/* Note what is wanted, and make room for what say() says; false with errno. */
bool start(const char *name_prefix);

/* Whether names that begin with GROUP can be wanted at all. */
bool want_group(const char *group);

/* Print a line for NAME if it is wanted. */
void emit(const char *name, const char *result);

/* Have the child's result be this text. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A system call's result as 0 or a negative errno. */
int err(long ret);

/* A text that lasts until the next call. */
char *fmt(const char *f, ...) __attribute__((format(printf, 1, 2)));

/* Have FN tried by a child if TEST is wanted, and print the result. */
void probe(const char *test, probe_fn *fn, long a, long b);

/* probe() each of N tests. */
void run_tests(const struct test *t, size_t n);

/* probe() FN as GROUP/WORD with the number, from NR on, of each word without a "-" before it. */
void probe_words(const char *group, const char *words, probe_fn *fn, long nr);

/* The result of FN in yet another process. */
int in_child(probe_fn *fn, long a, long b);

/* call.c */

/* Somewhere for calls to write to. */
extern long longs[64];

/* A socket filter, and a program for seccomp(), that lets everything pass. */
extern const struct sock_fprog accept_prog;

/* What an argument that stands for a thing stands for; others as they are. */
long place(long v);

/* A probe_fn: make the struct call at CALL. */
int do_call(long call, long unused);

/* probe() each of N calls. */
void run_calls(const struct call *c, size_t n);

/* probe() a call made up on the spot. */
#define CALL(name, flags, nr, ...) \
	probe(name, do_call, P((&(struct call){NULL, flags, nr, {__VA_ARGS__}})), 0)

/* util.c */

/* Make the mount point of scratch() and the namespace of netns(); false with errno. */
bool set_up(void);

/* Remove the mount point. */
void clean_up(void);

/* Write VALUE to a file, which need not exist; 0 or a negative errno. */
int put_file(const char *path, const char *value);

/* A small file's text without the newline at its end, or NULL; one at a time. */
char *get_file(const char *path);

/* A mount namespace of our own, in a new tmpfs with some files and directories. */
int scratch(void);

/* Open a device of major number 10, in scratch(). */
int open_misc(const char *path, int number);

/* A child that waits in new namespaces (CLONE_NEW*): its pid, or a negative errno. */
pid_t child_in(int namespaces);

/* Enter the network namespace of all probes, where lo is up. */
int netns(void);

/* The subjects */
void probe_syscalls(void);
void probe_sockets(void);
void probe_sockopts(enum pass pass);
void probe_netlink(enum pass pass);
void probe_mounts(enum pass pass);
void probe_namespaces(enum pass pass);
void probe_prctl(enum pass pass);
void probe_mm(enum pass pass);
void probe_fs(enum pass pass);
void probe_madvise(enum pass pass);
void probe_time(enum pass pass);
void probe_sched(enum pass pass);
void probe_trace(enum pass pass);
void probe_bpf(enum pass pass);
void probe_process(enum pass pass);
void probe_values(void);
void probe_lists(void);

#endif
