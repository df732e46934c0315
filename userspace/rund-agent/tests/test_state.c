// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.json and the directories it lies in: round trips, corrupt files, and who
 * owns what.
 */
#include "test.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include "json.h"
#include "lib/io.h"
#include "rundir.h"
#include "state.h"
#include "sweep.h"

static char top[256];

static int setup(void **state)
{
	make_dir(top, sizeof(top));
	setenv("RUND_STATE_DIR", top, 1);
	return 0;
}

static int teardown(void **state)
{
	remove_tree(top);
	return 0;
}

static void fill(struct ra_state *st)
{
	memset(st, 0, sizeof(*st));
	strcpy(st->name, "box");
	st->status = RA_RUNNING;
	st->monitor = 11;
	st->vmm = 12;
	st->detached = true;
	st->mem = 1 << 30;
	st->memory_max = UINT64_C(3) << 40;
	st->cpus = 3;
	st->cgroup_id = 0xfedcba9876543210;
	st->created = 1700000000;
	strcpy(st->cgroup_kind, "lwcg");
	strcpy(st->cgroup, "/sys/fs/cgroup/rund/box");
	strcpy(st->error, "quotes \" and \\ and \n");
	st->command = json_object_new_array();
	json_object_array_add(st->command, json_object_new_string("sh"));
	json_object_array_add(st->command, json_object_new_string("\xff not UTF-8"));
}

static void test_round_trip(void **state)
{
	int dir = open(top, O_RDONLY | O_DIRECTORY);
	struct ra_state a, b;

	fill(&a);
	assert_int_equal(ra_state_write(dir, &a), 0);
	assert_int_equal(ra_state_read(dir, &b), 0);
	assert_string_equal(a.name, b.name);
	assert_int_equal(a.status, b.status);
	assert_int_equal(a.vmm, b.vmm);
	assert_true(b.detached);
	assert_int_equal(a.memory_max, b.memory_max);
	assert_true(a.cgroup_id == b.cgroup_id);
	assert_int_equal(a.created, b.created);
	assert_string_equal(a.error, b.error);
	assert_true(json_object_equal(a.command, b.command));
	ra_state_free(&a);
	ra_state_free(&b);
	close(dir);
}

