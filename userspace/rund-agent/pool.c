// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-agent pool`: make, look at, resize and remove the pool of ready cgroups.
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cgparent.h"
#include "cmd.h"
#include "json.h"
#include "lib/cgroup2.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lwcgdev.h"

/* What all actions work on. */
struct pool {
	char path[PATH_MAX]; /* of the parent cgroup */
	int parent, dev;
};

/* The histograms of struct lwcg_stats, in the order in which they are shown. */
static const struct {
	const char *name;
	size_t offset;
} hists[] = {
	{"acquire", offsetof(struct lwcg_stats, acquire_ns)},
	{"release", offsetof(struct lwcg_stats, release_ns)},
	{"recycle", offsetof(struct lwcg_stats, recycle_ns)},
	{"lock", offsetof(struct lwcg_stats, lock_ns)},
};

/* Its counters. */
static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	{"acquired", offsetof(struct lwcg_stats, acquired)},
	{"acquire_eagain", offsetof(struct lwcg_stats, acquire_eagain)},
	{"acquire_failed", offsetof(struct lwcg_stats, acquire_failed)},
	{"adopted", offsetof(struct lwcg_stats, adopted)},
	{"orphaned", offsetof(struct lwcg_stats, orphaned)},
	{"released", offsetof(struct lwcg_stats, released)},
	{"kills", offsetof(struct lwcg_stats, kills)},
	{"recycled", offsetof(struct lwcg_stats, recycled)},
	{"retired", offsetof(struct lwcg_stats, retired)},
	{"refilled", offsetof(struct lwcg_stats, refilled)},
	{"refill_failed", offsetof(struct lwcg_stats, refill_failed)},
	{"trimmed", offsetof(struct lwcg_stats, trimmed)},
};

#define NR(array) (sizeof(array) / sizeof((array)[0]))

static const __u64 *at(const struct lwcg_stats *stats, size_t offset)
{
	return (const __u64 *)((const char *)stats + offset);
}

static uint64_t hist_count(const __u64 *hist)
{
	uint64_t n = 0;

	for (int i = 0; i < LWCG_HIST_BUCKETS; i++)
		n += hist[i];
	return n;
}

uint64_t ra_hist_percentile(const __u64 *hist, unsigned int percent)
{
	uint64_t n = hist_count(hist), seen = 0, rank = n / 100 * percent;

	rank += (n % 100 * percent + 99) / 100;
	if (!n)
		return 0;
	for (int i = 0; i < LWCG_HIST_BUCKETS - 1; i++) {
		seen += hist[i];
		if (seen >= rank)
			return UINT64_C(2) << i;
	}
	return UINT64_MAX;
}

void ra_hist_format(uint64_t ns, char *buf, size_t len)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double v = ns;
	size_t unit = 0;

	if (!ns || ns == UINT64_MAX) {
		snprintf(buf, len, ns ? ">=2.1 s" : "-");
		return;
	}
	while (v >= 1000 && unit < NR(units) - 1) {
		v /= 1000;
		unit++;
	}
	snprintf(buf, len, v < 10 && unit ? "<%.1f %s" : "<%.0f %s", v, units[unit]);
}

static int read_pool(const struct pool *pool, struct lwcg_info *info, struct lwcg_stats *stats)
{
	*info = (struct lwcg_info){.size = sizeof(*info)};
	*stats = (struct lwcg_stats){.size = sizeof(*stats)};
	if (ioctl(pool->dev, LWCG_INFO, info) || ioctl(pool->dev, LWCG_STATS, stats))
		return log_errno(-errno, "pool of %s: %m; load the lwcg.ko of this version",
				 pool->path);
	return 0;
}

static void print_text(const struct pool *pool, const struct lwcg_info *info,
		       const struct lwcg_stats *stats)
{
	char p50[32], p99[32];

	printf("%-15s %s\n", "parent", pool->path);
	printf("%-15s %u\n%-15s %u\n%-15s %u\n%-15s %u\n%-15s %u\n", "target", info->target,
	       "ready", info->ready, "leased", info->leased, "orphans", info->orphans, "recycling",
	       info->recycling);
	printf("\n");
	for (size_t i = 0; i < NR(counters); i++)
		printf("%-15s %" PRIu64 "\n", counters[i].name,
		       (uint64_t)*at(stats, counters[i].offset));
	printf("\n%-15s %12s %10s %10s\n", "TIME", "COUNT", "P50", "P99");
	for (size_t i = 0; i < NR(hists); i++) {
		const __u64 *hist = at(stats, hists[i].offset);

		ra_hist_format(ra_hist_percentile(hist, 50), p50, sizeof(p50));
		ra_hist_format(ra_hist_percentile(hist, 99), p99, sizeof(p99));
		printf("%-15s %12" PRIu64 " %10s %10s\n", hists[i].name, hist_count(hist), p50,
		       p99);
	}
}

