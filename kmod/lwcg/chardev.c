// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lwcg.  Every argument is copied once, checked as include/uapi/linux/lwcg.h
 * demands, and only then given to the parts that do the work.
 */
#include "lwcg_internal.h"

#include <linux/capability.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

/* What any ioctl passes; each begins with a struct head. */
struct head {
	__u32 size;
	__u32 flags;
};

union args {
	struct head head;
	struct lwcg_pool pool;
	struct lwcg_acquire acquire;
	struct lwcg_release release;
	struct lwcg_info info;
	struct lwcg_drain drain;
};

/* User space and kernel may know different lengths; see "Arguments" in lwcg.h. */
static int args_get(union args *args, size_t ksize, size_t min_size, const void __user *from)
{
	u32 usize;
	int ret;

	if (get_user(usize, (const u32 __user *)from))
		return -EFAULT;
	if (usize < min_size)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;

	ret = copy_struct_from_user(args, ksize, from, usize);
	if (ret)
		return ret;

	/* the second read may have found another size */
	args->head.size = usize;
	return args->head.flags ? -EINVAL : 0;
}

static int args_put(const union args *args, size_t ksize, void __user *to)
{
	return copy_to_user(to, args, min_t(size_t, args->head.size, ksize)) ? -EFAULT : 0;
}

static int ioctl_pool(struct client *client, union args *args, void __user *user)
{
	if (args->pool.reserved)
		return -EINVAL;

	return lwcg_pool_bind(client, &args->pool);
}

/* Lease a slot, or undo it all. */
static int acquire(struct client *client, union args *args, void __user *user, int fd)
{
	struct pool *pool = lwcg_client_pool(client);
	struct lwcg_acquire *arg = &args->acquire;
	struct slot *slot;
	struct file *dir;
	int ret;

	slot = lwcg_pool_pop(pool);
	if (IS_ERR(slot)) {
		lwcg_pool_refill(pool);
		return PTR_ERR(slot);
	}

	arg->slot_id = slot->id;
	arg->cgroup_id = cgroup_id(slot->member.cgrp);
	arg->dir_fd = fd;
	dir = lwcg_slot_lease(slot, arg);
	if (IS_ERR(dir))
		return PTR_ERR(dir);

	/* from here on another thread may end the lease: no use of @slot */
	lwcg_client_add(client, slot);
	ret = args_put(args, sizeof(*arg), user);
	if (ret) {
		lwcg_client_end_lease(client, arg->slot_id);
		fput(dir);
		return ret;
	}

	fd_install(fd, dir);
	return 0;
}

static int ioctl_acquire(struct client *client, union args *args, void __user *user)
{
	int fd, ret;

	if (args->acquire.reserved)
		return -EINVAL;
	ret = lwcg_name_check(args->acquire.name, sizeof(args->acquire.name));
	if (ret)
		return ret;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	ret = acquire(client, args, user, fd);
	if (ret)
		put_unused_fd(fd);
	return ret;
}

static int ioctl_release(struct client *client, union args *args, void __user *user)
{
	return lwcg_client_end_lease(client, args->release.slot_id);
}

static int ioctl_info(struct client *client, union args *args, void __user *user)
{
	struct pool *pool = lwcg_client_pool(client);
	struct lwcg_info *info = &args->info;

	if (info->reserved)
		return -EINVAL;

	*info = (struct lwcg_info){.size = info->size, .abi = LWCG_ABI_VERSION};
	if (pool)
		lwcg_pool_info(pool, info);
	return args_put(args, sizeof(*info), user);
}

static int ioctl_drain(struct client *client, union args *args, void __user *user)
{
	return lwcg_pool_drain(lwcg_client_pool(client));
}

/**
 * struct ioctl - one ioctl of the device
 * @cmd: its number
 * @size: size of its argument in this kernel
 * @min_size: size of its argument in the first version
 * @unbound: it works on a file that has no pool
 * @fn: carries it out; the pool is set unless @unbound
 */
struct ioctl {
	unsigned int cmd;
	size_t size;
	size_t min_size;
	bool unbound;
	int (*fn)(struct client *client, union args *args, void __user *user);
};

static const struct ioctl ioctls[] = {
	{ LWCG_POOL,    sizeof(struct lwcg_pool),    LWCG_POOL_SIZE_V1,    true,  ioctl_pool },
	{ LWCG_ACQUIRE, sizeof(struct lwcg_acquire), LWCG_ACQUIRE_SIZE_V1, false, ioctl_acquire },
	{ LWCG_RELEASE, sizeof(struct lwcg_release), LWCG_RELEASE_SIZE_V1, false, ioctl_release },
	{ LWCG_INFO,    sizeof(struct lwcg_info),    LWCG_INFO_SIZE_V1,    true,  ioctl_info },
	{ LWCG_DRAIN,   sizeof(struct lwcg_drain),   LWCG_DRAIN_SIZE_V1,   false, ioctl_drain },
};

static long lwcg_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;
	struct client *client = file->private_data;
	const struct ioctl *op;
	union args args;
	int ret;

	for (op = ioctls; op < ioctls + ARRAY_SIZE(ioctls); op++)
		if (op->cmd == cmd)
			break;
	if (op == ioctls + ARRAY_SIZE(ioctls))
		return -ENOTTY;

	ret = args_get(&args, op->size, op->min_size, user);
	if (ret)
		return ret;
	if (!op->unbound && !lwcg_client_pool(client))
		return -ENOTCONN;

	return op->fn(client, &args, user);
}

static __poll_t lwcg_poll(struct file *file, poll_table *wait)
{
	struct client *client = file->private_data;
	struct pool *pool = lwcg_client_pool(client);
	__poll_t events = 0;

	if (!pool)
		return EPOLLERR;

	poll_wait(file, &pool->wait, wait);

	spin_lock(&pool->lock);
	if (pool->dead)
		events = EPOLLHUP;
	else if (pool->n_ready < READ_ONCE(client->low_water))
		events = EPOLLIN | EPOLLRDNORM;
	spin_unlock(&pool->lock);
	return events;
}

static int lwcg_open(struct inode *inode, struct file *file)
{
	/* leases kill and move other users' processes, whoever owns the node */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	file->private_data = lwcg_client_create();
	return file->private_data ? 0 : -ENOMEM;
}

static int lwcg_release(struct inode *inode, struct file *file)
{
	lwcg_client_destroy(file->private_data);
	return 0;
}

static const struct file_operations lwcg_fops = {
	.owner = THIS_MODULE,
	.open = lwcg_open,
	.release = lwcg_release,
	.unlocked_ioctl = lwcg_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = lwcg_poll,
};

static struct miscdevice lwcg_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "lwcg",
	.fops = &lwcg_fops,
	.mode = 0600,
};

/**
 * lwcg_chardev_init() - make the device appear
 * Return: 0 or -errno.
 */
int lwcg_chardev_init(void)
{
	BUILD_BUG_ON(sizeof(struct lwcg_pool) != LWCG_POOL_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_acquire) != LWCG_ACQUIRE_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_release) != LWCG_RELEASE_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_info) != LWCG_INFO_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_drain) != LWCG_DRAIN_SIZE_V1);

	return misc_register(&lwcg_misc);
}

/**
 * lwcg_chardev_exit() - make the device disappear; no file of it is open
 */
void lwcg_chardev_exit(void)
{
	misc_deregister(&lwcg_misc);
}
