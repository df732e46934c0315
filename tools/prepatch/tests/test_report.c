// SPDX-License-Identifier: GPL-2.0-only
/*
 * The forms of the report: they say what the model says, the same each time, and
 * a name in a file stays a name.  The exit statuses of the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "cmd.h"
#include "lib/log.h"
#include "model.h"
#include "report.h"

#define EVIL	   "<b>&\"'\x1b\n"
#define EVIL_SHOWN "<b>&\"'??"
#define EVIL_HTML  "&#60;b&#62;&#38;&#34;&#39;??"

static struct pair t;
static struct pp_report report = {&t.vi, &t.pi, &t.m};

/* A bit of everything, with a hostile name where each kind of it can be. */
static void change_much(void)
{
	synth_begin(&t.v);
	synth_symbol(&t.v, EVIL, BASE + 0x800, STB_GLOBAL, STT_OBJECT);
	synth_symbol(&t.v, EVIL, BASE + 0x1000, STB_GLOBAL, STT_OBJECT);
	synth_alt(&t.v, S(S_FREE), 3, 4);
	synth_alt(&t.v, S(S_FREE), 2 * 32 + 7, 4);
	synth_alt(&t.v, S(S_FREE), (40 | 1 << 16), 4);
	synth_alt(&t.v, S(S_FREE), 64 + 2, 4);
	strcpy((char *)synth_at(&t.v, STRINGS), "<i>x"); /* "three" */
	synth_finish(&t.v);
	synth_patched(&t.v, &t.p);
	synth_flip(&t.p, S(S_FREE), 4);
	synth_flip(&t.p, S(S_ENDBR), 4);
	synth_flip(&t.p, S(S_JUMP32), 5);
	synth_flip(&t.p, S(S_PTR), 8);
	synth_flip(&t.p, S(S_PTR) + 0x20, 8);
	synth_flip(&t.p, RO_INIT, 3);
	synth_flip(&t.p, BASE + 0x8f0, 2);
	*synth_at(&t.p, S(S_LOCK)) = 0x3e;
}

static char *printed(void (*print)(const struct pp_report *r, FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	print(&report, out);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), len);
	return text;
}

static void print_json(const struct pp_report *r, FILE *out)
{
	assert_int_equal(pp_report_json(r, out), 0);
}

static struct json_object *get(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	assert_true(json_object_object_get_ex(o, key, &v));
	return v;
}

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(get(o, key));
}

static int64_t sum(struct json_object *list, const char *key)
{
	int64_t n = 0;

	for (size_t i = 0; i < json_object_array_length(list); i++)
		n += number(json_object_array_get_idx(list, i), key);
	return n;
}

static const char *string_of(struct json_object *list, size_t i, const char *key)
{
	return json_object_get_string(get(json_object_array_get_idx(list, i), key));
}

static void json(void **state)
{
	struct json_object *o, *mechs, *strays;
	char *text;

	change_much();
	assert_int_equal(pair_model(&t), 0);
	text = printed(print_json);
	o = json_tokener_parse(text);
	assert_non_null(o);
	assert_int_equal(number(o, "text_rodata_kib"), (TEXT_SIZE + 0x2000) / 1024);
	assert_int_equal(number(o, "pages"), 5);
	assert_int_equal(number(o, "pages_changed"), 3);
	assert_int_equal(number(o, "pages_open"), 2);
	assert_int_equal(number(o, "changed_bytes"), 35);
	assert_int_equal(number(o, "unattributed_bytes"), 2);

	mechs = get(o, "mechanisms");
	assert_int_equal(json_object_array_length(mechs), PP_NR_MECHS);
	assert_int_equal(sum(mechs, "changed_bytes") + 2, 35);
	for (size_t i = 0; i < PP_NR_MECHS; i++) {
		struct json_object *m = json_object_array_get_idx(mechs, i);

		assert_string_equal(string_of(mechs, i, "name"), pp_mechs[i].name);
		assert_int_equal(number(m, "sites"), t.m.owner[i].sites);
		assert_int_equal(number(m, "sites_changed"), t.m.owner[i].sites_changed);
		assert_int_equal(number(m, "pages_changed"), t.m.owner[i].pages_changed);
		assert_int_equal(sum(get(m, "symbols"), "changed_bytes"),
				 number(m, "changed_bytes"));
	}
	strays = get(o, "unattributed");
	assert_int_equal(json_object_array_length(strays), 1);
	assert_int_equal(number(o, "unattributed_runs"), 1);
	assert_string_equal(string_of(strays, 0, "address"), "0xffffffff810008f0");
	assert_string_equal(string_of(strays, 0, "symbol"), EVIL_SHOWN "+0xf0");
	json_object_put(o);
	free(text);
	pair_close(&t);
}