/* Nothing measured, or beyond what can be: null. */
static struct json_object *percentile_json(const __u64 *hist, unsigned int percent)
{
	uint64_t ns = ra_hist_percentile(hist, percent);

	return ns && ns != UINT64_MAX ? json_object_new_int64(ns) : NULL;
}

static struct json_object *hist_json(const __u64 *hist)
{
	struct json_object *o = json_object_new_object(), *buckets = json_object_new_array();

	json_object_object_add(o, "count", json_object_new_int64(hist_count(hist)));
	json_object_object_add(o, "p50", percentile_json(hist, 50));
	json_object_object_add(o, "p99", percentile_json(hist, 99));
	for (int i = 0; i < LWCG_HIST_BUCKETS; i++)
		json_object_array_add(buckets, json_object_new_int64(hist[i]));
	json_object_object_add(o, "buckets", buckets);
	return o;
}

static void print_json(const struct pool *pool, const struct lwcg_info *info,
		       const struct lwcg_stats *stats)
{
	struct json_object *o = json_object_new_object(), *times = json_object_new_object();
	__cleanup_free char *line = NULL;

	json_object_object_add(o, "parent", json_object_new_string(pool->path));
	json_object_object_add(o, "target", json_object_new_int64(info->target));
	json_object_object_add(o, "ready", json_object_new_int64(info->ready));
	json_object_object_add(o, "leased", json_object_new_int64(info->leased));
	json_object_object_add(o, "orphans", json_object_new_int64(info->orphans));
	json_object_object_add(o, "recycling", json_object_new_int64(info->recycling));
	for (size_t i = 0; i < NR(counters); i++)
		json_object_object_add(o, counters[i].name,
				       json_object_new_int64(*at(stats, counters[i].offset)));
	for (size_t i = 0; i < NR(hists); i++)
		json_object_object_add(times, hists[i].name, hist_json(at(stats, hists[i].offset)));
	json_object_object_add(o, "ns", times);
	line = ra_json_line(o);
	if (line)
		fputs(line, stdout);
}

static int show(const struct pool *pool, bool json)
{
	struct lwcg_stats stats;
	struct lwcg_info info;
	int ret;

	ret = read_pool(pool, &info, &stats);
	if (ret)
		return ret;
	if (json)
		print_json(pool, &info, &stats);
	else
		print_text(pool, &info, &stats);
	return 0;
}

static int report_create(const struct pool *pool, unsigned int target, int err)
{
	switch (err) {
	case -EAGAIN:
		return log_errno(err,
				 "pool of %s: cgroup.max.descendants or cgroup.max.depth there or "
				 "above leaves no room for %u cgroups; raise it, or choose a "
				 "smaller --target",
				 pool->path, target);
	case -EBADF:
		return log_errno(err, "%s: not a directory of cgroup v2; name one below its mount",
				 pool->path);
	case -EOPNOTSUPP:
		return log_errno(err, "cgroup %s: is threaded; choose another --parent",
				 pool->path);
	default:
		return log_errno(err, "pool of %s: %s; see the kernel log", pool->path,
				 strerror(-err));
	}
}

static int do_create(const struct pool *pool, const struct ra_pool_opts *o)
{
	int ret = ra_lwcg_bind(pool->dev, pool->parent, o->target);

	if (ret)
		return report_create(pool, o->target, ret);
	return o->json ? show(pool, true) : 0;
}

static int bind_existing(const struct pool *pool)
{
	int ret = ra_lwcg_bind_existing(pool->dev, pool->parent);

	if (ret == -ENOENT)
		return log_errno(ret,
				 "cgroup %s: has no pool; make one with rund-agent pool create",
				 pool->path);
	if (ret)
		return report_create(pool, 0, ret);
	return 0;
}

