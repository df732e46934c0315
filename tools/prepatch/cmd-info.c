// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-prepatch info`: the manifest of a pre-patched image, once it is known to
 * be whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>

#include "cmd.h"
#include "info.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/kernel.h"
#include "vmm/mem.h"

/* More than any kernel takes; pages that are not used cost nothing. */
#define ROOM (1ULL << 30)

static const struct option long_options[] = {
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, PP_OPT_HELP},
	{},
};

/* Loads it as the VMM does, so that both refuse the same. */
static int load(const char *path, struct kernel_image *img)
{
	__cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct mem mem;
	int ret;

	img->prepatch = NULL;
	if (fd < 0)
		return log_errno(-errno, "kernel %s: %m", path);
	ret = mem_init(&mem, ROOM);
	if (ret)
		return log_errno(ret, "kernel %s: no address space to load it", path);
	ret = kernel_load(&mem, fd, path, ROOM, img);
	mem_fini(&mem);
	if (!ret && !img->prepatch)
		ret = log_errno(-ENOEXEC,
				"kernel %s: not pre-patched; make an image of it with "
				"rund-prepatch build",
				path);
	return ret;
}

static int run(int argc, char **argv)
{
	struct kernel_image img;
	bool json = false;
	int opt, ret;

	while ((opt = pp_cmd_getopt(&pp_cmd_info, argc, argv, long_options)) != -1) {
		if (opt == PP_OPT_HELP)
			return 0;
		if (opt == '?')
			return PP_EXIT_USAGE;
		json = true;
	}
	if (argc - optind != 1) {
		log_err("usage: rund-prepatch info %s", pp_cmd_info.args);
		return PP_EXIT_USAGE;
	}
	ret = load(argv[optind], &img);
	if (!ret && json)
		ret = pp_info_json(img.prepatch, stdout);
	else if (!ret)
		pp_info_text(img.prepatch, stdout);
	free(img.prepatch);
	return ret ? PP_EXIT_FAILURE : 0;
}

const struct pp_cmd pp_cmd_info = {
	.name = "info",
	.args = "[--json] PREPATCHED",
	.summary = "Print what an image was made from, and for which CPU",
	.help = "Checks that the image is whole first.\n\n"
		"  --json  JSON on standard output\n"
		"  --help\n",
	.run = run,
};
