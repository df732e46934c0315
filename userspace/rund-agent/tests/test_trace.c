// SPDX-License-Identifier: GPL-2.0-only
/*
 * What trace makes of the kernel's text files, and what it prints.
 */
#include "test.h"

#include "json.h"
#include "tracereport.h"
#include "tracesyms.h"

static void write_temp(char *path, const char *text)
{
	int fd;

	strcpy(path, "/tmp/rund-test.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_ksyms(void **state)
{
	static const char text[] = "ffffffff81000000 T _stext\n"
				   "ffffffff82345678 D cgroup_mutex\n"
				   "\n"
				   "garbage\n"
				   "ffffffff82000001 d css_set_lock_not\n"
				   "ffffffffc0000000 d css_set_lock\t[evil]\n"
				   "0000000000000000 b hidden";
	struct ra_ksym syms[] = {{"cgroup_mutex"}, {"css_set_lock"}, {"hidden"}, {"none"}};
	char path[64];

	write_temp(path, text);
	assert_int_equal(ra_ksyms_read(path, syms, NR(syms)), 0);
	unlink(path);
	assert_true(syms[0].found);
	assert_true(syms[0].addr == 0xffffffff82345678);
	assert_false(syms[1].found); /* a module's is not the kernel's */
	assert_true(syms[2].found);
	assert_true(syms[2].addr == 0);
	assert_false(syms[3].found);
	assert_int_equal(ra_ksyms_read(path, syms, NR(syms)), -ENOENT);
}

static void test_field(void **state)
{
	static const char format[] =
		"name: sched_process_fork\nID: 300\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n"
		"\n"
		"\tfield:char parent_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
		"\tfield:pid_t parent_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
		"\tfield:pid_t child_pid;\toffset:44;\tsize:4;\tsigned:1;\n"
		"\nprint fmt: \"pid=%d child_pid=%d\", REC->parent_pid, REC->child_pid\n";

	assert_int_equal(ra_trace_field(format, "child_pid"), 44);
	assert_int_equal(ra_trace_field(format, "parent_pid"), 24);
	assert_int_equal(ra_trace_field(format, "common_type"), 0);
	assert_int_equal(ra_trace_field(format, "pid"), -ENOENT);
	assert_int_equal(ra_trace_field(format, "child"), -ENOENT);
	assert_int_equal(ra_trace_field("", "pid"), -ENOENT);
	assert_int_equal(ra_trace_field("field:int pid", "pid"), -ENOENT);
}

static void test_percentile(void **state)
{
	struct trace_stat s = {0};

	assert_int_equal(ra_trace_percentile(&s, 50), 0);
	s.waits = 1;
	s.bucket[10] = 1;
	s.max_ns = 1030;
	assert_int_equal(ra_trace_percentile(&s, 1), 1030); /* never above the longest */
	assert_int_equal(ra_trace_percentile(&s, 100), 1030);
	s.waits = 100;
	s.bucket[10] = 99;
	s.bucket[20] = 1;
	s.max_ns = 1500000;
	assert_int_equal(ra_trace_percentile(&s, 50), 2047);
	assert_int_equal(ra_trace_percentile(&s, 99), 2047);
	assert_int_equal(ra_trace_percentile(&s, 100), 1500000);
	memset(&s, 0, sizeof(s));
	s.waits = 1;
	s.bucket[TRACE_BUCKETS - 1] = 1; /* which has no end */
	s.max_ns = UINT64_MAX;
	assert_true(ra_trace_percentile(&s, 50) == UINT64_MAX);
}

static void test_format_ns(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} t[] = {
		{0, "0 ns"},
		{999, "999 ns"},
		{1000, "1.00 us"},
		{9994, "9.99 us"},
		{9996, "10.0 us"},
		{99960, "100 us"},
		{999400, "999 us"},
		{999600, "1.00 ms"},
		{1234567, "1.23 ms"},
		{UINT64_C(45600000000), "45.6 s"},
		{UINT64_C(12345600000000), "12346 s"},
	};
	char buf[32];

	for (int i = 0; i < NR(t); i++) {
		ra_trace_format_ns(t[i].ns, buf, sizeof(buf));
		assert_string_equal(buf, t[i].text);
	}
}

static struct ra_waiter waiters[] = {
	{.comm = "sixteen letters!", TRACE_ROW_CGROUP_MUTEX, {3, 3000}},
	{.comm = "\033[31m\"x", TRACE_ROW_KERNFS_READ, {1, 10}},
};

static struct ra_launch_waits launches[] = {
	{.pid = 10, .vmm = 12, .slots = 1, .ns = 5000000, .row[0] = {1, 4000}},
	{.pid = 20, .vmm = 22, .ns = 7000000, .row[0] = {2, 8000}},
};

static const struct ra_trace_result sample = {
	.ns = UINT64_C(2500000000),
	.has_chosen = true,
	.has_slots = true,
	.stat[TRACE_SYSTEM][TRACE_ROW_CGROUP_MUTEX] =
		{.waits = 4, .ns = 12000, .max_ns = 5000, .bucket[11] = 3, .bucket[12] = 1},
	.waiters = waiters,
	.nr_waiters = NR(waiters),
	.launches = launches,
	.nr_launches = NR(launches),
};

/* What a printer prints, to be freed. */
static char *printed(const struct ra_trace_result *r, bool json)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	if (json)
		assert_int_equal(ra_trace_json(r, out), 0);
	else
		ra_trace_table(r, out);
	fclose(out);
	return text;
}