static int do_resize(const struct pool *pool, const struct ra_pool_opts *o)
{
	struct lwcg_resize arg = {.size = sizeof(arg), .target = o->target};

	if (ioctl(pool->dev, LWCG_RESIZE, &arg))
		return log_errno(-errno, "pool of %s: LWCG_RESIZE: %m", pool->path);
	return o->json ? show(pool, true) : 0;
}

/* Why the pool is busy. */
static int report_busy(const struct pool *pool)
{
	struct lwcg_info info = {.size = sizeof(info)};

	if (ioctl(pool->dev, LWCG_INFO, &info))
		info.leased = info.orphans = 0;
	if (info.leased > info.orphans)
		return log_errno(-EBUSY,
				 "pool of %s: %u leases are held; end what runs there (rund-agent "
				 "ps lists sandboxes)",
				 pool->path, info.leased - info.orphans);
	return log_errno(-EBUSY,
			 "pool of %s: %u leases are orphans; let an agent adopt them, or end "
			 "them with --orphans",
			 pool->path, info.orphans);
}

static int do_drain(const struct pool *pool, const struct ra_pool_opts *o)
{
	struct lwcg_drain arg = {
		.size = sizeof(arg),
		.flags = o->orphans ? LWCG_DRAIN_ORPHANS : 0,
	};

	if (!ioctl(pool->dev, LWCG_DRAIN, &arg))
		return o->json ? show(pool, true) : 0;
	if (errno == EBUSY)
		return report_busy(pool);
	return log_errno(-errno, "pool of %s: LWCG_DRAIN: %m", pool->path);
}

static int open_parent(struct pool *pool, const struct ra_pool_opts *o)
{
	char mount[PATH_MAX] = "", missing[64] = "";
	int ret;

	if (!o->parent) {
		pool->parent = ra_cgparent_open(o->action == RA_POOL_CREATE, pool->path,
						sizeof(pool->path), missing, sizeof(missing));
		if (*missing)
			log_warn("cgroup v2 has no %s controller here; boot with cgroup_no_v1=all",
				 missing);
		if (pool->parent == -ENOENT)
			log_err("cgroup %s: has no pool; make one with rund-agent pool create",
				pool->path);
		return pool->parent < 0 ? pool->parent : 0;
	}
	ret = *o->parent == '/' ? 0 : cg2_mount(mount, sizeof(mount));
	if (ret)
		return log_errno(ret, "no cgroup v2 hierarchy is mounted; "
				      "mount -t cgroup2 none /sys/fs/cgroup");
	if (snprintf(pool->path, sizeof(pool->path), "%s%s%s", mount, *mount ? "/" : "",
		     o->parent) >= sizeof(pool->path))
		return log_errno(-ENAMETOOLONG, "--parent: path too long");
	pool->parent = open(pool->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pool->parent < 0)
		return log_errno(-errno, "cgroup %s: %m; --parent takes a directory of cgroup v2",
				 pool->path);
	return 0;
}

static int open_pool(struct pool *pool, const struct ra_pool_opts *o)
{
	int ret;

	pool->dev = open(LWCG_DEVICE, O_RDWR | O_CLOEXEC);
	if (pool->dev < 0)
		return log_errno(-errno, "%s: %m; insmod lwcg.ko, and be root", LWCG_DEVICE);
	ret = ra_lwcg_check(pool->dev);
	if (!ret)
		ret = open_parent(pool, o);
	if (!ret && o->action != RA_POOL_CREATE)
		ret = bind_existing(pool);
	return ret;
}

static int act(const struct ra_pool_opts *o)
{
	struct pool pool = {.parent = -1, .dev = -1};
	int ret = open_pool(&pool, o);

	if (!ret && o->action == RA_POOL_CREATE)
		ret = do_create(&pool, o);
	else if (!ret && o->action == RA_POOL_RESIZE)
		ret = do_resize(&pool, o);
	else if (!ret && o->action == RA_POOL_DRAIN)
		ret = do_drain(&pool, o);
	else if (!ret)
		ret = show(&pool, o->json);
	close_fd(pool.parent);
	close_fd(pool.dev);
	return ret;
}

static int parse_target(struct ra_pool_opts *o, const char *arg)
{
	unsigned int min = o->action == RA_POOL_RESIZE ? 0 : 1;
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || v < min || v > LWCG_TARGET_MAX)
		return log_errno(-EINVAL, "--target %s: not a number from %u to %u", arg, min,
				 LWCG_TARGET_MAX);
	o->target = v;
	return 0;
}