static void json_features(void **state)
{
	static const struct {
		const char *name;
		int number;
		bool not ;
	} want[] = {
		{"<i>x", 3}, {"forty", 40}, {"!forty", 40, true}, {"bug_two", 66}, {"2*32+7", 71},
	};
	struct json_object *o, *list;
	char *text;

	change_much();
	assert_int_equal(pair_model(&t), 0);
	text = printed(print_json);
	o = json_tokener_parse(text);
	list = get(o, "features");
	assert_int_equal(json_object_array_length(list), 5);
	for (size_t i = 0; i < 5; i++) {
		struct json_object *f = json_object_array_get_idx(list, i);

		assert_string_equal(string_of(list, i, "name"), want[i].name);
		assert_int_equal(number(f, "number"), want[i].number);
		assert_int_equal(json_object_get_boolean(get(f, "not")), want[i].not );
	}
	assert_int_equal(number(json_object_array_get_idx(list, 0), "sites"), 2);
	assert_int_equal(number(json_object_array_get_idx(list, 0), "changed_bytes"), 4);
	json_object_put(o);
	free(text);
	pair_close(&t);
}

/* Names that are no names: longer than any, not printable, outside. */
static void feature_names(void **state)
{
	char name[PP_NAME_MAX];
	uint64_t outside = 0x1000;

	pair_begin(&t);
	memset(synth_at(&t.v, RO + 0x900), 'x', 200);
	synth_set(&t.v, CAP_FLAGS + 8 * 4, &(uint64_t){RO + 0x900}, 8);
	synth_set(&t.v, CAP_FLAGS + 8 * 5, &(uint64_t){STRINGS + 5}, 8); /* empty */
	synth_set(&t.v, CAP_FLAGS + 8 * 6, &outside, 8);
	synth_set(&t.v, RO + 0xa00, "a\nb", 4);
	synth_set(&t.v, CAP_FLAGS + 8 * 7, &(uint64_t){RO + 0xa00}, 8);
	synth_set(&t.v, RO + 0xb00, "behind", 7);
	synth_set(&t.v, BUG_FLAGS + 8 * 32, &(uint64_t){RO + 0xb00}, 8);
	synth_patched(&t.v, &t.p);
	assert_int_equal(pair_model(&t), 0);
	assert_string_equal(pp_feature_name(&t.vi, 66, name), "bug_two");
	assert_string_equal(pp_feature_name(&t.vi, 64 + 32, name), "3*32+0");
	for (int i = 4; i < 8; i++) {
		char want[32];

		snprintf(want, sizeof(want), "0*32+%d", i);
		assert_string_equal(pp_feature_name(&t.vi, i, name), want);
	}
	assert_string_equal(pp_feature_name(&t.vi, 0xffff | PP_FEATURE_NOT, name), "!2047*32+31");
	pair_close(&t);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

static void html(void **state)
{
	char *text;

	change_much();
	assert_int_equal(pair_model(&t), 0);
	text = printed(pp_report_html);
	/* as a symbol of two mechanisms, a place, and in a tooltip of each map */
	assert_null(strstr(text, "<b>"));
	assert_null(strstr(text, "<i>"));
	assert_int_equal(count(text, EVIL_HTML "</code>"), 2);
	assert_int_equal(count(text, EVIL_HTML "+0xf0</code>"), 1);
	assert_int_equal(count(text, "0xffffffff81001000 " EVIL_HTML "+0x0"), 2);
	assert_int_equal(count(text, EVIL_HTML), 5);
	assert_int_equal(count(text, "&#60;i&#62;x"), 1); /* a feature */
	assert_null(strchr(text, '\x1b'));
	/* five pages; two that are open; a frame for each area of each map */
	assert_int_equal(count(text, "<rect "), 5 + 2 + 4);
	assert_int_equal(count(text, "<title>0x"), 5 + 2);
	assert_int_equal(count(text, "class=\"hollow\""), 2);
	assert_int_equal(count(text, "<svg "), 2);
	assert_non_null(strstr(text, "Rewritten at each boot, as built"));
	assert_non_null(strstr(text, "Sites that the kernel may still write: 2 pages"));
	assert_non_null(strstr(
		text,
		"<title>0xffffffff81000000 func_0+0x0&#10;endbr_seal: 4&#10;"
		"smp_lock: 1&#10;runtime_const: 16&#10;jump_label: 5&#10;unattributed: 2</title>"));
	assert_int_equal(count(text, EVIL_HTML "+0x0&#10;static_call</title>"), 1);
	/* it needs no other file and runs nothing */
	assert_null(strstr(text, "http"));
	assert_null(strstr(text, "src="));
	assert_null(strstr(text, "<script"));
	free(text);
	pair_close(&t);
}

/* What most of a page's bytes are, and red for what nobody wrote. */
static void colours(void **state)
{
	char want[64], *text;

	pair_begin(&t);
	synth_flip(&t.p, S(S_ENDBR), 4);
	synth_flip(&t.p, S(S_JUMP32), 5);
	synth_flip(&t.p, BASE + 0x2000, 1);
	assert_int_equal(pair_model(&t), 0);
	text = printed(pp_report_html);
	snprintf(want, sizeof(want), "fill=\"%s\"><title>0x%llx ", pp_mechs[PP_JUMP_LABEL].colour,
		 BASE);
	assert_int_equal(count(text, want), 2); /* and S_JUMP8 in the second map */
	snprintf(want, sizeof(want), "fill=\"%s\"><title>0x%llx ", pp_mechs[PP_UNATTRIBUTED].colour,
		 BASE + 0x2000);
	assert_int_equal(count(text, want), 1);
	snprintf(want, sizeof(want), "fill=\"%s\"><title>0x%llx ", pp_mechs[PP_STATIC_CALL].colour,
		 BASE + 0x1000); /* in the second map */
	assert_int_equal(count(text, want), 1);
	snprintf(want, sizeof(want), "fill=\"%s\"><title>0x%llx ", PP_COLOUR_UNCHANGED, RO);
	assert_int_equal(count(text, want), 1);
	free(text);
	pair_close(&t);
}

static void text(void **state)
{
	char *out;

	change_much();
	assert_int_equal(pair_model(&t), 0);
	out = printed(pp_report_text);
	assert_non_null(strstr(out, "text and read-only data: 20 KiB, 5 pages\n"));
	assert_non_null(strstr(out, "35 bytes, in 3 pages (12 KiB)\n"));
	assert_non_null(strstr(out, "\nendbr_seal             1         1         1         4\n"));
	assert_non_null(strstr(out, "\nunattributed           0         0         1         2\n"));
	assert_non_null(strstr(out, "0xffffffff810008f0  " EVIL_SHOWN "+0xf0\n"));
	assert_non_null(strstr(out, "\n        4  " EVIL_SHOWN "\n"));
	free(out);
	pair_close(&t);
}

static void top(void **state)
{
	static struct pp_symbol sym[16];
	static const unsigned int bytes[16] = {1, 5, 3, 5, 2, 9, 1, 1, 1, 1, 4, 1, 6, 1, 5, 1};
	static const int want[PP_TOP] = {5, 12, 1, 3, 14, 10, 2, 4, 0, 6};
	const struct pp_symbol_bytes *best[PP_TOP];
	struct pp_symbol_bytes rows[16];
	struct pp_owner o = {.symbols = rows, .nr_symbols = 16};

	for (int i = 0; i < 16; i++)
		rows[i] = (struct pp_symbol_bytes){&sym[i], bytes[i]};
	assert_int_equal(pp_report_top(&o, best), PP_TOP);
	for (int i = 0; i < PP_TOP; i++)
		assert_ptr_equal(best[i], &rows[want[i]]);
	o.nr_symbols = 3;
	assert_int_equal(pp_report_top(&o, best), 3);
	assert_ptr_equal(best[0], &rows[1]);
	o.nr_symbols = 0;
	assert_int_equal(pp_report_top(&o, best), 0);
}

static void deterministic(void **state)
{
	void (*const forms[])(const struct pp_report *r, FILE *out) = {pp_report_text, print_json,
								       pp_report_html};

	change_much();
	for (size_t i = 0; i < 3; i++) {
		char *a, *b;

		assert_int_equal(pair_model(&t), 0);
		a = printed(forms[i]);
		pair_close(&t);
		assert_int_equal(pair_model(&t), 0);
		b = printed(forms[i]);
		pair_close(&t);
		assert_string_equal(a, b);
		free(a);
		free(b);
	}
}

static char message[512];

/* The command; what it says goes to @message, and what it prints nowhere. */
static int command(int argc, char **argv)
{
	int null = open("/dev/null", O_WRONLY), log = memfd_create("log", MFD_CLOEXEC);
	int out = dup(1), err = dup(2), status;
	ssize_t n;

	fflush(stdout);
	dup2(null, 1);
	dup2(log, 2);
	log_init("test", LOG_LEVEL_ERROR);
	optind = 0;
	status = pp_cmd_report.run(argc, argv);
	log_init("test", LOG_LEVEL_NONE);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	n = pread(log, message, sizeof(message) - 1, 0);
	message[n > 0 ? n : 0] = '\0';
	close(null);
	close(log);
	close(out);
	close(err);
	return status;
}

#define RUN(...)                                                      \
	({                                                            \
		char *_argv[] = {"report", __VA_ARGS__, NULL};        \
		command(sizeof(_argv) / sizeof(_argv[0]) - 1, _argv); \
	})

static void exit_status(void **state)
{
	char file[] = "/tmp/prepatch-report-XXXXXX";
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	pair_begin(&t);
	synth_flip(&t.p, S(S_ENDBR), 4);
	assert_int_equal(pair_model(&t), 0);
	assert_int_equal(RUN(t.v_path, t.p_path), 0);
	assert_int_equal(RUN("--json", t.v_path, t.p_path), 0);
	assert_int_equal(RUN("--html", file, t.v_path, t.p_path), 0);
	assert_true(lseek(fd, 0, SEEK_END) > 0);
	assert_int_equal(RUN("--help"), 0);

	assert_int_equal(RUN(t.v_path), 2);
	assert_int_equal(RUN(t.v_path, t.p_path, t.p_path), 2);
	assert_int_equal(RUN("--json", "--html", file, t.v_path, t.p_path), 2);
	assert_int_equal(RUN("--html"), 2);
	assert_int_equal(RUN("--what", t.v_path, t.p_path), 2);

	assert_int_equal(RUN("/nonexistent", t.p_path), 1);
	assert_int_equal(RUN(t.v_path, "/nonexistent"), 1);
	assert_int_equal(RUN(t.p_path, t.v_path), 1);
	assert_non_null(strstr(message, "no symbol table; give the unstripped vmlinux"));
	assert_int_equal(RUN("--html", "/nonexistent/page", t.v_path, t.p_path), 1);
	assert_int_equal(RUN("--html", "/dev/full", t.v_path, t.p_path), 1);
	pair_close(&t);

	/* one byte that nobody wrote */
	synth_flip(&t.p, S(S_FREE), 1);
	assert_int_equal(pair_model(&t), 0);
	assert_int_equal(RUN(t.v_path, t.p_path), 1);
	assert_non_null(strstr(message, "1 changed bytes are in none"));
	assert_int_equal(RUN("--json", t.v_path, t.p_path), 1);
	assert_int_equal(RUN("--html", file, t.v_path, t.p_path), 1);
	pair_close(&t);
	close(fd);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json),		 cmocka_unit_test(json_features),
		cmocka_unit_test(feature_names), cmocka_unit_test(html),
		cmocka_unit_test(colours),	 cmocka_unit_test(text),
		cmocka_unit_test(top),		 cmocka_unit_test(deterministic),
		cmocka_unit_test(exit_status),
	};

	log_init("test_report", LOG_LEVEL_NONE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
