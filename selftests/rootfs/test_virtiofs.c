// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest sees a shared directory exactly as it is, cannot change it, and the
 * host finds it as it was.
 */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "vm.h"

#define BIG_OFF	   ((3ULL << 30) + 4097)
#define FUSE_MAGIC 0x65735546
/* More than the VMM keeps descriptors for. */
#define NR_MANY	  600
#define BLOB_SIZE (8 << 20)

/* ---- both sides ---- */

/* On the host: not even an access time may change. */
static bool hash_atime;

static uint64_t mix(uint64_t h, const void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const uint8_t *)p)[i]) * 0x100000001b3ULL;
	return h;
}

static uint64_t hash_file(int dir, const char *name, uint64_t h)
{
	static uint8_t buf[65536];
	int fd = openat(dir, name, O_RDONLY | O_NOATIME | O_CLOEXEC);
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		h = mix(h, buf, n);
	h = mix(h, &n, sizeof(n));
	close(fd);
	return h;
}

static uint64_t hash_dir(int fd, uint64_t h);

/* Everything about one object that a container could notice. */
static uint64_t hash_one(int dir, const char *name, uint64_t h)
{
	char target[4096];
	struct stat st;
	ssize_t n;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return ~h;
	uint64_t v[] = {st.st_mode, st.st_nlink,       st.st_uid,	   st.st_gid,
			st.st_rdev, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_ino,
			st.st_size, st.st_ctim.tv_sec, st.st_ctim.tv_nsec, st.st_blocks};
	h = mix(h, v, sizeof(v));
	if (hash_atime && !S_ISLNK(st.st_mode)) /* our own readlink() changes those */
		h = mix(h, &st.st_atim, sizeof(st.st_atim));
	h = mix(h, name, strlen(name));
	if (S_ISDIR(st.st_mode)) {
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
		return fd < 0 ? ~h : hash_dir(fd, h);
	}
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof(target));
		return n < 0 ? ~h : mix(h, target, n);
	}
	/* Holes would take for ever to read twice; their file has a test of its own. */
	return S_ISREG(st.st_mode) && st.st_size < 1 << 30 ? hash_file(dir, name, h) : h;
}

/* Names are summed, so that the order of readdir() does not matter. Closes @fd. */
static uint64_t hash_dir(int fd, uint64_t h)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	uint64_t sum = 0;

	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			sum += hash_one(fd, e->d_name, h);
	}
	closedir(d);
	return mix(h, &sum, sizeof(sum));
}

static uint64_t hash_tree(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? 0 : hash_dir(fd, 0xcbf29ce484222325ULL);
}

static unsigned int nr_large(void)
{
	return ktap_slow() ? 1000 : 10000;
}

static void blob_bytes(uint8_t *p, size_t off, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = ((off + i) * 2654435761U) >> 13;
}

/* cap_net_raw=ep: struct vfs_ns_cap_data without a root id, revision 2. */
static const uint32_t file_caps[] = {0x02000001, 1 << 13, 0, 0, 0};

/* ---- guest ---- */

static int mounts(void)
{
	struct statfs sf;

	EXPECT_EQ(mount("share", "/mnt", "virtiofs", 0, NULL), 0);
	EXPECT_EQ(statfs("/mnt", &sf), 0);
	EXPECT_EQ(sf.f_type, FUSE_MAGIC);
	EXPECT_EQ(sf.f_bfree, 0);
	EXPECT_EQ(sf.f_bavail, 0);
	EXPECT(sf.f_namelen >= 255);
	return KTAP_PASS;
}

static int wrong_tag_is_refused(void)
{
	mkdir("/tmp/other", 0755);
	EXPECT_EQ(mount("other", "/tmp/other", "virtiofs", 0, NULL), -1);
	return KTAP_PASS;
}

static int tree_is_identical(void)
{
	uint64_t want = strtoull(vm_guest_arg("tree_hash"), NULL, 16);

	EXPECT(want != 0);
	/* Twice: from the host, then from the guest's caches. */
	EXPECT_EQ(hash_tree("/mnt/tree"), want);
	EXPECT_EQ(hash_tree("/mnt/tree"), want);
	return KTAP_PASS;
}

#define EXPECT_EROFS(expr)                  \
	do {                                \
		errno = 0;                  \
		EXPECT((long)(expr) == -1); \
		EXPECT_EQ(errno, EROFS);    \
	} while (0)

