// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio-fs (virtio 1.2, section 5.11): the queues and the thread of a shared
 * directory.  Each device serves its requests on a thread of its own, so that a
 * slow read holds up nobody else.  No notification queue is offered: the layer
 * does not change while it is shared.
 */
#include "vmm/virtio/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/dev.h"
#include "vmm/mem.h"
#include "vmm/vm.h"

enum { QUEUE_HIPRIO, QUEUE_REQUEST, NR_QUEUES };

/* Bounds one READ: 128 descriptors less 4 are 496 KiB. */
#define QUEUE_SIZE 128
/* Address space kept free for one device's DAX window. */
#define DAX_RANGE (64ULL << 30)
/* The deepest use is the recursion of VFS_MAX_DEPTH levels. */
#define STACK_SIZE (1 << 20)

struct vfs_devs {
	struct vfs *fs[VM_MAX_FS];
	unsigned int nr;
};

static void kick(struct virtio_dev *vd, unsigned int q)
{
	struct vfs *fs = vd->priv;
	struct vq *vq = &vd->vq[q];
	int ret;

	do {
		vq_disable_notify(vq);
		while ((ret = vq_pop(vq, &fs->chain)) == 1) {
			uint32_t len = vfs_serve(fs, &fs->chain);

			vq_push(vq, fs->chain.head, len);
			/* At once: somebody waits for exactly this. */
			virtio_signal(vd, vq);
		}
		if (ret < 0) {
			virtio_needs_reset(vd, "virtio-fs: bad descriptor chain");
			return;
		}
	} while (vq_enable_notify(vq));
}

/*
 * Nothing is dropped here, on a vCPU's thread: a new driver starts with
 * FUSE_INIT, which clears the inode table on the device's own thread.
 */
const struct virtio_ops vfs_virtio_ops = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.nr_queues = NR_QUEUES,
	.queue_size = QUEUE_SIZE,
	.kick = kick,
};

int vfs_init(struct vfs *fs, const char *tag, int dirfd)
{
	int ret;

	memset(fs, 0, sizeof(*fs));
	fs->procfd = -1;
	/* The tag is padded with NULs, and ends without one when it fills the field (5.11.4). */
	memcpy(fs->config.tag, tag, strnlen(tag, sizeof(fs->config.tag)));
	fs->config.num_request_queues = 1;

	ret = vfs_inodes_init(fs, dirfd);
	if (ret) {
		log_err("virtio-fs %.36s: cannot share the directory: %s", tag, strerror(-ret));
		close_fd(dirfd);
		goto err;
	}
	fs->procfd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	fs->buf = malloc(VFS_BUF_SIZE);
	if (fs->procfd < 0 || !fs->buf) {
		ret = fs->buf ? -errno : -ENOMEM;
		log_err("virtio-fs %.36s: /proc/self/fd: %s; mount /proc", tag, strerror(-ret));
		goto err;
	}
	return 0;
err:
	vfs_fini(fs);
	return ret;
}

void vfs_fini(struct vfs *fs)
{
	vfs_inodes_fini(fs);
	close_fd(fs->procfd);
	free(fs->buf);
	fs->procfd = -1;
	fs->buf = NULL;
}

static void *serve(void *data)
{
	struct vfs *fs = data;
	char name[16];
	int ret;

	snprintf(name, sizeof(name), "fs:%.12s", fs->config.tag);
	pthread_setname_np(pthread_self(), name);
	ret = loop_run(&fs->loop);
	if (ret)
		log_err("virtio-fs %.36s: event loop: %s", fs->config.tag, strerror(-ret));
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct vfs *fs)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	ret = -pthread_attr_init(&attr);
	if (ret)
		return ret;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&fs->thread, &attr, serve, fs);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret)
		log_err("virtio-fs %.36s: cannot start a thread: %s; raise pids.max",
			fs->config.tag, strerror(-ret));
	return ret;
}

