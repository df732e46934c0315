// SPDX-License-Identifier: GPL-2.0-only
/*
 * passwd(5) and group(5), read as text that may hold anything.
 */
#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/io.h"

/* A part of the file, not NUL-terminated. */
struct slice {
	const char *p;
	size_t len;
};

static bool slice_eq(struct slice s, const char *text, size_t len)
{
	return s.len == len && !memcmp(s.p, text, len);
}

/* An id is a decimal number below (uid_t)-1, which setuid(2) takes for "no change". */
static bool slice_id(struct slice s, uint32_t *id)
{
	uint64_t v = 0;

	if (!s.len || s.len > 10)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	if (v >= UINT32_MAX)
		return false;
	*id = v;
	return true;
}

/* Split off the part of *rest before the next sep; false when nothing is left. */
static bool slice_next(struct slice *rest, char sep, struct slice *out)
{
	const char *end;

	if (!rest->p)
		return false;
	end = memchr(rest->p, sep, rest->len);
	out->p = rest->p;
	out->len = end ? end - rest->p : rest->len;
	rest->len -= out->len + !!end;
	rest->p = end ? end + 1 : NULL;
	return true;
}

/* The fields of a line; fewer than asked for when it has fewer. */
static int line_fields(struct slice line, struct slice *f, int max)
{
	int n = 0;

	while (n < max && slice_next(&line, ':', &f[n]))
		n++;
	return n;
}

struct pw_entry {
	struct slice name;
	uint32_t uid, gid;
	struct slice home;
};

/* name:password:uid:gid:gecos:home:shell */
static bool passwd_line(struct slice line, struct pw_entry *e)
{
	struct slice f[7];

	if (line_fields(line, f, 7) < 6 || !f[0].len)
		return false;
	e->name = f[0];
	e->home = f[5];
	return slice_id(f[2], &e->uid) && slice_id(f[3], &e->gid);
}

struct gr_entry {
	struct slice name;
	uint32_t gid;
	struct slice members;
};

/* name:password:gid:member,member */
static bool group_line(struct slice line, struct gr_entry *e)
{
	struct slice f[4];
	int n = line_fields(line, f, 4);

	if (n < 3 || !f[0].len)
		return false;
	e->name = f[0];
	e->members = n > 3 ? f[3] : (struct slice){"", 0};
	return slice_id(f[2], &e->gid);
}

static bool passwd_find(const char *text, struct slice name, bool numeric, uint32_t uid,
			struct pw_entry *e)
{
	struct slice rest = {text, strlen(text)}, line;

	while (slice_next(&rest, '\n', &line)) {
		if (!passwd_line(line, e))
			continue;
		if (numeric ? e->uid == uid : slice_eq(e->name, name.p, name.len))
			return true;
	}
	return false;
}

static bool group_find(const char *text, struct slice name, uint32_t *gid)
{
	struct slice rest = {text, strlen(text)}, line;
	struct gr_entry e;

	while (slice_next(&rest, '\n', &line)) {
		if (group_line(line, &e) && slice_eq(e.name, name.p, name.len)) {
			*gid = e.gid;
			return true;
		}
	}
	return false;
}

static bool group_has(const struct gr_entry *e, struct slice user)
{
	struct slice rest = e->members, member;

	while (slice_next(&rest, ',', &member))
		if (slice_eq(member, user.p, user.len))
			return true;
	return false;
}

/* As initgroups(3) does: the primary group first, then each that lists the user. */
static int supplementary(struct account *a, const char *text, struct slice user)
{
	struct slice rest = {text, strlen(text)}, line;
	struct gr_entry e;

	a->groups[a->nr_groups++] = a->gid;
	while (slice_next(&rest, '\n', &line)) {
		if (!group_line(line, &e) || e.gid == a->gid || !group_has(&e, user))
			continue;
		if (a->nr_groups == ACCOUNT_MAX_GROUPS)
			return -E2BIG;
		a->groups[a->nr_groups++] = e.gid;
	}
	return 0;
}

