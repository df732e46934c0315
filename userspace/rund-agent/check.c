// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent check`: what this host offers, found out by using it, and what to
 * do about what is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/lwcg.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cgparent.h"
#include "cmd.h"
#include "json.h"
#include "kvmprobe.h"
#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "options.h"
#include "sweep.h"
#include "upper.h"

enum verdict { GOOD, WORSE, BAD };

/* What one check found; the texts are for people and for --json alike. */
struct finding {
	const char *name;
	enum verdict verdict;
	char text[512];
	char remedy[256];
	int native; /* of KVM: whether guest kernels run on the processor; -1 of others */
};

static void say(char *buf, size_t len, const char *fmt, va_list ap)
{
	vsnprintf(buf, len, fmt, ap);
}

static void __attribute__((format(printf, 3, 4)))
found(struct finding *f, enum verdict v, const char *fmt, ...)
{
	va_list ap;

	f->verdict = v;
	va_start(ap, fmt);
	say(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 3))) remedy(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(f->remedy, sizeof(f->remedy), fmt, ap);
	va_end(ap);
}

static void check_kernel(struct finding *f, const struct ra_opts *o)
{
	struct utsname u;
	int major = 0, minor = 0;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	/* cgroup.kill is the newest of what the agent relies on. */
	if (major > 5 || (major == 5 && minor >= 14)) {
		found(f, GOOD, "Linux %s", u.release);
		return;
	}
	found(f, BAD, "Linux %s", u.release);
	remedy(f, "boot Linux 5.14 or later");
}

static void check_kvm(struct finding *f, const struct ra_opts *o)
{
	const char *what;
	double ns = 0;
	int ret = ra_kvm_probe(&ns, &what);

	f->native = !ret && ns <= RA_KVM_NATIVE_NS;
	if (ret) {
		found(f, BAD, "/dev/kvm: cannot %s: %s", what, strerror(-ret));
		remedy(f, ret == -ENOENT ? "modprobe kvm_amd or kvm_intel; enable virtualization "
					   "in the firmware or in the outer hypervisor"
					 : "run as root; see the kernel log");
	} else if (ns > RA_KVM_NATIVE_NS) {
		found(f, BAD, "/dev/kvm emulates guest kernels, %.0f ns an instruction", ns);
		remedy(f, "use a host with hardware virtualization, or the lab "
			  "(tools/lab/rund-lab)");
	} else {
		found(f, GOOD, "/dev/kvm runs guest kernels, %.2f ns an instruction", ns);
	}
}

static void check_cgroup(struct finding *f, const struct ra_opts *o)
{
	__cleanup_fd int root = -1;
	__cleanup_free char *have = NULL;
	char mount[PATH_MAX], want[] = RA_CONTROLLERS_NEEDED, *save = NULL;

	if (cg2_mount(mount, sizeof(mount))) {
		found(f, BAD, "cgroup v2 is not mounted");
		remedy(f, "mount -t cgroup2 none /sys/fs/cgroup");
		return;
	}
	root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || io_read_file(root, "cgroup.controllers", 4096, &have) < 0) {
		found(f, BAD, "%s: %s", mount, strerror(errno));
		remedy(f, "run as root");
		return;
	}
	have[strcspn(have, "\n")] = '\0';
	found(f, GOOD, "cgroup v2 at %s: %s", mount, *have ? have : "no controllers");
	for (char *w = strtok_r(want, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (cg2_has_word(have, w))
			continue;
		f->verdict = WORSE;
		remedy(f, "boot with cgroup_no_v1=all: without %s sandboxes are not limited", w);
	}
}

static void check_lwcg(struct finding *f, const struct ra_opts *o)
{
	__cleanup_fd int fd = open(LWCG_DEVICE, O_RDWR | O_CLOEXEC);
	struct lwcg_info info = {.size = sizeof(info)};

	if (fd < 0) {
		found(f, WORSE, "%s: %s; launch makes ordinary cgroups", LWCG_DEVICE,
		      strerror(errno));
		remedy(f, "insmod lwcg.ko, on a kernel with CONFIG_CGROUP_POOL");
	} else if (ioctl(fd, LWCG_INFO, &info) || info.abi != LWCG_ABI_VERSION) {
		found(f, BAD, "%s: ABI version %u, this agent knows %u", LWCG_DEVICE, info.abi,
		      LWCG_ABI_VERSION);
		remedy(f, "rmmod lwcg and insmod the lwcg.ko of this version");
	} else {
		found(f, GOOD, "lwcg.ko is loaded, ABI version %u", info.abi);
	}
}

static const char *fs_name(const char *path)
{
	struct statfs s;

	if (statfs(path, &s))
		return "unknown file system";
	switch ((unsigned long)s.f_type) {
	case XFS_SUPER_MAGIC:
		return "XFS";
	case BTRFS_SUPER_MAGIC:
		return "btrfs";
	case EXT4_SUPER_MAGIC:
		return "ext4";
	case TMPFS_MAGIC:
		return "tmpfs";
	case OVERLAYFS_SUPER_MAGIC:
		return "overlayfs";
	default:
		return "a file system";
	}
}

