// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parsing the command line.  Every value is checked here, before anything is
 * created, and each message names the option and what would be accepted.
 */
#include "vmm/opts.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

/* No kernel boots in less; a clearer message than the loader's. */
#define MEM_MIN (16ULL << 20)

const char opts_usage[] =
	"Usage: rund-vmm --kernel PATH [OPTION]...\n"
	"Run one Linux guest in a KVM microVM until it powers off.\n"
	"\n"
	"  --name NAME             what messages and the control socket call it (vm)\n"
	"  --kernel PATH           ELF vmlinux or bzImage\n"
	"  --initrd PATH           initial RAM disk\n"
	"  --cmdline TEXT          appended to the kernel's command line\n"
	"  --mem SIZE              guest RAM, e.g. 128M (128M)\n"
	"  --cpus N                vCPUs (1)\n"
	"  --blk fd=N|path=P[,ro]  virtio-blk disk, up to 4\n"
	"  --fs tag=T,fd=N|dir=P   virtio-fs share of a directory, read-only, up to 4\n"
	"  --vsock cid=N,path=P    virtio-vsock by Unix sockets P and P_<port>\n"
	"  --console fd=N|path=P   where the serial console's output goes\n"
	"  --control fd=N|path=P   control socket, one JSON object a line\n"
	"  --irqchip split|kernel  who models the IOAPIC (split)\n"
	"  --text-log fd=N|path=P  say at the end which pages of the kernel's text and\n"
	"                          read-only data the guest wrote; needs a pre-patched kernel\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 when the guest ended or was stopped, 1 on an error.\n"
	"rund-vmm(8) describes the guest and the control socket.\n";

enum {
	OPT_NAME = 1,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_CMDLINE,
	OPT_MEM,
	OPT_CPUS,
	OPT_BLK,
	OPT_FS,
	OPT_VSOCK,
	OPT_CONSOLE,
	OPT_CONTROL,
	OPT_IRQCHIP,
	OPT_TEXT_LOG,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"name", required_argument, NULL, OPT_NAME},
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"cmdline", required_argument, NULL, OPT_CMDLINE},
	{"mem", required_argument, NULL, OPT_MEM},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"blk", required_argument, NULL, OPT_BLK},
	{"fs", required_argument, NULL, OPT_FS},
	{"vsock", required_argument, NULL, OPT_VSOCK},
	{"console", required_argument, NULL, OPT_CONSOLE},
	{"control", required_argument, NULL, OPT_CONTROL},
	{"irqchip", required_argument, NULL, OPT_IRQCHIP},
	{"text-log", required_argument, NULL, OPT_TEXT_LOG},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

/* Whether @text begins with "@key="; *@value then points behind it. */
static bool key(const char *text, const char *name, const char **value)
{
	size_t n = strlen(name);

	if (strncmp(text, name, n) || text[n] != '=')
		return false;
	*value = text + n + 1;
	return true;
}

static int parse_uint(const char *opt, const char *text, unsigned long max, unsigned long *v)
{
	char *end;

	errno = 0;
	*v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || *text == '+' || *v > max)
		return log_errno(-EINVAL, "%s: \"%s\" is not a number up to %lu", opt, text, max);
	return 0;
}

/* A descriptor that was inherited; nothing we exec or fork shall inherit it again. */
static int inherit_fd(const char *opt, const char *text)
{
	unsigned long v;
	int ret = parse_uint(opt, text, INT_MAX, &v);

	if (ret)
		return ret;
	if (fcntl(v, F_SETFD, FD_CLOEXEC))
		return log_errno(-EBADF, "%s: descriptor %lu is not open", opt, v);
	return v;
}

static int open_path(const char *opt, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);

	if (fd < 0)
		return log_errno(-errno, "%s %s: %s", opt, path, strerror(errno));
	return fd;
}

