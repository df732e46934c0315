// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.json: written atomically, read with suspicion.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"

/* A command line of 1 MiB can grow sixfold by JSON's \u escapes. */
#define STATE_MAX (8U << 20)

static const char *const status_names[RA_NR_STATUS] = {
	[RA_CREATING] = "creating",
	[RA_RUNNING] = "running",
	[RA_EXITED] = "exited",
	[RA_LOST] = "lost",
};

const char *ra_status_name(enum ra_status status)
{
	return status_names[status];
}

static void add_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void add_int(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

struct json_object *ra_state_to_json(const struct ra_state *st)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	add_str(o, "name", st->name);
	add_str(o, "state", status_names[st->status]);
	add_int(o, "monitor", st->monitor);
	add_int(o, "pid", st->vmm);
	json_object_object_add(o, "detached", json_object_new_boolean(st->detached));
	add_str(o, "cgroup", st->cgroup_kind);
	add_str(o, "cgroup_path", st->cgroup);
	add_int(o, "cgroup_id", st->cgroup_id);
	add_int(o, "mem", st->mem);
	add_int(o, "memory_max", st->memory_max);
	add_int(o, "cpus", st->cpus);
	add_int(o, "created", st->created);
	add_int(o, "started", st->started);
	add_int(o, "finished", st->finished);
	add_int(o, "exit_code", st->exit_code);
	json_object_object_add(o, "oom", json_object_new_boolean(st->oom));
	add_str(o, "error", st->error);
	add_str(o, "rootfs", st->rootfs);
	json_object_object_add(o, "command", json_object_get(st->command));
	return o;
}

static int write_tmp(int dirfd, const char *text)
{
	__cleanup_fd int fd = openat(dirfd, ".state.json",
				     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	return io_write_full(fd, text, strlen(text));
}

int ra_state_write(int dirfd, const struct ra_state *st)
{
	__cleanup_free char *line = ra_json_line(ra_state_to_json(st));
	int ret = -ENOMEM;

	if (line)
		ret = write_tmp(dirfd, line);
	if (!ret && renameat(dirfd, ".state.json", dirfd, "state.json"))
		ret = -errno;
	if (ret)
		log_err("sandbox %s: state.json: %s", st->name, strerror(-ret));
	return ret;
}

static int get_status(struct json_object *o, enum ra_status *status)
{
	char text[16];

	if (ra_json_str(o, "state", text, sizeof(text)))
		return -EBADMSG;
	for (int i = 0; i < RA_NR_STATUS; i++) {
		if (!strcmp(text, status_names[i])) {
			*status = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int get_numbers(struct json_object *o, struct ra_state *st)
{
	int64_t monitor, vmm, cpus, code, mem, max, id;
	int bad;

	bad = ra_json_int(o, "monitor", 0, INT32_MAX, &monitor);
	bad |= ra_json_int(o, "pid", 0, INT32_MAX, &vmm);
	bad |= ra_json_int(o, "cpus", 0, INT32_MAX, &cpus);
	bad |= ra_json_int(o, "exit_code", 0, 255, &code);
	bad |= ra_json_int(o, "mem", 0, INT64_MAX, &mem);
	bad |= ra_json_int(o, "memory_max", 0, INT64_MAX, &max);
	bad |= ra_json_int(o, "cgroup_id", INT64_MIN, INT64_MAX, &id);
	bad |= ra_json_int(o, "created", 0, INT64_MAX, &st->created);
	bad |= ra_json_int(o, "started", 0, INT64_MAX, &st->started);
	bad |= ra_json_int(o, "finished", 0, INT64_MAX, &st->finished);
	if (bad)
		return -EBADMSG;
	st->monitor = monitor;
	st->vmm = vmm;
	st->cpus = cpus;
	st->exit_code = code;
	st->mem = mem;
	st->memory_max = max;
	st->cgroup_id = id;
	return 0;
}

static int get_command(struct json_object *o, struct ra_state *st)
{
	struct json_object *cmd;

	if (!json_object_object_get_ex(o, "command", &cmd) ||
	    !json_object_is_type(cmd, json_type_array))
		return -EBADMSG;
	for (size_t i = 0; i < json_object_array_length(cmd); i++) {
		if (!json_object_is_type(json_object_array_get_idx(cmd, i), json_type_string))
			return -EBADMSG;
	}
	st->command = json_object_get(cmd);
	return 0;
}

static int from_json(struct json_object *o, struct ra_state *st)
{
	int bad;

	bad = ra_json_str(o, "name", st->name, sizeof(st->name));
	bad |= get_status(o, &st->status);
	bad |= ra_json_bool(o, "detached", &st->detached);
	bad |= ra_json_bool(o, "oom", &st->oom);
	bad |= ra_json_str(o, "cgroup", st->cgroup_kind, sizeof(st->cgroup_kind));
	bad |= ra_json_str(o, "cgroup_path", st->cgroup, sizeof(st->cgroup));
	bad |= ra_json_str(o, "rootfs", st->rootfs, sizeof(st->rootfs));
	bad |= ra_json_str(o, "error", st->error, sizeof(st->error));
	bad |= get_numbers(o, st);
	bad |= get_command(o, st);
	return bad ? -EBADMSG : 0;
}

int ra_state_read(int dirfd, struct ra_state *st)
{
	__cleanup_free char *text = NULL;
	struct json_object *o;
	ssize_t len;
	int ret;

	memset(st, 0, sizeof(*st));
	len = io_read_file(dirfd, "state.json", STATE_MAX, &text);
	if (len < 0)
		return len;
	o = ra_json_parse(text, len);
	if (!o)
		return -EBADMSG;
	ret = from_json(o, st);
	json_object_put(o);
	return ret;
}

void ra_state_free(struct ra_state *st)
{
	json_object_put(st->command);
	st->command = NULL;
}
