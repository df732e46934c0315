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
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

/*
 * What an ioctl passes; each begins with a struct head.  It is on the stack of a
 * launch: of a larger argument there is only the head, the rest is not read.
 */
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
	struct lwcg_adopt adopt;
	struct lwcg_resize resize;
};

/* User space and kernel may know different lengths; see "Arguments" in lwcg.h. */
static int args_get(union args *args, size_t ksize, size_t min_size, u32 flags,
		    const void __user *from)
{
	size_t known = min(ksize, sizeof(*args));
	u32 usize;
	int ret;

	if (get_user(usize, (const u32 __user *)from))
		return -EFAULT;
	if (usize < min_size)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;

	if (usize > ksize) {
		ret = check_zeroed_user(from + ksize, usize - ksize);
		if (ret <= 0)
			return ret ?: -E2BIG;
	}
	ret = copy_struct_from_user(args, known, from, min(usize, known));
	if (ret)
		return ret;

	/* the second read may have found another size */
	args->head.size = usize;
	return args->head.flags & ~flags ? -EINVAL : 0;
}

static int args_put(const void *arg, size_t ksize, void __user *to)
{
	const struct head *head = arg;

	return copy_to_user(to, arg, min_t(size_t, head->size, ksize)) ? -EFAULT : 0;
}

static int ioctl_pool(struct client *client, union args *args, void __user *user)
{
	if (args->pool.reserved)
		return -EINVAL;

	return lwcg_pool_bind(client, &args->pool);
}

/* Lease a slot, or undo it all. */
static int acquire_slot(struct client *client, union args *args, void __user *user, int fd)
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
	lwcg_client_add(client, slot, arg);
	ret = args_put(args, sizeof(*arg), user);
	if (ret) {
		lwcg_client_end_lease(client, arg->slot_id);
		fput(dir);
		return ret;
	}

	fd_install(fd, dir);
	return 0;
}

/* Take the orphan of a name, or leave it as it was. */
static int adopt_slot(struct client *client, union args *args, void __user *user, int fd)
{
	struct lwcg_adopt *arg = &args->adopt;
	struct slot *slot;
	struct file *dir;
	int ret;

	slot = lwcg_orphan_take(client, arg->name);
	if (IS_ERR(slot))
		return PTR_ERR(slot);

	dir = lwcg_slot_open(slot, slot->name);
	ret = PTR_ERR_OR_ZERO(dir);
	if (ret)
		goto err_keep;

	arg->slot_id = slot->id;
	arg->cgroup_id = cgroup_id(slot->member.cgrp);
	arg->dir_fd = fd;
	ret = args_put(args, sizeof(*arg), user);
	if (ret)
		goto err_dir;

	/* from here on another thread may end the lease: no use of @slot */
	lwcg_client_add_adopted(client, slot);
	fd_install(fd, dir);
	return 0;

err_dir:
	fput(dir);
err_keep:
	lwcg_orphan_keep(slot);
	return ret;
}

/* Both of the above, with the number that the directory's descriptor will have. */
static int with_fd(int (*fn)(struct client *client, union args *args, void __user *user, int fd),
		   struct client *client, union args *args, void __user *user)
{
	int fd, ret;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	ret = fn(client, args, user, fd);
	if (ret)
		put_unused_fd(fd);
	return ret;
}

static int ioctl_acquire(struct client *client, union args *args, void __user *user)
{
	struct lwcg_acquire *arg = &args->acquire;
	u64 start = ktime_get_ns();
	int ret;

	if (arg->reserved)
		return -EINVAL;
	ret = lwcg_name_check(lwcg_client_pool(client), arg->name, sizeof(arg->name));
	if (ret)
		return ret;

	arg->slot_id = 0;
	ret = with_fd(acquire_slot, client, args, user);
	lwcg_stats_acquire(lwcg_client_pool(client), arg, start, ret);
	return ret;
}