static int parse_blk(struct vm_config *cfg, char *arg)
{
	size_t n = strlen(arg);
	bool ro = n > 3 && !strcmp(arg + n - 3, ",ro");
	const char *v;
	int fd;

	if (cfg->nr_blk == VM_MAX_BLK)
		return log_errno(-E2BIG, "--blk: at most %d disks", VM_MAX_BLK);
	if (ro)
		arg[n - 3] = '\0';
	if (key(arg, "fd", &v))
		fd = inherit_fd("--blk", v);
	else if (key(arg, "path", &v))
		fd = open_path("--blk", v, ro ? O_RDONLY : O_RDWR);
	else
		return log_errno(-EINVAL, "--blk %s: give fd=N or path=P, then perhaps ,ro", arg);
	if (fd < 0)
		return fd;
	cfg->blk[cfg->nr_blk].fd = fd;
	cfg->blk[cfg->nr_blk++].readonly = ro;
	return 0;
}

static int parse_fs(struct vm_config *cfg, char *arg)
{
	char *rest = strchr(arg, ',');
	const char *tag, *v;
	int fd;

	if (cfg->nr_fs == VM_MAX_FS)
		return log_errno(-E2BIG, "--fs: at most %d shares", VM_MAX_FS);
	if (!rest || !key(arg, "tag", &tag))
		return log_errno(-EINVAL, "--fs %s: give tag=T,fd=N or tag=T,dir=P", arg);
	*rest++ = '\0';
	if (!*tag || strlen(tag) >= sizeof(cfg->fs[0].tag))
		return log_errno(-EINVAL, "--fs tag=%s: a tag has 1 to %zu bytes", tag,
				 sizeof(cfg->fs[0].tag) - 1);
	if (key(rest, "fd", &v))
		fd = inherit_fd("--fs", v);
	else if (key(rest, "dir", &v))
		fd = open_path("--fs", v, O_PATH | O_DIRECTORY);
	else
		return log_errno(-EINVAL, "--fs tag=%s,%s: give fd=N or dir=P", tag, rest);
	if (fd < 0)
		return fd;
	strcpy(cfg->fs[cfg->nr_fs].tag, tag);
	cfg->fs[cfg->nr_fs++].fd = fd;
	return 0;
}

static int parse_vsock(struct vm_config *cfg, char *arg)
{
	char *rest = strchr(arg, ',');
	unsigned long cid;
	const char *v;
	int ret;

	if (!rest || !key(arg, "cid", &v))
		return log_errno(-EINVAL, "--vsock %s: give cid=N,path=P", arg);
	*rest++ = '\0';
	/* 0 to 2 are reserved, and so is the last (virtio 1.2, 5.10.4). */
	ret = parse_uint("--vsock cid", v, UINT32_MAX - 1, &cid);
	if (ret)
		return ret;
	if (cid < 3)
		return log_errno(-EINVAL, "--vsock cid=%lu: guests have 3 or more", cid);
	if (!key(rest, "path", &cfg->vsock_path) || !*cfg->vsock_path)
		return log_errno(-EINVAL, "--vsock cid=%lu,%s: give path=P", cid, rest);
	cfg->vsock_cid = cid;
	return 0;
}

static int parse_output(const char *opt, const char *arg, int *fd)
{
	const char *v;

	if (key(arg, "fd", &v))
		*fd = inherit_fd(opt, v);
	else if (key(arg, "path", &v))
		*fd = open_path(opt, v, O_WRONLY | O_CREAT | O_APPEND);
	else
		return log_errno(-EINVAL, "%s %s: give fd=N or path=P", opt, arg);
	return *fd < 0 ? *fd : 0;
}

static int parse_control(struct opts *o, const char *arg)
{
	const char *v;

	if (key(arg, "fd", &v)) {
		o->cfg.control_fd = inherit_fd("--control", v);
	} else if (key(arg, "path", &v)) {
		o->cfg.control_fd = io_unix_listen(v, 4);
		if (o->cfg.control_fd < 0)
			return log_errno(o->cfg.control_fd, "--control %s: %s", v,
					 strerror(-o->cfg.control_fd));
		o->control_path = v;
	} else {
		return log_errno(-EINVAL, "--control %s: give fd=N or path=P", arg);
	}
	return o->cfg.control_fd < 0 ? o->cfg.control_fd : 0;
}

