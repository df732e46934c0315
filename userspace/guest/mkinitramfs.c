// SPDX-License-Identifier: GPL-2.0-only
/*
 * mkinitramfs OUT INIT: the guest's initramfs, which holds rund-init, a console
 * for its first words, and the directories that it mounts on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cpio.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

#define MAX_INIT (16U << 20)

static const char *const dirs[] = {"dev", "lower", "upper", "root"};

static int write_archive(FILE *f, const char *init, size_t len)
{
	struct cpio c = {.f = f};
	struct cpio_entry e = {.mode = S_IFDIR | 0755};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		e.name = dirs[i];
		ret = cpio_add(&c, &e);
	}
	/* The kernel opens it before anything could have mounted devtmpfs. */
	e = (struct cpio_entry){
		.name = "dev/console", .mode = S_IFCHR | 0600, .major = 5, .minor = 1};
	if (!ret)
		ret = cpio_add(&c, &e);
	e = (struct cpio_entry){.name = "init", .mode = S_IFREG | 0755, .data = init, .len = len};
	if (!ret)
		ret = cpio_add(&c, &e);
	return ret ? ret : cpio_end(&c);
}

int main(int argc, char **argv)
{
	__cleanup_free char *init = NULL;
	__cleanup_file FILE *f = NULL;
	ssize_t len;
	int ret;

	log_init("mkinitramfs", LOG_LEVEL_INFO);
	if (argc != 3) {
		log_err("usage: mkinitramfs OUT INIT");
		return 1;
	}
	len = io_read_file(AT_FDCWD, argv[2], MAX_INIT, &init);
	if (len < 0) {
		log_err("%s: %s", argv[2], strerror(-len));
		return 1;
	}
	f = fopen(argv[1], "we");
	ret = f ? write_archive(f, init, len) : -errno;
	if (ret)
		log_err("%s: %s", argv[1], strerror(-ret));
	return !!ret;
}