static int writes_fail(void)
{
	int fd = open("/mnt/tree/plain", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		EXPECT_EROFS(pwrite(fd, "x", 1, 0));
		EXPECT_EROFS(ftruncate(fd, 0));
		EXPECT_EROFS(fchmod(fd, 0777));
		EXPECT_EROFS(fallocate(fd, 0, 0, 4096));
		close(fd);
	} else {
		EXPECT_EQ(errno, EROFS);
	}
	EXPECT_EROFS(open("/mnt/tree/plain", O_WRONLY | O_TRUNC));
	EXPECT_EROFS(open("/mnt/new", O_WRONLY | O_CREAT, 0644));
	EXPECT_EROFS(open("/mnt", O_WRONLY | O_TMPFILE, 0644));
	EXPECT_EROFS(mkdir("/mnt/new", 0755));
	EXPECT_EROFS(mknod("/mnt/new", S_IFIFO | 0644, 0));
	EXPECT_EROFS(symlink("x", "/mnt/new"));
	EXPECT_EROFS(link("/mnt/tree/plain", "/mnt/new"));
	EXPECT_EROFS(unlink("/mnt/tree/plain"));
	EXPECT_EROFS(rmdir("/mnt/tree/empty"));
	EXPECT_EROFS(rename("/mnt/tree/plain", "/mnt/tree/other"));
	EXPECT_EROFS(chmod("/mnt/tree/plain", 0777));
	EXPECT_EROFS(chown("/mnt/tree/plain", 1, 1));
	EXPECT_EROFS(truncate("/mnt/tree/plain", 0));
	EXPECT_EROFS(setxattr("/mnt/tree/plain", "user.b", "x", 1, 0));
	EXPECT_EROFS(removexattr("/mnt/tree/plain", "user.a"));
	return KTAP_PASS;
}

static int special_files(void)
{
	struct stat st;
	char c;
	int fd;

	EXPECT_EQ(lstat("/mnt/tree/null", &st), 0);
	EXPECT(S_ISCHR(st.st_mode));
	EXPECT_EQ(st.st_rdev, makedev(1, 3));
	EXPECT_EQ(lstat("/mnt/tree/disk", &st), 0);
	EXPECT(S_ISBLK(st.st_mode));
	EXPECT_EQ(st.st_rdev, makedev(259, 70000));
	EXPECT_EQ(lstat("/mnt/tree/sock", &st), 0);
	EXPECT(S_ISSOCK(st.st_mode));
	/* They are the guest's: its own null device, a pipe of its own. */
	fd = open("/mnt/tree/null", O_WRONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT_EQ(write(fd, "x", 1), 1);
	close(fd);
	fd = open("/mnt/tree/fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT_EQ(write(fd, "p", 1), 1);
	EXPECT_EQ(read(fd, &c, 1), 1);
	EXPECT_EQ(c, 'p');
	close(fd);
	return KTAP_PASS;
}

static int long_names(void)
{
	char path[512] = "/mnt/tree/";
	size_t len = strlen(path);
	struct stat st;

	memset(path + len, 'n', 255);
	EXPECT_EQ(lstat(path, &st), 0);
	path[len + 255] = 'n';
	EXPECT_EQ(lstat(path, &st), -1);
	EXPECT_EQ(errno, ENAMETOOLONG);
	EXPECT_EQ(lstat("/mnt/tree/new\nline \xc3\xbc", &st), 0);
	EXPECT_EQ(lstat("/mnt/tree/absent", &st), -1);
	EXPECT_EQ(errno, ENOENT);
	return KTAP_PASS;
}

/* Every name once, however often and from wherever the directory is read. */
static int count_large(DIR *d, uint8_t *seen, unsigned int nr)
{
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d))) {
		unsigned int i;

		if (sscanf(e->d_name, "entry-%u", &i) != 1)
			continue;
		if (i >= nr || seen[i]++)
			return -1;
		n++;
	}
	return n;
}

