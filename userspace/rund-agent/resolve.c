// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding the files a launch needs: an option wins over an environment variable,
 * that over the place relative to the running program, so that a build tree and
 * an installation work alike.
 */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

/* Where the parts lie relative to the directory of the program. */
static const char *const vmm_places[] = {"rund-vmm", "../libexec/rund/rund-vmm", NULL};
/* One that rund-prepatch made for this host comes before the one it is made from. */
static const char *const kernel_places[] = {"../lib/rund/vmlinux.prepatched", "../lib/rund/vmlinux",
					    NULL};
static const char *const initrd_places[] = {"../lib/rund/initramfs.cpio", NULL};

static int self_dir(char *dir, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", dir, len - 1);

	if (n < 0)
		return log_errno(-errno, "/proc/self/exe: %m; mount /proc");
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0';
	return 0;
}

/* A path that can be opened later from another directory. */
static int absolute(char **path)
{
	char *real = realpath(*path, NULL);

	if (!real)
		return -errno;
	free(*path);
	*path = real;
	return 0;
}

/* The path a file should have, whether or not it is there. */
static int locate(char **path, const char *env, const char *const *places, int mode)
{
	const char *from_env = getenv(env);
	char dir[PATH_MAX];

	if (*path)
		return 0;
	if (from_env && *from_env) {
		*path = strdup(from_env);
		return *path ? 0 : log_errno(-ENOMEM, "out of memory");
	}
	if (self_dir(dir, sizeof(dir)))
		return -ENOENT;
	for (; *places; places++) {
		free(*path);
		if (asprintf(path, "%s/%s", dir, *places) < 0) {
			*path = NULL;
			return log_errno(-ENOMEM, "out of memory");
		}
		if (!access(*path, mode))
			break;
	}
	return 0;
}

static int find_file(char **path, const char *what, const char *opt, const char *env,
		     const char *const *places, int mode)
{
	int ret = locate(path, env, places, mode);

	if (ret)
		return ret;
	ret = absolute(path);
	if (!ret && access(*path, mode))
		ret = -errno;
	if (ret)
		log_err("%s %s: %s; build or install it, or name another with --%s", what, *path,
			strerror(-ret), opt);
	return ret;
}

static int find_rootfs(struct ra_opts *o)
{
	const char *env = getenv("RUND_ROOTFS");
	struct stat st;

	if (!o->rootfs && env && *env)
		o->rootfs = strdup(env);
	if (!o->rootfs)
		return log_errno(-EINVAL, "no root file system; name a directory with --rootfs");
	if (stat(o->rootfs, &st))
		return log_errno(-errno, "--rootfs %s: %m; name the directory of an unpacked image",
				 o->rootfs);
	if (!S_ISDIR(st.st_mode))
		return log_errno(-ENOTDIR,
				 "--rootfs %s: not a directory; unpack the image and name "
				 "the directory",
				 o->rootfs);
	if (absolute(&o->rootfs))
		return log_errno(-errno, "--rootfs %s: %m", o->rootfs);
	return 0;
}

/* The store may not exist yet: upper.c makes it, so only its parent must. */
static int find_store(struct ra_opts *o)
{
	const char *env = getenv("RUND_STORE");
	__cleanup_free char *cwd = NULL;
	char *joined;

	if (!o->store)
		o->store = strdup(env && *env ? env : RA_STORE_DEFAULT);
	if (!o->store)
		return log_errno(-ENOMEM, "out of memory");
	if (o->store[0] == '/')
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&joined, "%s/%s", cwd, o->store) < 0)
		return log_errno(-ENOMEM,
				 "--store %s: the current directory is unknown; use an "
				 "absolute path",
				 o->store);
	free(o->store);
	o->store = joined;
	return 0;
}

#define PREPATCHED ".prepatched"

/*
 * An image lies beside the kernel that it was made from.  If that has changed
 * since, it is the one to use: slower, but what was installed.
 */
static int pass_over_stale(char **kernel)
{
	size_t len = strlen(*kernel) - strlen(PREPATCHED);
	__cleanup_free char *plain = NULL;
	struct stat image, from;

	if (strlen(*kernel) < strlen(PREPATCHED) || strcmp(*kernel + len, PREPATCHED))
		return 0;
	plain = strndup(*kernel, len);
	if (!plain)
		return log_errno(-ENOMEM, "out of memory");
	if (stat(*kernel, &image) || stat(plain, &from) || access(plain, R_OK) ||
	    image.st_mtime >= from.st_mtime)
		return 0;
	log_warn("guest kernel %s: older than %s, which is used instead; make it again with "
		 "rund-prepatch build",
		 *kernel, plain);
	free(*kernel);
	*kernel = take_ptr(plain);
	return 0;
}

static int find_kernel(struct ra_opts *o)
{
	const char *env = getenv("RUND_KERNEL");
	bool named = o->kernel || (env && *env);
	int ret =
		find_file(&o->kernel, "guest kernel", "kernel", "RUND_KERNEL", kernel_places, R_OK);

	return ret || named ? ret : pass_over_stale(&o->kernel);
}

int ra_opts_resolve(struct ra_opts *o)
{
	int ret;

	ret = find_rootfs(o);
	if (!ret)
		ret = find_store(o);
	if (!ret)
		ret = find_file(&o->vmm, "VMM", "vmm", "RUND_VMM", vmm_places, X_OK);
	if (!ret)
		ret = find_kernel(o);
	if (!ret)
		ret = find_file(&o->initrd, "guest initramfs", "initrd", "RUND_INITRD",
				initrd_places, R_OK);
	return ret;
}

void ra_opts_find(struct ra_opts *o)
{
	find_store(o);
	locate(&o->vmm, "RUND_VMM", vmm_places, X_OK);
	locate(&o->kernel, "RUND_KERNEL", kernel_places, R_OK);
	locate(&o->initrd, "RUND_INITRD", initrd_places, R_OK);
}
