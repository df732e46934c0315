// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-prepatch build`: boot a kernel to its freeze point, and write the image
 * that it would have been had it been linked so.  The old image stays until the
 * new one is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build.h"
#include "cmd.h"
#include "info.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "machine.h"

#define PAGE 4096U

struct options {
	struct pp_machine_opts machine;
	const char *out;
};

enum option_id { OPT_VMLINUX = 1, OPT_CPU, OPT_CMDLINE, OPT_TIMEOUT };

static const struct option long_options[] = {
	{"vmlinux", required_argument, NULL, OPT_VMLINUX},
	{"output", required_argument, NULL, 'o'},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"cmdline", required_argument, NULL, OPT_CMDLINE},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"help", no_argument, NULL, PP_OPT_HELP},
	{},
};

static int parse_one(struct options *o, int opt)
{
	switch (opt) {
	case OPT_VMLINUX:
		o->machine.kernel = optarg;
		return 0;
	case 'o':
		o->out = optarg;
		return 0;
	case OPT_CMDLINE:
		o->machine.cmdline = optarg;
		return 0;
	case OPT_TIMEOUT:
		return pp_parse_seconds(optarg, &o->machine.seconds);
	case OPT_CPU:
		if (!strcmp(optarg, "host"))
			return 0;
		return log_errno(-EINVAL,
				 "--cpu %s: only host, the CPU of this machine; build on a machine "
				 "that has the other",
				 optarg);
	}
	return -EINVAL;
}

/* All but what is zero: padding takes no room. */
static int write_sparse(const struct pp_build *b, int fd)
{
	static const uint8_t zero[PAGE];
	size_t size = b->v->file_size;

	if (ftruncate(fd, size))
		return -errno;
	for (size_t off = 0; off < size; off += PAGE) {
		size_t len = size - off < PAGE ? size - off : PAGE;
		int ret = 0;

		if (!memcmp(b->file + off, zero, len))
			continue;
		if (lseek(fd, off, SEEK_SET) < 0)
			return -errno;
		ret = io_write_full(fd, b->file + off, len);
		if (ret)
			return ret;
	}
	return 0;
}

static int write_manifest(const struct pp_build *b, int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), ret;
	FILE *out = own < 0 ? NULL : fdopen(own, "w");

	if (!out) {
		ret = -errno;
		if (own >= 0)
			close(own);
		return ret;
	}
	ret = pp_info_json(&b->note, out);
	return ferror(out) | fclose(out) ? -EIO : ret;
}

/* A file at @path that is whole, or the one that was there. */
static int publish(const struct pp_build *b, const char *what, const char *path,
		   int (*write)(const struct pp_build *b, int fd))
{
	__cleanup_fd int fd = -1;
	char tmp[PATH_MAX];
	int ret;

	if (snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path) >= sizeof(tmp))
		return log_errno(-ENAMETOOLONG, "%s %s: the name is too long", what, path);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return log_errno(-errno, "%s %s: %m", what, path);
	ret = write(b, fd);
	if (!ret && (fsync(fd) || fchmod(fd, 0644) || rename(tmp, path)))
		ret = -errno;
	if (ret) {
		log_err("%s %s: %s", what, path, strerror(-ret));
		unlink(tmp);
	}
	return ret;
}

static int write_files(const struct pp_build *b, const char *image)
{
	char manifest[PATH_MAX];
	int ret;

	if (snprintf(manifest, sizeof(manifest), "%s.json", image) >= sizeof(manifest))
		return log_errno(-ENAMETOOLONG, "manifest of %s: the name is too long", image);
	ret = publish(b, "image", image, write_sparse);
	return ret ? ret : publish(b, "manifest", manifest, write_manifest);
}

static int make(struct pp_build *b, const struct options *o)
{
	int ret = pp_build_text(b);

	if (!ret)
		ret = pp_build_cpu(b);
	if (!ret)
		ret = pp_build_note(b);
	if (!ret)
		ret = write_files(b, o->out);
	if (!ret)
		printf("%s: %u of %u pages and %llu bytes of %s are final now\n", o->out,
		       b->note.pages_changed, b->note.pages,
		       (unsigned long long)b->note.bytes_changed, o->machine.kernel);
	return ret;
}

static int build(const struct options *o)
{
	struct vm_config cfg = {.freeze = FREEZE_STOP};
	struct frozen_text_info info;
	__cleanup_free uint8_t *file = NULL;
	struct pp_image v = {0};
	struct pp_build b = {.v = &v, .info = &info};
	static struct vm vm;
	int ret = pp_image_open(&v, o->machine.kernel);

	if (!ret)
		ret = pp_machine_run(&vm, &o->machine, &cfg);
	if (ret)
		goto close;
	b.vm = &vm;
	b.file = file = malloc(v.file_size);
	if (vm.prepatch)
		ret = log_errno(-EINVAL,
				"kernel %s: already pre-patched; give the one it is made from",
				o->machine.kernel);
	else if (!file)
		ret = log_errno(-ENOMEM, "kernel %s: out of memory", o->machine.kernel);
	else
		ret = pp_machine_info(&vm, &info);
	if (!ret) {
		memcpy(file, v.file, v.file_size);
		ret = make(&b, o);
	}
	pp_machine_end(&vm);
close:
	pp_image_close(&v);
	return ret ? PP_EXIT_FAILURE : 0;
}

static int run(int argc, char **argv)
{
	struct options o = {.machine = PP_MACHINE_DEFAULTS};
	int opt;

	while ((opt = pp_cmd_getopt(&pp_cmd_build, argc, argv, long_options)) != -1) {
		if (opt == PP_OPT_HELP)
			return 0;
		if (opt == '?' || parse_one(&o, opt))
			return PP_EXIT_USAGE;
	}
	if (argc != optind || !o.machine.kernel || !o.out) {
		log_err("usage: rund-prepatch build %s", pp_cmd_build.args);
		return PP_EXIT_USAGE;
	}
	return build(&o);
}

const struct pp_cmd pp_cmd_build = {
	.name = "build",
	.args = "--vmlinux VMLINUX -o IMAGE [--cpu host] [--cmdline TEXT] [--timeout S]",
	.summary = "Make an image whose text is final for this machine's CPU",
	.help = "Boots VMLINUX, which needs CONFIG_FROZEN_TEXT, in a microVM up to its freeze\n"
		"point and writes IMAGE, an ELF vmlinux that has nothing left to rewrite, and\n"
		"IMAGE.json, its manifest.\n\n"
		"  --cpu host      the CPU it is for; there is no other choice\n"
		"  --cmdline TEXT  kernel parameters that the guests will have too\n"
		"  --timeout S     give up after S seconds (300)\n"
		"  --help\n",
	.shorts = ":ho:",
	.run = run,
};