static int large_directory(void)
{
	unsigned int nr = atoi(vm_guest_arg("nr_large"));
	uint8_t *seen = calloc(1, nr);
	DIR *d = opendir("/mnt/large");
	long pos;

	EXPECT(d != NULL);
	EXPECT_EQ(count_large(d, seen, nr), nr);
	memset(seen, 0, nr);
	rewinddir(d);
	EXPECT_EQ(count_large(d, seen, nr), nr);
	memset(seen, 0, nr);
	rewinddir(d);
	for (unsigned int i = 0; i < nr / 2 + 2; i++)
		EXPECT(readdir(d) != NULL);
	pos = telldir(d);
	EXPECT_EQ(count_large(d, seen, nr), nr - nr / 2);
	memset(seen, 0, nr);
	seekdir(d, pos);
	EXPECT_EQ(count_large(d, seen, nr), nr - nr / 2);
	closedir(d);
	free(seen);
	return KTAP_PASS;
}

static int hard_links(void)
{
	struct stat a, b;

	EXPECT_EQ(stat("/mnt/tree/plain", &a), 0);
	EXPECT_EQ(stat("/mnt/tree/hard", &b), 0);
	EXPECT_EQ(a.st_ino, b.st_ino);
	EXPECT_EQ(a.st_nlink, 2);
	EXPECT_EQ(b.st_nlink, 2);
	return KTAP_PASS;
}

static int extended_attributes(void)
{
	char buf[256];
	ssize_t n;

	EXPECT_EQ(getxattr("/mnt/tree/plain", "user.a", buf, sizeof(buf)), 5);
	EXPECT(!memcmp(buf, "value", 5));
	EXPECT_EQ(getxattr("/mnt/tree/plain", "user.a", NULL, 0), 5);
	EXPECT_EQ(getxattr("/mnt/tree/plain", "user.a", buf, 4), -1);
	EXPECT_EQ(errno, ERANGE);
	EXPECT_EQ(getxattr("/mnt/tree/empty", "trusted.overlay.opaque", buf, sizeof(buf)), 1);
	EXPECT_EQ(getxattr("/mnt/tree/plain", "trusted.secret", buf, sizeof(buf)), -1);
	EXPECT_EQ(errno, ENODATA);
	EXPECT_EQ(getxattr("/mnt/tree/dir/sub/file", "security.capability", buf, sizeof(buf)),
		  sizeof(file_caps));
	EXPECT(!memcmp(buf, file_caps, sizeof(file_caps)));
	n = listxattr("/mnt/tree/plain", buf, sizeof(buf));
	EXPECT_EQ(n, 7);
	EXPECT(!memcmp(buf, "user.a", 7));
	return KTAP_PASS;
}

static int sparse_file(void)
{
	int fd = open("/mnt/sparse", O_RDONLY | O_CLOEXEC);
	char buf[16];
	off_t off;

	EXPECT(fd >= 0);
	EXPECT_EQ(lseek(fd, 0, SEEK_END), BIG_OFF + 3);
	EXPECT_EQ(pread(fd, buf, sizeof(buf), BIG_OFF), 3);
	EXPECT(!memcmp(buf, "far", 3));
	EXPECT_EQ(pread(fd, buf, sizeof(buf), BIG_OFF - 16384), sizeof(buf));
	EXPECT(!buf[0] && !memcmp(buf, buf + 1, sizeof(buf) - 1));
	EXPECT_EQ(pread(fd, buf, sizeof(buf), BIG_OFF + 3), 0);
	off = lseek(fd, 0, SEEK_DATA);
	EXPECT(off > 0 && off <= BIG_OFF);
	EXPECT_EQ(lseek(fd, 0, SEEK_HOLE), 0);
	close(fd);
	return KTAP_PASS;
}