static int ioctl_adopt(struct client *client, union args *args, void __user *user)
{
	struct lwcg_adopt *arg = &args->adopt;
	u64 start = ktime_get_ns();
	int ret;

	if (arg->reserved)
		return -EINVAL;
	ret = lwcg_name_check(lwcg_client_pool(client), arg->name, sizeof(arg->name));
	if (ret)
		return ret;

	arg->slot_id = 0;
	ret = with_fd(adopt_slot, client, args, user);
	lwcg_stats_adopt(lwcg_client_pool(client), arg, start, ret);
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

	*info = (struct lwcg_info){.size = info->size, .abi = LWCG_ABI_VERSION};
	if (pool)
		lwcg_pool_info(pool, info);
	return args_put(args, sizeof(*info), user);
}

static int ioctl_drain(struct client *client, union args *args, void __user *user)
{
	return lwcg_pool_drain(lwcg_client_pool(client), args->head.flags & LWCG_DRAIN_ORPHANS);
}

static int ioctl_resize(struct client *client, union args *args, void __user *user)
{
	return lwcg_size_set(client, &args->resize);
}

static int ioctl_stats(struct client *client, union args *args, void __user *user)
{
	struct lwcg_stats *stats;
	int ret;

	stats = kzalloc(sizeof(*stats), GFP_KERNEL);
	if (!stats)
		return -ENOMEM;

	stats->size = args->head.size;
	lwcg_stats_read(lwcg_client_pool(client), stats);
	ret = args_put(stats, sizeof(*stats), user);
	kfree(stats);
	return ret;
}

/**
 * struct ioctl - one ioctl of the device
 * @cmd: its number
 * @flags: the flags that its argument may have
 * @size: size of its argument in this kernel
 * @min_size: size of its argument in the first version
 * @unbound: it works on a file that has no pool
 * @fn: carries it out; the pool is set unless @unbound
 */
struct ioctl {
	unsigned int cmd;
	u32 flags;
	size_t size;
	size_t min_size;
	bool unbound;
	int (*fn)(struct client *client, union args *args, void __user *user);
};

static const struct ioctl ioctls[] = {
	{ LWCG_POOL,    LWCG_POOL_EXISTING,
	  sizeof(struct lwcg_pool),    LWCG_POOL_SIZE_V1,    true,  ioctl_pool },
	{ LWCG_ACQUIRE, LWCG_ACQUIRE_PERSISTENT,
	  sizeof(struct lwcg_acquire), LWCG_ACQUIRE_SIZE_V1, false, ioctl_acquire },
	{ LWCG_RELEASE, 0,
	  sizeof(struct lwcg_release), LWCG_RELEASE_SIZE_V1, false, ioctl_release },
	{ LWCG_INFO,    0,
	  sizeof(struct lwcg_info),    LWCG_INFO_SIZE_V1,    true,  ioctl_info },
	{ LWCG_DRAIN,   LWCG_DRAIN_ORPHANS,
	  sizeof(struct lwcg_drain),   LWCG_DRAIN_SIZE_V1,   false, ioctl_drain },
	{ LWCG_ADOPT,   0,
	  sizeof(struct lwcg_adopt),   LWCG_ADOPT_SIZE_V1,   false, ioctl_adopt },
	{ LWCG_RESIZE,  0,
	  sizeof(struct lwcg_resize),  LWCG_RESIZE_SIZE_V1,  false, ioctl_resize },
	{ LWCG_STATS,   0,
	  sizeof(struct lwcg_stats),   LWCG_STATS_SIZE_V1,   false, ioctl_stats },
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

	ret = args_get(&args, op->size, op->min_size, op->flags, user);
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
	else if (pool->n_ready < min(READ_ONCE(client->low_water), pool->target))
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
	BUILD_BUG_ON(offsetof(struct lwcg_info, recycled) != LWCG_INFO_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_drain) != LWCG_DRAIN_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_adopt) != LWCG_ADOPT_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_resize) != LWCG_RESIZE_SIZE_V1);
	BUILD_BUG_ON(sizeof(struct lwcg_stats) != LWCG_STATS_SIZE_V1);

	return misc_register(&lwcg_misc);
}

/**
 * lwcg_chardev_exit() - make the device disappear; no file of it is open
 */
void lwcg_chardev_exit(void)
{
	misc_deregister(&lwcg_misc);
}
