/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding the command: the list of files to try, as POSIX says of PATH, and the
 * exit status that each way of failing leads to.
 */
#ifndef RUND_GUEST_PATH_H
#define RUND_GUEST_PATH_H

#include <stddef.h>
#include <stdint.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * path_candidate() - the next file to try for a command
 * @path: the value of PATH
 * @cmd: command as given
 * @pos: where the search stands; start with 0
 * @buf: receives the candidate
 * @size: its size
 *
 * A command with a slash in it is its own only candidate.  An empty element of
 * PATH is the current directory.  Candidates that do not fit are skipped.
 *
 * Return: 1 when @buf holds a candidate, 0 when there are no more.
 */
int path_candidate(const char *path, const char *cmd, size_t *pos, char *buf, size_t size);

/**
 * path_exec() - execute a command, searching PATH
 * @path: the value of PATH
 * @argv: command and arguments
 * @envp: its environment
 *
 * Unlike execvpe(3) it never hands a file without a "#!" line to a shell.
 *
 * Return: only on failure: -errno; -ENOENT when no candidate exists, else what
 * the first one that exists failed with.
 */
int path_exec(const char *path, char *const argv[], char *const envp[]);

/**
 * path_exit_code() - the exit status of a command that path_exec() failed to run
 * @err: what path_exec() returned
 */
uint32_t path_exit_code(int err);

#endif