/* A link out of the directory leads nowhere but into the guest. */
static int links_stay_inside(void)
{
	char buf[64];
	struct stat st;
	ssize_t n;

	n = readlink("/mnt/tree/abs", buf, sizeof(buf));
	EXPECT_EQ(n, strlen("/etc/passwd"));
	EXPECT(!memcmp(buf, "/etc/passwd", n));
	EXPECT_EQ(stat("/mnt/tree/abs", &st), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(stat("/mnt/tree/up", &st), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(stat("/mnt/tree/../../../../var/lib", &st), -1);
	EXPECT_EQ(errno, ENOENT);
	EXPECT_EQ(stat("/mnt/tree/self", &st), -1);
	EXPECT_EQ(errno, ELOOP);
	return KTAP_PASS;
}

static int mapped_file(void)
{
	int fd = open("/mnt/blob", O_RDONLY | O_CLOEXEC);
	uint8_t *map, want[4096];

	EXPECT(fd >= 0);
	map = mmap(NULL, BLOB_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	EXPECT(map != MAP_FAILED);
	for (size_t off = 0; off < BLOB_SIZE; off += sizeof(want)) {
		blob_bytes(want, off, sizeof(want));
		EXPECT(!memcmp(map + off, want, sizeof(want)));
	}
	munmap(map, BLOB_SIZE);
	close(fd);
	return KTAP_PASS;
}

static int read_many(unsigned int start, unsigned int step)
{
	char path[64], buf[64], want[64];

	for (unsigned int i = 0; i < NR_MANY; i++) {
		unsigned int n = (start + i * step) % NR_MANY;
		int fd, len = snprintf(want, sizeof(want), "contents of %u\n", n);
		ssize_t got;

		snprintf(path, sizeof(path), "/mnt/many/%u", n);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		got = read(fd, buf, sizeof(buf));
		close(fd);
		if (got != len || memcmp(buf, want, len))
			return 1;
	}
	return 0;
}

/* Eight readers in different orders, over more files than may stay open on the host. */
static int concurrent_readers(void)
{
	int status, failed = 0;

	for (int i = 0; i < 8; i++) {
		if (!fork())
			_exit(read_many(i * 371, 2 * i + 1 == 3 || 2 * i + 1 == 5 ? 7 : 2 * i + 1));
	}
	while (wait(&status) > 0)
		failed |= status;
	EXPECT_EQ(failed, 0);
	return KTAP_PASS;
}

static int overlay_on_top(void)
{
	char buf[64] = {0};
	int fd;

	mkdir("/tmp/up", 0755);
	mkdir("/tmp/up/upper", 0755);
	mkdir("/tmp/up/work", 0755);
	mkdir("/tmp/merged", 0755);
	EXPECT_EQ(mount("overlay", "/tmp/merged", "overlay", 0,
			"lowerdir=/mnt/tree,upperdir=/tmp/up/upper,workdir=/tmp/up/work"),
		  0);
	fd = open("/tmp/merged/plain", O_WRONLY | O_APPEND | O_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT_EQ(write(fd, "more", 4), 4);
	close(fd);
	fd = open("/tmp/merged/plain", O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(read(fd, buf, sizeof(buf)), 9);
	EXPECT(!memcmp(buf, "plainmore", 9));
	close(fd);
	EXPECT_EQ(unlink("/tmp/merged/hard"), 0);
	EXPECT_EQ(access("/tmp/merged/hard", F_OK), -1);
	EXPECT_EQ(access("/mnt/tree/hard", F_OK), 0);
	EXPECT_EQ(mkdir("/tmp/merged/dir/new", 0755), 0);
	EXPECT_EQ(rename("/tmp/merged/dir/sub/file", "/tmp/merged/dir/moved"), 0);
	EXPECT_EQ(access("/mnt/tree/dir/sub/file", F_OK), 0);
	EXPECT_EQ(umount("/tmp/merged"), 0);
	return KTAP_PASS;
}

static int remounts(void)
{
	struct stat st;

	EXPECT_EQ(umount("/mnt"), 0);
	EXPECT_EQ(stat("/mnt/tree", &st), -1);
	EXPECT_EQ(mount("share", "/mnt", "virtiofs", MS_RDONLY, NULL), 0);
	EXPECT_EQ(stat("/mnt/tree/plain", &st), 0);
	EXPECT_EROFS(open("/mnt/tree/plain", O_WRONLY));
	return KTAP_PASS;
}

static const struct ktap_test guest_tests[] = {
	T(mounts),
	T(wrong_tag_is_refused),
	T(tree_is_identical),
	T(writes_fail),
	T(special_files),
	T(long_names),
	T(large_directory),
	T(hard_links),
	T(extended_attributes),
	T(sparse_file),
	T(links_stay_inside),
	T(mapped_file),
	T(concurrent_readers),
	T(overlay_on_top),
	T(remounts),
};

/* ---- host ---- */

static struct vm vm;
static char share[96];
static uint64_t hash_before;

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != strlen(text))
		vm_die(name);
	close(fd);
}

static int subdir(int dir, const char *name)
{
	int fd;

	mkdirat(dir, name, 0755);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		vm_die(name);
	return fd;
}

static void make_tree(int top)
{
	int tree = subdir(top, "tree"), dir = subdir(tree, "dir"), sub = subdir(dir, "sub");
	int empty = subdir(tree, "empty"), fd;
	char name[256] = {0};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	put(tree, "plain", "plain");
	put(sub, "file", "deep");
	put(tree, "nothing", "");
	put(tree, "new\nline \xc3\xbc", "odd");
	memset(name, 'n', 255);
	put(tree, name, "long");
	linkat(tree, "plain", tree, "hard", 0);
	symlinkat("/etc/passwd", tree, "abs");
	symlinkat("../../../../etc/passwd", tree, "up");
	symlinkat("self", tree, "self");
	symlinkat("dir/sub/file", tree, "good");
	mkfifoat(tree, "fifo", 0640);
	mknodat(tree, "null", S_IFCHR | 0666, makedev(1, 3));
	mknodat(tree, "disk", S_IFBLK | 0600, makedev(259, 70000));
	fchmodat(tree, "good", 0, 0);
	fd = openat(tree, "plain", O_RDWR | O_CLOEXEC);
	if (fchown(fd, 1234, 4321) || fchmod(fd, 04755) || fsetxattr(fd, "user.a", "value", 5, 0) ||
	    fsetxattr(fd, "trusted.secret", "s", 1, 0) ||
	    fsetxattr(empty, "trusted.overlay.opaque", "y", 1, 0))
		vm_die("attributes");
	close(fd);
	fd = openat(sub, "file", O_RDWR | O_CLOEXEC);
	if (fsetxattr(fd, "security.capability", file_caps, sizeof(file_caps), 0))
		vm_die("security.capability");
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/tree/sock", share);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		vm_die(sa.sun_path);
	close(fd);
	close(empty);
	close(sub);
	close(dir);
	close(tree);
}

static void make_bulk(int top)
{
	int large = subdir(top, "large"), many = subdir(top, "many"), fd;
	uint8_t *blob = malloc(BLOB_SIZE);
	char name[64], text[64];

	for (unsigned int i = 0; i < nr_large(); i++) {
		snprintf(name, sizeof(name), "entry-%u", i);
		put(large, name, "");
	}
	for (unsigned int i = 0; i < NR_MANY; i++) {
		snprintf(name, sizeof(name), "%u", i);
		snprintf(text, sizeof(text), "contents of %u\n", i);
		put(many, name, text);
	}
	fd = openat(top, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (pwrite(fd, "far", 3, BIG_OFF) != 3)
		vm_die("sparse");
	close(fd);
	fd = openat(top, "blob", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	blob_bytes(blob, 0, BLOB_SIZE);
	if (write(fd, blob, BLOB_SIZE) != BLOB_SIZE)
		vm_die("blob");
	close(fd);
	free(blob);
	close(large);
	close(many);
}

static int vmm_exits_clean(void)
{
	int st = vm_wait(&vm, 180);

	EXPECT(WIFEXITED(st));
	EXPECT_EQ(WEXITSTATUS(st), 0);
	return KTAP_PASS;
}

static int host_is_unchanged(void)
{
	EXPECT_EQ(hash_tree(share), hash_before);
	return KTAP_PASS;
}

static int nothing_is_left(void)
{
	EXPECT_EQ(access(vm.sock, F_OK), -1);
	return KTAP_PASS;
}

int main(void)
{
	static const struct ktap_test host_tests[] = {T(vmm_exits_clean), T(host_is_unchanged),
						      T(nothing_is_left)};
	char cmdline[128], tree[128];
	int top, results;

	if (getpid() == 1)
		vm_guest_main(guest_tests, ARRAY_SIZE(guest_tests));
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%zu\n", ARRAY_SIZE(guest_tests) + ARRAY_SIZE(host_tests));
	vm_init(&vm);
	snprintf(share, sizeof(share), "%s/share", vm.dir);
	top = subdir(AT_FDCWD, share);
	make_tree(top);
	make_bulk(top);
	close(top);
	snprintf(tree, sizeof(tree), "%s/tree", share);
	snprintf(cmdline, sizeof(cmdline), "tree_hash=%llx nr_large=%u",
		 (unsigned long long)hash_tree(tree), nr_large());
	hash_atime = true;
	hash_before = hash_tree(share);
	results = vm_listen(&vm, VM_PORT_RESULTS);
	vm_start(&vm, share, cmdline);
	vm_relay(&vm, results, 500);
	return vm_finish(&vm, guest_tests, ARRAY_SIZE(guest_tests), host_tests,
			 ARRAY_SIZE(host_tests));
}