static void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in\n%s", part, text);
}

static void test_table(void **state)
{
	struct ra_trace_result r = sample;
	char *text = printed(&r, false);

	expect_text(text, "traced 2.5 s\n");
	expect_text(text, "cgroup_mutex                              4    12.0 us    3.00 us    "
			  "4.09 us    5.00 us    5.00 us\n");
	expect_text(text, "the chosen processes");
	expect_text(text, "2 launches, 1 with a slot of lwcg.ko\n");
	expect_text(text, "cgroup_mutex                           1.50    6.00 us    8.00 us\n");
	expect_text(text, "sixteen letters! cgroup_mutex ");
	expect_text(text, "?[31m\"x ");
	assert_null(strstr(text, "not counted"));
	free(text);
	r.has_chosen = false;
	r.nr_launches = 0;
	r.nr_waiters = 0;
	r.lost = 7;
	r.spin = RA_SPIN_HIDDEN;
	text = printed(&r, false);
	assert_null(strstr(text, "chosen"));
	assert_null(strstr(text, "launch"));
	assert_null(strstr(text, "who waited"));
	expect_text(text, "css_set_lock do not show");
	expect_text(text, "7 waits or tasks were not counted");
	free(text);
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v;

	assert_true(json_object_object_get_ex(o, key, &v));
	return v;
}

static void test_json(void **state)
{
	char *text = printed(&sample, true);
	struct json_object *o = ra_json_parse(text, strlen(text)), *row, *list;
	char buf[64];
	int64_t n;

	assert_non_null(o);
	assert_int_equal(ra_json_str(o, "spinlocks", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "queued");
	row = json_object_array_get_idx(get(o, "system"), 0);
	assert_int_equal(ra_json_str(row, "lock", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "cgroup_mutex");
	assert_int_equal(ra_json_int(row, "waits", 4, 4, &n), 0);
	assert_int_equal(ra_json_int(row, "total_ns", 12000, 12000, &n), 0);
	assert_int_equal(ra_json_int(row, "p50_ns", 4095, 4095, &n), 0);
	assert_int_equal(json_object_array_length(get(row, "log2_ns")), 13);
	assert_int_equal(json_object_array_length(get(o, "chosen")), TRACE_NR_ROWS);
	list = get(o, "launches");
	assert_int_equal(json_object_array_length(list), 2);
	row = json_object_array_get_idx(list, 1);
	assert_int_equal(ra_json_int(row, "vmm", 22, 22, &n), 0);
	assert_int_equal(ra_json_int(row, "slots", 0, 0, &n), 0);
	row = json_object_array_get_idx(get(row, "locks"), 0);
	assert_int_equal(ra_json_int(row, "total_ns", 8000, 8000, &n), 0);
	row = json_object_array_get_idx(get(o, "waiters"), 1);
	assert_int_equal(ra_json_str(row, "command", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "?[31m\"x");
	json_object_put(o);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ksyms),	   cmocka_unit_test(test_field),
		cmocka_unit_test(test_percentile), cmocka_unit_test(test_format_ns),
		cmocka_unit_test(test_table),	   cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
