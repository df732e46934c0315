// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-prepatch report`: what a kernel rewrote in itself, byte by byte.  Fails
 * when a byte has no explanation.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "attribute.h"
#include "cmd.h"
#include "image.h"
#include "lib/log.h"
#include "report.h"

struct options {
	bool json;
	const char *html, *v, *p;
};

enum option_id { OPT_JSON = 1, OPT_HTML };

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"html", required_argument, NULL, OPT_HTML},
	{"help", no_argument, NULL, PP_OPT_HELP},
	{},
};

/* Returns 0, or the exit status and sets @done. */
static int parse(int argc, char **argv, struct options *o, bool *done)
{
	int opt;

	*done = true;
	while ((opt = pp_cmd_getopt(&pp_cmd_report, argc, argv, long_options)) != -1) {
		if (opt == PP_OPT_HELP)
			return 0;
		if (opt == '?')
			return PP_EXIT_USAGE;
		if (opt == OPT_JSON)
			o->json = true;
		else
			o->html = optarg;
	}
	if (argc - optind != 2 || (o->json && o->html)) {
		log_err("usage: rund-prepatch report %s", pp_cmd_report.args);
		return PP_EXIT_USAGE;
	}
	o->v = argv[optind];
	o->p = argv[optind + 1];
	*done = false;
	return 0;
}

static int write_html(const struct pp_report *r, const char *path)
{
	FILE *out = fopen(path, "we");
	int ret = 0;

	if (!out)
		return log_errno(-errno, "%s: %m", path);
	errno = 0;
	pp_report_html(r, out);
	/* The first write that failed left its reason, if it was not this one. */
	if (fflush(out) || ferror(out))
		ret = log_errno(-EIO, "%s: %m; the page is not whole", path);
	if (fclose(out) && !ret)
		ret = log_errno(-EIO, "%s: %m; the page is not whole", path);
	return ret;
}

static int print(const struct pp_report *r, const struct options *o)
{
	uint64_t strays = r->m->owner[PP_UNATTRIBUTED].bytes;
	int ret = 0;

	if (o->html)
		ret = write_html(r, o->html);
	else if (o->json)
		ret = pp_report_json(r, stdout);
	else
		pp_report_text(r, stdout);
	if (!ret && strays)
		ret = log_errno(-EUCLEAN,
				"kernel %s: %llu changed bytes are in none of the kernel's tables; "
				"find out who writes them, or give the vmlinux it is made from",
				r->p->path, (unsigned long long)strays);
	return ret;
}

static int report(const struct options *o)
{
	struct pp_image v = {0}, p = {0};
	struct pp_model m = {0};
	struct pp_report r = {&v, &p, &m};
	int ret = pp_image_open(&v, o->v);

	if (!ret)
		ret = pp_image_load_symbols(&v);
	if (!ret)
		ret = pp_image_open(&p, o->p);
	if (!ret)
		ret = pp_attribute(&v, &p, &m);
	if (!ret)
		ret = print(&r, o);
	pp_model_free(&m);
	pp_image_close(&p);
	pp_image_close(&v);
	return ret ? PP_EXIT_FAILURE : 0;
}

static int run(int argc, char **argv)
{
	struct options o = {0};
	bool done;
	int status = parse(argc, argv, &o, &done);

	return done ? status : report(&o);
}

const struct pp_cmd pp_cmd_report = {
	.name = "report",
	.args = "[--json | --html FILE] VMLINUX PREPATCHED",
	.summary = "Explain what a kernel rewrote in its text and read-only data",
	.help = "VMLINUX is a kernel as it was linked, with its symbol table; PREPATCHED is the\n"
		"same with the text and read-only data that it had after it patched itself.\n"
		"Each byte that differs is put down to the mechanism and the symbol that it\n"
		"belongs to.  If one belongs to none, the exit status is 1.\n\n"
		"  --json       JSON on standard output, with all symbols\n"
		"  --html FILE  a page with a map of the changed pages\n"
		"  --help\n",
	.run = run,
};