static int parse_mem(struct vm_config *cfg, const char *arg)
{
	int ret = io_parse_size(arg, &cfg->mem_size);

	if (ret)
		return log_errno(ret, "--mem %s: give a size such as 128M", arg);
	if (cfg->mem_size < MEM_MIN || cfg->mem_size % 4096)
		return log_errno(-EINVAL, "--mem %s: give a multiple of 4K, at least %lluM", arg,
				 MEM_MIN >> 20);
	return 0;
}

static int parse_cpus(struct vm_config *cfg, const char *arg)
{
	unsigned long n;
	int ret = parse_uint("--cpus", arg, VM_MAX_VCPUS, &n);

	if (!ret && !n)
		ret = log_errno(-EINVAL, "--cpus 0: a guest needs at least one");
	cfg->nr_vcpus = n;
	return ret;
}

static int parse_irqchip(struct vm_config *cfg, const char *arg)
{
	if (strcmp(arg, "split") && strcmp(arg, "kernel"))
		return log_errno(-EINVAL, "--irqchip %s: give split or kernel", arg);
	cfg->irqchip = *arg == 's' ? IRQCHIP_SPLIT : IRQCHIP_KERNEL;
	return 0;
}

static int parse_one(struct opts *o, int opt, char *arg)
{
	switch (opt) {
	case OPT_NAME:
		o->cfg.name = arg;
		return 0;
	case OPT_KERNEL:
		o->cfg.kernel = arg;
		return 0;
	case OPT_INITRD:
		o->cfg.initrd = arg;
		return 0;
	case OPT_CMDLINE:
		o->cfg.cmdline = arg;
		return 0;
	case OPT_MEM:
		return parse_mem(&o->cfg, arg);
	case OPT_CPUS:
		return parse_cpus(&o->cfg, arg);
	case OPT_BLK:
		return parse_blk(&o->cfg, arg);
	case OPT_FS:
		return parse_fs(&o->cfg, arg);
	case OPT_VSOCK:
		return parse_vsock(&o->cfg, arg);
	case OPT_CONSOLE:
		return parse_output("--console", arg, &o->cfg.console_fd);
	case OPT_CONTROL:
		return parse_control(o, arg);
	case OPT_IRQCHIP:
		return parse_irqchip(&o->cfg, arg);
	case OPT_TEXT_LOG:
		o->cfg.watch.mode = WATCH_LOG;
		return parse_output("--text-log", arg, &o->cfg.watch.fd);
	case OPT_HELP:
		return OPTS_HELP;
	case OPT_VERSION:
		return OPTS_VERSION;
	}
	return -EINVAL;
}

static int parse_all(int argc, char **argv, struct opts *o)
{
	int opt, ret;

	optind = 0; /* start over: tests parse more than once */
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return log_errno(-EINVAL, "%s: %s; see --help", argv[optind - 1],
					 opt == ':' ? "a value is missing" : "unknown option");
		ret = parse_one(o, opt, optarg);
		if (ret)
			return ret;
	}
	if (optind < argc)
		return log_errno(-EINVAL, "%s: not an option; see --help", argv[optind]);
	if (!o->cfg.kernel)
		return log_errno(-EINVAL, "--kernel is missing; see --help");
	return OPTS_RUN;
}

int opts_parse(int argc, char **argv, struct opts *o)
{
	int ret;

	memset(o, 0, sizeof(*o));
	o->cfg.name = "vm";
	o->cfg.mem_size = 128ULL << 20;
	o->cfg.nr_vcpus = 1;
	o->cfg.console_fd = -1;
	o->cfg.control_fd = -1;
	o->cfg.watch.fd = -1;
	ret = parse_all(argc, argv, o);
	if (ret < 0)
		opts_fini(o);
	return ret;
}

void opts_fini(struct opts *o)
{
	for (unsigned int i = 0; i < o->cfg.nr_blk; i++)
		close_fd(o->cfg.blk[i].fd);
	for (unsigned int i = 0; i < o->cfg.nr_fs; i++)
		close_fd(o->cfg.fs[i].fd);
	close_fd(o->cfg.console_fd);
	close_fd(o->cfg.control_fd);
	close_fd(o->cfg.watch.fd);
	if (o->control_path)
		unlink(o->control_path);
	o->control_path = NULL;
}