static void put_text(int dir, const char *text, size_t len)
{
	int fd = openat(dir, "state.json", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void test_corrupt(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"null",
		"[]",
		"7",
		"\"x\"",
		"{}",
		"{}{}",
		"{\"name\":7}",
		"{\"name\":\"x\",\"state\":\"flying\"}",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
	};
	int dir = open(top, O_RDONLY | O_DIRECTORY);
	struct ra_state st;

	unlinkat(dir, "state.json", 0);
	assert_int_equal(ra_state_read(dir, &st), -ENOENT);
	for (int i = 0; i < NR(texts); i++) {
		put_text(dir, texts[i], strlen(texts[i]));
		assert_int_equal(ra_state_read(dir, &st), -EBADMSG);
		ra_state_free(&st);
	}
	close(dir);
}

/* Any one byte changed or missing: refused or read, never a crash. */
static void test_mutations(void **state)
{
	int dir = open(top, O_RDONLY | O_DIRECTORY), refused = 0;
	uint64_t seed = 7;
	struct ra_state st;
	char *text, *copy;
	ssize_t len;

	fill(&st);
	assert_int_equal(ra_state_write(dir, &st), 0);
	ra_state_free(&st);
	len = io_read_file(dir, "state.json", 1 << 16, &text);
	assert_true(len > 0);
	copy = malloc(len);
	for (int i = 0; i < 5000; i++) {
		memcpy(copy, text, len);
		copy[rnd(&seed) % len] = rnd(&seed);
		put_text(dir, copy, rnd(&seed) % 4 ? len : rnd(&seed) % len);
		refused += ra_state_read(dir, &st) == -EBADMSG;
		ra_state_free(&st);
	}
	assert_in_range(refused, 1000, 5000);
	free(copy);
	free(text);
	close(dir);
}

static void test_names_are_taken_once(void **state)
{
	struct ra_dir a = RA_DIR_NONE, b = RA_DIR_NONE;
	int base = ra_rundir_open(true);

	assert_true(base >= 0);
	assert_int_equal(ra_dir_create(base, "one", &a), 0);
	assert_int_equal(ra_dir_create(base, "one", &b), -EEXIST);
	assert_int_equal(ra_dir_claim(base, "one", &b), -EBUSY);
	assert_int_equal(b.fd, -1);
	assert_int_equal(ra_dir_claim(base, "two", &b), -ENOENT);
	assert_false(ra_sweep_one(base, "one"));
	assert_int_equal(ra_dir_remove(base, "one", &a), 0);
	assert_true(ra_sweep_one(base, "one"));
	close(base);
}

/* What a killed agent leaves: directories, with or without this or that in them. */
static void test_sweep(void **state)
{
	struct ra_dir dir = RA_DIR_NONE;
	int base = ra_rundir_open(true);
	struct ra_state st;

	assert_int_equal(mkdirat(base, "bare", 0700), 0);
	assert_int_equal(ra_dir_create(base, "plain", &dir), 0);
	ra_dir_release(&dir);
	assert_int_equal(ra_dir_create(base, "kept", &dir), 0);
	fill(&st);
	strcpy(st.name, "kept");
	assert_int_equal(ra_state_write(dir.fd, &st), 0);
	ra_state_free(&st);
	ra_dir_release(&dir);
	assert_int_equal(ra_dir_create(base, "alive", &dir), 0);
	ra_sweep();
	assert_int_equal(faccessat(base, "bare", F_OK, 0), -1);
	assert_int_equal(faccessat(base, "plain", F_OK, 0), -1);
	assert_int_equal(faccessat(base, "alive", F_OK, 0), 0);
	ra_dir_remove(base, "alive", &dir);
	assert_int_equal(ra_dir_claim(base, "kept", &dir), 0);
	assert_int_equal(ra_state_read(dir.fd, &st), 0);
	assert_int_equal(st.status, RA_LOST);
	ra_state_free(&st);
	ra_sweep(); /* busy: we hold it */
	assert_int_equal(ra_dir_remove(base, "kept", &dir), 0);
	close(base);
}

/*
 * Many processes take, sweep and give back the same few names.  Those that hold
 * them may be kept from running while another makes all its rounds.
 */
static void contend(int who)
{
	int base = ra_rundir_open(true), got = 0;

	alarm(300); /* but not for ever */
	for (int i = 0; i < 300 || !got; i++) {
		struct ra_dir dir = RA_DIR_NONE;
		char name[16];

		snprintf(name, sizeof(name), "n%d", (i + who) % 3);
		if (!ra_dir_create(base, name, &dir)) {
			got++;
			if (i % 7)
				ra_dir_remove(base, name, &dir);
			else
				ra_dir_release(&dir); /* as if killed */
		}
		if (i % 5 == who % 5)
			ra_sweep();
	}
	_exit(0);
}

static void test_contention(void **state)
{
	int base = ra_rundir_open(true), status;

	for (int i = 0; i < 8; i++) {
		if (!fork())
			contend(i);
	}
	for (int i = 0; i < 8; i++) {
		wait(&status);
		assert_int_equal(status, 0);
	}
	ra_sweep();
	for (int i = 0; i < 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(faccessat(base, name, F_OK, 0), -1);
	}
	close(base);
}

static void test_rundir_must_be_private(void **state)
{
	int saved = mute_stderr();

	chmod(top, 0755);
	assert_int_equal(ra_rundir_open(true), -EPERM);
	chmod(top, 0700);
	unmute_stderr(saved);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_names_are_taken_once),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_contention),
		cmocka_unit_test(test_rundir_must_be_private),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