static int start(struct vfs *fs, struct vm *vm, unsigned int n)
{
	int ret;

	ret = loop_init(&fs->loop);
	if (ret) {
		log_err("virtio-fs %.36s: event loop: %s", fs->config.tag, strerror(-ret));
		return ret;
	}
	fs->vd.ops = &vfs_virtio_ops;
	fs->vd.vm = vm;
	fs->vd.loop = &fs->loop;
	fs->vd.config = &fs->config;
	/* notify_buf_size exists with VIRTIO_FS_F_NOTIFICATION only. */
	fs->vd.config_len = offsetof(__typeof__(fs->config), notify_buf_size);
	fs->vd.shm_gpa = MEM_DAX_BASE + n * DAX_RANGE;
	fs->vd.priv = fs;
	ret = virtio_register(&fs->vd);
	if (ret)
		goto err_loop;
	ret = start_thread(fs);
	if (ret)
		goto err_register;
	return 0;

err_register:
	virtio_unregister(&fs->vd);
err_loop:
	loop_fini(&fs->loop);
	return ret;
}

static void stop(struct vfs *fs)
{
	loop_stop(&fs->loop);
	pthread_join(fs->thread, NULL);
	virtio_unregister(&fs->vd);
	loop_fini(&fs->loop);
	vfs_fini(fs);
	free(fs);
}

/*
 * A descriptor of our own for the shared directory: the root of a detached,
 * read-only copy of its mounts, so that there is nothing above it, nothing in
 * it can be written or run on the host, and reading leaves no access times.
 * Without the privilege for that, the directory itself; the server is read-only
 * and confined in any case.
 */
static int open_layer(int fd)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			    MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR__ATIME,
		.propagation = MS_PRIVATE,
	};
	__cleanup_fd int tree = open_tree(
		fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

	if (tree >= 0 &&
	    !mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)))
		return take_fd(&tree);
	fd = openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int attach_one(struct vm *vm, struct vfs_devs *devs, unsigned int n)
{
	struct vfs *fs = malloc(sizeof(*fs));
	int dirfd, ret;

	if (!fs)
		return log_errno(-ENOMEM, "virtio-fs %.36s: no memory", vm->cfg.fs[n].tag);
	dirfd = open_layer(vm->cfg.fs[n].fd);
	if (dirfd < 0) {
		ret = log_errno(dirfd, "virtio-fs %.36s: not a directory: %s; give fd= or dir= one",
				vm->cfg.fs[n].tag, strerror(-dirfd));
		goto err;
	}
	ret = vfs_init(fs, vm->cfg.fs[n].tag, dirfd);
	if (ret)
		goto err;
	ret = start(fs, vm, n);
	if (ret) {
		vfs_fini(fs);
		goto err;
	}
	devs->fs[devs->nr++] = fs;
	return 0;
err:
	free(fs);
	return ret;
}

/* Descriptors of inodes count against RLIMIT_NOFILE; take what is allowed. */
static void raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) || rl.rlim_cur >= rl.rlim_max)
		return;
	rl.rlim_cur = rl.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &rl))
		log_warn("virtio-fs: cannot raise RLIMIT_NOFILE: %m");
}

static void vfs_detach(struct vm *vm, void *priv)
{
	struct vfs_devs *devs = priv;

	while (devs && devs->nr)
		stop(devs->fs[--devs->nr]);
	free(devs);
}

static int vfs_attach(struct vm *vm, void **priv)
{
	struct vfs_devs *devs;
	int ret;

	*priv = NULL;
	if (!vm->cfg.nr_fs)
		return 0;
	devs = calloc(1, sizeof(*devs));
	if (!devs)
		return log_errno(-ENOMEM, "virtio-fs: no memory");
	raise_nofile();
	for (unsigned int n = 0; n < vm->cfg.nr_fs; n++) {
		ret = attach_one(vm, devs, n);
		if (ret) {
			vfs_detach(vm, devs);
			return ret;
		}
	}
	*priv = devs;
	return 0;
}

const struct dev_ops vfs_ops = {
	.name = "fs",
	.attach = vfs_attach,
	.detach = vfs_detach,
};