static void check_store(struct finding *f, const struct ra_opts *o)
{
	int ret = ra_upper_probe(o->store);

	if (!ret) {
		found(f, GOOD, "%s is on %s and reflinks", o->store, fs_name(o->store));
	} else if (ret == -EOPNOTSUPP) {
		found(f, BAD, "%s is on %s, which cannot reflink", o->store, fs_name(o->store));
		remedy(f, "mkfs.xfs -m reflink=1 a disk and mount it there, or launch with "
			  "--allow-copy");
	} else {
		found(f, BAD, "%s: %s", o->store, strerror(-ret));
		remedy(f, ret == -ENOENT ? "mkdir it, on XFS with reflink; or use --store"
					 : "free some space, or use --store");
	}
}

static void check_file(struct finding *f, const char *path, int mode, const char *how)
{
	if (path && !access(path, mode)) {
		found(f, GOOD, "%s", path);
	} else {
		found(f, BAD, "%s: %s", path ? path : "not found", strerror(errno));
		remedy(f, "%s", how);
	}
}

static void check_vmm(struct finding *f, const struct ra_opts *o)
{
	check_file(f, o->vmm, X_OK, "make all, or name it in $RUND_VMM");
}

static void check_guest_kernel(struct finding *f, const struct ra_opts *o)
{
	check_file(f, o->kernel, R_OK, "make kernels, or name it in $RUND_KERNEL");
}

static void check_initramfs(struct finding *f, const struct ra_opts *o)
{
	check_file(f, o->initrd, R_OK, "make all, or name it in $RUND_INITRD");
}

static void check_mkfs(struct finding *f, const struct ra_opts *o)
{
	const char *path = ra_mkfs_path();

	if (path) {
		found(f, GOOD, "%s", path);
		return;
	}
	found(f, BAD, "mkfs.ext4: not found");
	remedy(f, "apt-get install e2fsprogs");
}

static const struct {
	const char *name;
	void (*check)(struct finding *f, const struct ra_opts *o);
} checks[] = {
	{"kernel", check_kernel},
	{"kvm", check_kvm},
	{"cgroup", check_cgroup},
	{"lwcg", check_lwcg},
	{"store", check_store},
	{"mkfs", check_mkfs},
	{"vmm", check_vmm},
	{"guest kernel", check_guest_kernel},
	{"initramfs", check_initramfs},
};

static const char *const verdicts[] = {[GOOD] = "ok", [WORSE] = "note", [BAD] = "MISSING"};

static void print_text(const struct finding *f)
{
	printf("%-13s %-8s %s\n", f->name, verdicts[f->verdict], f->text);
	if (*f->remedy)
		printf("%-13s %-8s -> %s\n", "", "", f->remedy);
}

static void add_json(struct json_object *list, const struct finding *f)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(f->name));
	json_object_object_add(o, "ok", json_object_new_boolean(f->verdict != BAD));
	json_object_object_add(o, "verdict", json_object_new_string(verdicts[f->verdict]));
	json_object_object_add(o, "found", json_object_new_string(f->text));
	json_object_object_add(o, "remedy", json_object_new_string(f->remedy));
	if (f->native >= 0)
		json_object_object_add(o, "native", json_object_new_boolean(f->native));
	json_object_array_add(list, o);
}

static int check_all(const struct ra_opts *o, bool json)
{
	struct json_object *list = json_object_new_array();
	__cleanup_free char *line = NULL;
	bool bad = false;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct finding f = {.name = checks[i].name, .native = -1};

		checks[i].check(&f, o);
		bad |= f.verdict == BAD;
		if (json)
			add_json(list, &f);
		else
			print_text(&f);
	}
	line = ra_json_line(list);
	if (json)
		fputs(line ? line : "", stdout);
	else
		printf("%s\n", bad ? "launch would not work here" : "launch works here");
	return bad;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"store", required_argument, NULL, 'S'},
		{"help", no_argument, NULL, RA_OPT_HELP},
		{},
	};
	struct ra_opts o = {};
	bool json = false;
	int opt, ret;

	while ((opt = ra_cmd_getopt(&ra_cmd_check, argc, argv, "+:", options)) != -1) {
		if (opt == RA_OPT_HELP)
			return 0;
		if (opt == '?')
			return RA_EXIT_FAILURE;
		if (opt == 'j')
			json = true;
		else
			o.store = strdup(optarg);
	}
	ra_sweep();
	ra_opts_find(&o);
	ret = check_all(&o, json);
	ra_opts_free(&o);
	return ret;
}

const struct ra_cmd ra_cmd_check = {
	.name = "check",
	.args = "[--json] [--store DIR]",
	.summary = "Say what this host offers, and what to do about what is missing",
	.help = "  --json       one array of objects\n"
		"  --store DIR  the store to look at (/var/lib/rund)\n"
		"\n"
		"The exit status is 0 when launch would work, 1 when it would not.\n",
	.run = run,
};
