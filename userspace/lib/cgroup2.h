/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where cgroup v2 is mounted and which controllers can be used below a
 * directory of it.  Directories are passed as descriptors, so nothing here
 * depends on the current directory or on a path staying valid.
 */
#ifndef RUND_LIB_CGROUP2_H
#define RUND_LIB_CGROUP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * cg2_find_mount() - the first cgroup v2 mount in a mountinfo file
 * @mountinfo: an open /proc/PID/mountinfo
 * @path: receives the mount point
 * @len: size of @path
 *
 * Return: 0, -ENOENT when there is none, -ENAMETOOLONG.
 */
int cg2_find_mount(FILE *mountinfo, char *path, size_t len);

/**
 * cg2_mount() - where cgroup v2 is mounted for this process
 * Return: as cg2_find_mount(), or -errno when /proc is not there.
 */
int cg2_mount(char *path, size_t len);

/**
 * cg2_has_word() - whether a space-separated list holds a word
 */
bool cg2_has_word(const char *list, const char *word);

/**
 * cg2_enable() - hand a controller on to the children of a cgroup
 * @dirfd: the cgroup
 * @controller: "memory", "cpu", ...
 *
 * Return: 0 when it is (or already was) in cgroup.subtree_control, -ENOENT when
 * the cgroup does not have the controller itself, or -errno.
 */
int cg2_enable(int dirfd, const char *controller);

/**
 * cg2_read_key() - one number of a flat-keyed file such as memory.events
 * Return: 0, -ENOENT when the file or the key is missing, or -errno.
 */
int cg2_read_key(int dirfd, const char *file, const char *key, uint64_t *value);

/**
 * cg2_write_u64() - write a number, or "max" for UINT64_MAX, to a control file
 * Return: 0 or -errno.
 */
int cg2_write_u64(int dirfd, const char *file, uint64_t value);

/**
 * cg2_kill_wait() - kill all processes of a cgroup and wait until it is empty
 * @dirfd: the cgroup
 * @timeout_ms: how long to wait
 *
 * Return: 0, -ETIMEDOUT, or -errno.
 */
int cg2_kill_wait(int dirfd, int timeout_ms);

#endif