static int parse_action(struct ra_pool_opts *o, const char *word)
{
	static const char *const actions[] = {
		[RA_POOL_CREATE] = "create",
		[RA_POOL_STATUS] = "status",
		[RA_POOL_RESIZE] = "resize",
		[RA_POOL_DRAIN] = "drain",
	};

	for (size_t i = 0; i < NR(actions); i++) {
		if (word && !strcmp(word, actions[i])) {
			o->action = i;
			return 0;
		}
	}
	return log_errno(-EINVAL,
			 "pool %s: not create, status, resize or drain; see rund-agent "
			 "pool --help",
			 word ?: "");
}

/* What depends on several options. */
static int check(const struct ra_pool_opts *o, bool has_target, int argc, char **argv)
{
	bool takes_target = o->action == RA_POOL_CREATE || o->action == RA_POOL_RESIZE;

	if (optind < argc)
		return log_errno(-EINVAL, "%s: one argument too many; see rund-agent pool --help",
				 argv[optind]);
	if (has_target && !takes_target)
		return log_errno(-EINVAL, "--target: only create and resize take it");
	if (!has_target && o->action == RA_POOL_RESIZE)
		return log_errno(-EINVAL, "pool resize: to what size? add --target N");
	if (o->orphans && o->action != RA_POOL_DRAIN)
		return log_errno(-EINVAL, "--orphans: only drain takes it");
	if (o->parent && !*o->parent)
		return log_errno(-EINVAL, "--parent: is empty; name a directory of cgroup v2");
	return 0;
}

int ra_pool_parse(struct ra_pool_opts *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"parent", required_argument, NULL, 'p'}, {"target", required_argument, NULL, 't'},
		{"orphans", no_argument, NULL, 'o'},	  {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, RA_OPT_HELP}, {},
	};
	bool has_target = false;
	int opt, ret = 0;

	*o = (struct ra_pool_opts){.target = ra_lwcg_target()};
	/* the word comes before the options, except for --help */
	if (argc < 2 || *argv[1] != '-') {
		ret = parse_action(o, argc < 2 ? NULL : argv[1]);
		if (ret)
			return ret;
		argc--;
		argv++;
	} else if (strcmp(argv[1], "--help")) {
		return parse_action(o, argv[1]);
	}

	optind = 0; /* glibc: start over, also in a process that has parsed before */
	while ((opt = ra_cmd_getopt(&ra_cmd_pool, argc, argv, "+:", options)) != -1) {
		if (opt == RA_OPT_HELP) {
			o->help = true;
			return 0;
		}
		if (opt == 'p')
			o->parent = optarg;
		else if (opt == 't')
			ret = parse_target(o, optarg);
		else if (opt == 'o')
			o->orphans = true;
		else if (opt == 'j')
			o->json = true;
		else
			ret = -EINVAL;
		if (ret)
			return ret;
		has_target |= opt == 't';
	}
	return check(o, has_target, argc, argv);
}

static int run(int argc, char **argv)
{
	struct ra_pool_opts o;

	if (ra_pool_parse(&o, argc, argv))
		return RA_EXIT_FAILURE;
	return !o.help && act(&o) ? RA_EXIT_FAILURE : 0;
}

const struct ra_cmd ra_cmd_pool = {
	.name = "pool",
	.args = "create|status|resize|drain [--parent CGROUP] [--target N] [--orphans] [--json]",
	.summary = "Manage the pool of ready cgroups",
	.help = "  create           make the pool, or raise its target, and fill it\n"
		"  status           what is in it, what has happened, how long it took\n"
		"  resize           set the target, up or down; the rest happens in the "
		"background\n"
		"  drain            remove the pool, unless there are leases\n"
		"\n"
		"  --parent CGROUP  a directory of cgroup v2, absolute or below its mount\n"
		"                   (default: the one that holds sandboxes)\n"
		"  --target N       cgroups to keep ready (create: default 32 or\n"
		"                   $RUND_POOL_TARGET; resize: required, may be 0)\n"
		"  --orphans        drain: end persistent leases that nobody holds\n"
		"  --json           print the state that results as one JSON object\n",
	.run = run,
};
