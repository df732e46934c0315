/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System calls that return -errno, restart after signals and move whole
 * buffers; and the Unix-socket helpers every program here needs.
 */
#ifndef RUND_LIB_IO_H
#define RUND_LIB_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * io_read_full() - read exactly @len bytes
 * Return: @len, fewer at end of file, or -errno.
 */
ssize_t io_read_full(int fd, void *buf, size_t len);

/**
 * io_write_full() - write exactly @len bytes
 * Return: 0 or -errno.
 */
int io_write_full(int fd, const void *buf, size_t len);

/**
 * io_read_file() - read a small file whole
 * @dirfd: directory the path is relative to, or AT_FDCWD
 * @path: the file
 * @max: refuse anything longer (bytes)
 * @out: receives a malloc()ed, NUL-terminated buffer
 *
 * Return: length in bytes, -EFBIG when longer than @max, or -errno.
 */
ssize_t io_read_file(int dirfd, const char *path, size_t max, char **out);

/**
 * io_write_file() - write a string to an existing file (sysfs, cgroupfs, /proc)
 * Return: 0 or -errno.
 */
int io_write_file(int dirfd, const char *path, const char *text);

/**
 * io_unix_listen() - a listening stream socket at a path
 * Return: a close-on-exec descriptor, or -errno (-ENAMETOOLONG when the path
 * does not fit a sockaddr_un).
 */
int io_unix_listen(const char *path, int backlog);

/**
 * io_unix_connect() - connect to a stream socket at a path
 * Return: a close-on-exec descriptor, or -errno.
 */
int io_unix_connect(const char *path);

/**
 * io_set_nonblock() - switch O_NONBLOCK on or off
 * Return: 0 or -errno.
 */
int io_set_nonblock(int fd, int on);

/**
 * io_parse_size() - "4096", "64K", "128M", "1G" or "1T" to bytes
 * Return: 0, -EINVAL when malformed, -ERANGE when it overflows 64 bits.
 */
int io_parse_size(const char *text, uint64_t *bytes);

#endif
