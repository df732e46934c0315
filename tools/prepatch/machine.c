// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM, used as a library.  The guest is a kernel that this user names, but
 * what it says and leaves in memory is checked like any guest's.
 */
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/cpio.h"
#include "lib/log.h"

/* Of what the guest said, how much is shown when it failed. */
#define TAIL 600

/*
 * Without a root file system a kernel panics before its freeze point; an archive with
 * an /init is one, if no more.  Returns a descriptor, and in @path a name by which the
 * VMM can open it.
 */
static int make_initrd(char path[32])
{
	const struct cpio_entry init = {.name = "init", .mode = S_IFREG | 0755};
	__cleanup_fd int fd = memfd_create("initrd", MFD_CLOEXEC);
	__cleanup_file FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");
	struct cpio c = {.f = f};
	int ret;

	if (!f)
		return log_errno(-errno, "initrd: %m");
	ret = cpio_add(&c, &init);
	if (!ret)
		ret = cpio_end(&c);
	if (ret)
		return log_errno(ret, "initrd: %s", strerror(-ret));
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return take_fd(&fd);
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
	vm_stop(w->data, VM_EXIT_STOPPED);
}

static int arm_timer(struct vm *vm, struct loop_watch *w, unsigned int seconds)
{
	struct itimerspec when = {.it_value.tv_sec = seconds};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int ret;

	if (fd < 0)
		return -errno;
	*w = (struct loop_watch){.fd = fd, .events = EPOLLIN, .fn = on_timer, .data = vm};
	ret = timerfd_settime(fd, 0, &when, NULL) ? -errno : loop_add(&vm->loop, w);
	return ret;
}

/* The guest's last words, on lines of their own and with nothing that a terminal obeys. */
static void show_console(int fd)
{
	char text[TAIL + 1], *line, *rest = text;
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, text, TAIL, end > TAIL ? end - TAIL : 0);

	if (n <= 0)
		return;
	text[n] = '\0';
	while ((line = strsep(&rest, "\r\n"))) {
		for (char *c = line; *c; c++)
			*c = *c >= ' ' && *c < 0x7f ? *c : '?';
		if (*line)
			log_err("  guest: %s", line);
	}
}

static int check_exit(const struct vm *vm, const struct pp_machine_opts *o)
{
	if (vm->exit == VM_EXIT_STOPPED)
		return log_errno(-ETIMEDOUT,
				 "kernel %s: the guest was not done after %u s; raise --timeout",
				 o->kernel, o->seconds);
	if (vm->cfg.freeze == FREEZE_STOP && vm->exit != VM_EXIT_FROZEN)
		return log_errno(-ENOEXEC,
				 "kernel %s: the guest ended (%s) before its freeze point; is it "
				 "built with CONFIG_FROZEN_TEXT=y?",
				 o->kernel, vm_exit_name(vm->exit));
	return 0;
}

static int run(struct vm *vm, const struct pp_machine_opts *o)
{
	struct loop_watch timer = {.fd = -1};
	int ret = arm_timer(vm, &timer, o->seconds);

	if (ret)
		log_err("timer: %s", strerror(-ret));
	else
		ret = vm_run(vm);
	if (!ret)
		ret = check_exit(vm, o);
	if (timer.fd >= 0)
		loop_del(&vm->loop, &timer);
	close_fd(timer.fd);
	return ret;
}

void pp_machine_end(struct vm *vm)
{
	int console = vm->cfg.console_fd;

	/* What the serial port still holds goes there first. */
	vm_destroy(vm);
	close_fd(console);
}

int pp_machine_run(struct vm *vm, const struct pp_machine_opts *o, struct vm_config *cfg)
{
	__cleanup_fd int console = memfd_create("console", MFD_CLOEXEC);
	__cleanup_fd int initrd = -1;
	char path[32];
	int ret;

	if (console < 0)
		return log_errno(-errno, "console: %m");
	initrd = o->initrd ? -1 : make_initrd(path);
	if (!o->initrd && initrd < 0)
		return initrd;
	cfg->name = "prepatch";
	cfg->kernel = o->kernel;
	cfg->initrd = o->initrd ?: path;
	cfg->cmdline = o->cmdline;
	cfg->mem_size = o->mem;
	cfg->nr_vcpus = o->cpus;
	cfg->console_fd = console;
	cfg->control_fd = -1;
	ret = vm_create(vm, cfg);
	if (ret)
		return ret;
	vm->cfg.initrd = NULL; /* the name ends here, the machine does not */
	take_fd(&console);
	if (o->created)
		o->created(vm);
	ret = run(vm, o);
	if (ret) {
		show_console(vm->cfg.console_fd);
		pp_machine_end(vm);
	}
	return ret;
}

static bool in_ram(const struct vm *vm, const struct rund_range *r)
{
	return r->start <= r->end &&
	       (r->start == r->end || mem_ptr(&vm->mem, r->start, r->end - r->start));
}

int pp_machine_info(const struct vm *vm, struct frozen_text_info *info)
{
	if (mem_read(&vm->mem, vm->frozen_gpa, info, sizeof(*info)) ||
	    info->magic != FROZEN_TEXT_MAGIC || info->version != FROZEN_TEXT_VERSION ||
	    info->size < sizeof(*info))
		return log_errno(-ENOEXEC,
				 "kernel %s: its freeze point is of another kind; this "
				 "rund-prepatch knows version %d, as its kernel patches make it",
				 vm->cfg.kernel, FROZEN_TEXT_VERSION);
	if (info->text.start == info->text.end || info->rodata.start == info->rodata.end ||
	    !in_ram(vm, &info->text) || !in_ram(vm, &info->rodata) ||
	    !in_ram(vm, &info->jump_table) || !in_ram(vm, &info->static_calls) ||
	    !in_ram(vm, &info->static_call_text) || !in_ram(vm, &info->final) ||
	    !in_ram(vm, &info->cap_names) || info->text.end > info->rodata.start ||
	    (info->text.start | info->text.end | info->rodata.start | info->rodata.end) % 4096 ||
	    info->final.end - info->final.start != sizeof(struct frozen_text_final) ||
	    info->nr_caps > RUND_PREPATCH_CAPS || !memchr(info->release, 0, sizeof(info->release)))
		return log_errno(-ENOEXEC,
				 "kernel %s: what it says at its freeze point is wrong; the kernel "
				 "is damaged",
				 vm->cfg.kernel);
	return 0;
}