static int resolve_user(struct account *a, struct slice user, const char *passwd,
			struct pw_entry *e, bool *known)
{
	uint32_t uid = 0;
	bool numeric = slice_id(user, &uid);

	/* A user whose name is a number is found by name first, as in login(1). */
	*known = passwd_find(passwd, user, false, 0, e) ||
		 (numeric && passwd_find(passwd, user, true, uid, e));
	if (!*known && !numeric)
		return -ENOENT;
	a->uid = *known ? e->uid : uid;
	a->gid = *known ? e->gid : 0;
	strcpy(a->home, "/");
	if (*known && e->home.len && e->home.len < sizeof(a->home)) {
		memcpy(a->home, e->home.p, e->home.len);
		a->home[e->home.len] = '\0';
	}
	return 0;
}

static int unknown(struct rund_error *why, const char *what, struct slice name, const char *file)
{
	fault(why, EXIT_SETUP, 0, "%s \"%.*s\" is not in the container's %s; give a number", what,
	      (int)name.len, name.p, file);
	return -ENOENT;
}

/* Split NAME:GROUP; a missing group has no text. */
static int split_spec(const char *spec, struct slice *user, struct slice *grp,
		      struct rund_error *why)
{
	const char *colon = strchr(spec, ':');

	*user = *spec ? (struct slice){spec, strlen(spec)} : (struct slice){"0", 1};
	*grp = (struct slice){NULL, 0};
	if (!colon)
		return 0;
	user->len = colon - spec;
	*grp = (struct slice){colon + 1, strlen(colon + 1)};
	if (user->len && grp->len)
		return 0;
	fault(why, EXIT_SETUP, 0, "user \"%s\": want NAME, UID, NAME:GROUP or UID:GID", spec);
	return -EINVAL;
}

int account_resolve(struct account *a, const char *spec, const char *passwd, const char *group,
		    struct rund_error *why)
{
	struct slice user, grp;
	struct pw_entry e;
	bool known;
	int ret;

	memset(a, 0, sizeof(*a));
	ret = split_spec(spec, &user, &grp, why);
	if (ret)
		return ret;
	if (resolve_user(a, user, passwd, &e, &known))
		return unknown(why, "user", user, "/etc/passwd");
	if (grp.p) {
		if (!group_find(group, grp, &a->gid) && !slice_id(grp, &a->gid))
			return unknown(why, "group", grp, "/etc/group");
		return 0;
	}
	if (known && supplementary(a, group, e.name))
		return fault(why, EXIT_SETUP, -E2BIG, "user \"%.*s\": in more than %d groups",
			     (int)user.len, user.p, ACCOUNT_MAX_GROUPS);
	return 0;
}

/*
 * Read a file of the container: no FIFO may block PID 1, no directory or device
 * is an account file.  A missing file is an empty one.
 */
static int read_account_file(const char *path, char **text, struct rund_error *why)
{
	__cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*text = strdup("");
		return *text ? 0 : -ENOMEM;
	}
	if (fd < 0 || fstat(fd, &st))
		return fault(why, EXIT_SETUP, -errno, "container's %s", path);
	if (!S_ISREG(st.st_mode))
		return fault(why, EXIT_SETUP, -EINVAL, "container's %s is not a file", path);
	if (st.st_size > ACCOUNT_MAX_FILE)
		return fault(why, EXIT_SETUP, -EFBIG, "container's %s", path);
	*text = calloc(1, st.st_size + 1);
	if (!*text)
		return fault(why, EXIT_SETUP, -ENOMEM, "container's %s", path);
	n = io_read_full(fd, *text, st.st_size);
	if (n < 0)
		return fault(why, EXIT_SETUP, n, "container's %s", path);
	return 0;
}

int account_load(struct account *a, const char *spec, struct rund_error *why)
{
	__cleanup_free char *passwd = NULL;
	__cleanup_free char *group = NULL;
	int ret;

	ret = read_account_file("/etc/passwd", &passwd, why);
	if (ret)
		return ret;
	ret = read_account_file("/etc/group", &group, why);
	if (ret)
		return ret;
	return account_resolve(a, spec, passwd, group, why);
}
