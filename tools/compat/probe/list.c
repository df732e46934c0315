// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names in /proc, /sys and /dev, the files of a cgroup, and the file systems.  Names alone tell
 * what is configured.  What stands for hardware, processes or network interfaces is left out,
 * so that the lists are the same on each machine.
 */
#include "probe.h"
#include <dirent.h>

/* Names in /dev that tell of the hardware, or are made by programs. */
static bool is_hardware(const char *name)
{
	static const char *const prefixes[] = {
		"tty",	 "pty",	  "loop", "vd",	 "sd",	"nvme", "dri", "input",
		"vcs",	 "ram",	  "nbd",  "dm-", "sr",	"hvc",	"rtc", "virtio-ports",
		"bsg",	 "snd",	  "i2c",  "fb",	 "sg",	"disk", "bus", "char",
		"block", "vport", "fd",	  "std", "core"};
	unsigned int i;

	if (!strcmp(name, "loop-control") || !strcmp(name, "cpu"))
		return *name == 'c';
	for (i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* Directories with the same files for each network interface: "default" stands for all. */
static bool is_interface(const char *path, const char *name)
{
	size_t len = strlen(path);

	if (len < 6 || (strcmp(path + len - 5, "/conf") && strcmp(path + len - 6, "/neigh")))
		return false;
	return strcmp(name, "default");
}

enum { RECURSIVE = 1, ONLY_FILES = 2, NO_HARDWARE = 4, NO_NUMBERS = 8 };

static void list(const char *path, const char *label, int flags)
{
	struct dirent **entries;
	int i, n = scandir(path, &entries, NULL, alphasort);
	char sub[400], name[400];
	struct stat st;

	for (i = 0; i < n; i++) {
		const char *e = entries[i]->d_name;

		snprintf(sub, sizeof(sub), "%s/%s", path, e);
		snprintf(name, sizeof(name), "%s/%s", label, e);
		if (!strcmp(e, ".") || !strcmp(e, "..") || lstat(sub, &st) ||
		    (flags & ONLY_FILES && S_ISDIR(st.st_mode)) ||
		    (flags & NO_HARDWARE && is_hardware(e)) ||
		    (flags & NO_NUMBERS && *e >= '0' && *e <= '9') || is_interface(path, e))
			;
		else if (flags & RECURSIVE && S_ISDIR(st.st_mode))
			list(sub, name, flags);
		else
			emit(name, "present");
		free(entries[i]);
	}
	if (n == 2 && flags & RECURSIVE)
		emit(label, "empty");
	if (n >= 0)
		free(entries);
}

#define CGROUP "/sys/fs/cgroup"

/* The files of a cgroup with all controllers, which are then as they were. */
static void list_cgroup(void)
{
	char *now = strdup(get_file(CGROUP "/cgroup.subtree_control") ?: "");
	char *all = strdup(get_file(CGROUP "/cgroup.controllers") ?: ""), *save, *name;
	char added[512] = "", *more = added;
	int ret;

	for (name = strtok_r(all, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		ret = put_file(CGROUP "/cgroup.subtree_control", fmt("+%s", name));
		emit(fmt("cgroup/%s", name), ret ? strerrorname_np(-ret) : "ok");
		if (!ret && !strstr(now, name))
			more = stpcpy(stpcpy(stpcpy(more, "-"), name), " ");
	}
	if (mkdir(CGROUP "/probe-list", 0755))
		emit("list/cgroup", strerrorname_np(errno));
	list(CGROUP "/probe-list", "list/cgroup", ONLY_FILES);
	rmdir(CGROUP "/probe-list");
	put_file(CGROUP "/cgroup.subtree_control", added);
	free(now);
	free(all);
}

static void list_file_systems(void)
{
	FILE *f = fopen("/proc/filesystems", "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		emit(fmt("list/filesystems/%s", strrchr(line, '\t') + 1), "present");
	}
	if (f)
		fclose(f);
}

void probe_lists(void)
{
	static const struct {
		const char *path;
		int flags;
	} dirs[] = {
		{"/proc", NO_NUMBERS},
		{"/proc/self", 0},
		{"/proc/self/attr", 0},
		{"/proc/self/ns", 0},
		{"/proc/self/net", 0},
		{"/proc/pressure", 0},
		{"/proc/sysvipc", 0},
		{"/proc/sys", RECURSIVE},
		{"/sys/kernel", 0},
		{"/sys/kernel/mm", 0},
		{"/sys/kernel/mm/transparent_hugepage", 0},
		{"/sys/kernel/mm/hugepages", 0},
		{"/sys/fs", 0},
		{"/sys/fs/fuse", 0},
		{"/sys/fs/cgroup", ONLY_FILES},
		{"/sys/class", 0},
		{"/sys/bus", 0},
		{"/sys/bus/event_source/devices", 0},
		{"/dev", NO_HARDWARE},
		{"/dev/net", 0},
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		if (want_group(fmt("list%s/", dirs[i].path)))
			list(dirs[i].path, strdupa(fmt("list%s", dirs[i].path)), dirs[i].flags);
	if (want_group("list/cgroup/") || want_group("cgroup/"))
		list_cgroup();
	list_file_systems();
}
