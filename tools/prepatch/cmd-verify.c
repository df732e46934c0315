// SPDX-License-Identifier: GPL-2.0-only
/*
 * `rund-prepatch verify`: boot an image and prove that nobody writes to its text
 * and read-only data.  KVM's dirty log is the judge.  When it has pages, the
 * image is booted again with them read-only, to learn who wrote first.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attribute.h"
#include "cmd.h"
#include "image.h"
#include "lib/cleanup.h"
#include "lib/io.h"
#include "lib/log.h"
#include "machine.h"
#include "report.h"
#include "sites.h"
#include "usage.h"

#define PAGE	   4096ULL
#define MAX_WRITES 16

/* The first writes that were trapped, one a page. */
struct writes {
	pthread_mutex_t lock;
	struct vm *vm;
	struct {
		uint64_t rip, gpa;
	} v[MAX_WRITES];
	unsigned int nr;
};

struct options {
	struct pp_machine_opts machine;
	bool json;
};

/* What is watched: physical, and the same as linked. */
struct areas {
	struct watch_range range[WATCH_MAX_RANGES];
	uint64_t offset; /* virtual minus physical */
};

enum option_id { OPT_JSON = 1, OPT_INITRD, OPT_CMDLINE, OPT_CPUS, OPT_MEM, OPT_TIMEOUT };

static const struct option long_options[] = {
	{"json", no_argument, NULL, OPT_JSON},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"cmdline", required_argument, NULL, OPT_CMDLINE},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"mem", required_argument, NULL, OPT_MEM},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"help", no_argument, NULL, PP_OPT_HELP},
	{},
};

static int parse_cpus(const char *text, unsigned int *cpus)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (end == text || *end || v < 1 || v > VM_MAX_VCPUS)
		return log_errno(-EINVAL, "--cpus %s: give 1 to %d", text, VM_MAX_VCPUS);
	*cpus = v;
	return 0;
}

static int parse_one(struct options *o, int opt)
{
	switch (opt) {
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_INITRD:
		o->machine.initrd = optarg;
		return 0;
	case OPT_CMDLINE:
		o->machine.cmdline = optarg;
		return 0;
	case OPT_CPUS:
		return parse_cpus(optarg, &o->machine.cpus);
	case OPT_TIMEOUT:
		return pp_parse_seconds(optarg, &o->machine.seconds);
	case OPT_MEM:
		if (io_parse_size(optarg, &o->machine.mem) || o->machine.mem % PAGE)
			return log_errno(-EINVAL, "--mem %s: give a size such as 128M", optarg);
		return 0;
	}
	return -EINVAL;
}

static int find_areas(const struct pp_image *img, struct areas *a)
{
	static const char *const names[][2] = {{"_text", "_etext"},
					       {"__start_rodata", "__end_rodata"}};

	for (unsigned int i = 0; i < 2; i++) {
		const struct pp_segment *s;
		struct pp_range r;
		int ret = pp_image_range(img, names[i][0], names[i][1], &r);

		if (ret)
			return ret == -ENOENT ? pp_image_bad(img, "no symbol %s", names[i][0])
					      : ret;
		s = pp_image_segment(img, r.start, 1);
		if (!s)
			return pp_image_bad(img, "%s is in no segment", names[i][0]);
		a->offset = s->vaddr - s->paddr;
		a->range[i].start = (r.start - a->offset) & ~(PAGE - 1);
		a->range[i].end = (r.end - a->offset + PAGE - 1) & ~(PAGE - 1);
	}
	return 0;
}

static void set_watch(struct vm_config *cfg, const struct options *o, const struct areas *a,
		      enum watch_mode mode)
{
	/* A guest with a user space goes on to its end, any other to the freeze point. */
	cfg->freeze = o->machine.initrd ? FREEZE_NOTE : FREEZE_STOP;
	cfg->watch.mode = mode;
	memcpy(cfg->watch.range, a->range, sizeof(a->range));
	cfg->watch.nr = WATCH_MAX_RANGES;
}

static void on_write(void *priv, uint64_t rip, uint64_t gpa, const void *data, unsigned int len)
{
	struct writes *w = priv;
	unsigned int i = 0;

	pthread_mutex_lock(&w->lock);
	while (i < w->nr && w->v[i].gpa / PAGE != gpa / PAGE)
		i++;
	if (i == w->nr && w->nr < MAX_WRITES) {
		w->v[i].rip = rip;
		w->v[i].gpa = gpa;
		w->nr++;
	}
	/* As at the freeze point: that is as far as anybody is interested in this guest. */
	if (w->nr == MAX_WRITES)
		vm_stop(w->vm, VM_EXIT_FROZEN);
	pthread_mutex_unlock(&w->lock);
}

static int count(const struct options *o, const struct pp_image *img, const struct areas *a,
		 struct pp_usage *u)
{
	struct pp_machine_opts machine = o->machine;
	struct vm_config cfg = {0};
	static struct vm vm;
	int ret;

	machine.created = pp_usage_begin;
	set_watch(&cfg, o, a, WATCH_LOG);
	ret = pp_machine_run(&vm, &machine, &cfg);
	if (ret)
		return ret;
	ret = pp_usage_end(&vm, img, u);
	pp_machine_end(&vm);
	return ret;
}

static int trap_writes(const struct options *o, const struct areas *a, struct writes *w)
{
	struct vm_config cfg = {0};
	static struct vm vm;
	int ret;

	set_watch(&cfg, o, a, WATCH_TRAP);
	cfg.watch.fn = on_write;
	cfg.watch.priv = w;
	w->vm = &vm;
	ret = pp_machine_run(&vm, &o->machine, &cfg);
	if (!ret)
		pp_machine_end(&vm);
	return ret;
}

/* By which mechanism a kernel would write there; sites are those of the image. */
static const char *mechanism(const struct pp_sites *sites, uint64_t addr)
{
	const struct pp_site *best = NULL;

	for (size_t i = 0; i < sites->nr; i++) {
		const struct pp_site *s = &sites->v[i];

		if (addr >= s->addr && addr - s->addr < s->len && (!best || pp_site_wins(s, best)))
			best = s;
	}
	return best ? pp_mechs[best->mech].name : "none that is known";
}

static const char *place(const struct pp_image *img, uint64_t addr, char *buf)
{
	return pp_place(pp_image_span(img, addr).sym, addr, buf);
}

static void print_writes(const struct pp_image *img, const struct areas *a, const struct writes *w)
{
	struct pp_sites sites = {0};
	char by[PP_PLACE_MAX], at[PP_PLACE_MAX];

	if (pp_sites_load(img, img, &sites))
		log_warn("kernel %s: writes cannot be put down to mechanisms", img->path);
	for (unsigned int i = 0; i < w->nr; i++) {
		uint64_t addr = w->v[i].gpa + a->offset;

		/* The instruction is done: the address is behind it. */
		printf("  %s %s, mechanism: %s, by %s\n", i ? "then " : "first",
		       place(img, addr, at), mechanism(&sites, addr),
		       place(img, w->v[i].rip - 1, by));
	}
	pp_sites_free(&sites);
}

static void add_int(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

static void print_json(const struct pp_image *img, const struct options *o, const struct areas *a,
		       const struct pp_usage *u, const struct writes *w)
{
	struct json_object *j = json_object_new_object(), *list = json_object_new_array();
	struct pp_sites sites = {0};
	char buf[PP_PLACE_MAX];

	add_int(j, "cpus", o->machine.cpus);
	json_object_object_add(j, "frozen", json_object_new_boolean(u->frozen));
	add_int(j, "text_rodata_kib", u->pages * 4);
	add_int(j, "pages", u->pages);
	add_int(j, "pages_touched", u->touched);
	add_int(j, "pages_written", u->written);
	add_int(j, "pages_changed", u->changed);
	add_int(j, "bytes_changed", u->bytes);
	if (w->nr && pp_sites_load(img, img, &sites))
		log_warn("kernel %s: writes cannot be put down to mechanisms", img->path);
	for (unsigned int i = 0; i < w->nr; i++) {
		struct json_object *e = json_object_new_object();
		uint64_t addr = w->v[i].gpa + a->offset;

		json_object_object_add(e, "at", json_object_new_string(place(img, addr, buf)));
		json_object_object_add(e, "mechanism",
				       json_object_new_string(mechanism(&sites, addr)));
		json_object_object_add(e, "by",
				       json_object_new_string(place(img, w->v[i].rip - 1, buf)));
		json_object_array_add(list, e);
	}
	json_object_object_add(j, "writes", list);
	printf("%s\n", json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY));
	json_object_put(j);
	pp_sites_free(&sites);
}

static int judge(const struct options *o, const struct pp_image *img, const struct areas *a)
{
	struct writes w = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct pp_usage u;
	int ret = count(o, img, a, &u);

	if (ret)
		return ret;
	/* The verdict stands; that guest may not get as far as the first one. */
	if (u.written && trap_writes(o, a, &w))
		log_warn("kernel %s: there may be more writers than those that were found",
			 o->machine.kernel);
	if (o->json)
		print_json(img, o, a, &u, &w);
	else
		printf("%s: %llu pages of text and read-only data were written, %u vCPUs\n",
		       o->machine.kernel, (unsigned long long)u.written, o->machine.cpus);
	if (!o->json && w.nr)
		print_writes(img, a, &w);
	if (!u.frozen)
		return log_errno(-ENOEXEC, "kernel %s: the guest ended before its freeze point",
				 o->machine.kernel);
	return u.written ? log_errno(-EUCLEAN, "kernel %s: not final; %llu pages would be private",
				     o->machine.kernel, (unsigned long long)u.written)
			 : 0;
}

static int verify(const struct options *o)
{
	struct pp_image img = {0};
	struct areas a = {0};
	int ret = pp_image_open(&img, o->machine.kernel);

	if (!ret)
		ret = pp_image_load_symbols(&img);
	if (!ret)
		ret = find_areas(&img, &a);
	if (!ret)
		ret = judge(o, &img, &a);
	pp_image_close(&img);
	return ret ? PP_EXIT_FAILURE : 0;
}

static int run(int argc, char **argv)
{
	struct options o = {.machine = PP_MACHINE_DEFAULTS};
	int opt;

	while ((opt = pp_cmd_getopt(&pp_cmd_verify, argc, argv, long_options)) != -1) {
		if (opt == PP_OPT_HELP)
			return 0;
		if (opt == '?' || parse_one(&o, opt))
			return PP_EXIT_USAGE;
	}
	if (argc - optind != 1) {
		log_err("usage: rund-prepatch verify %s", pp_cmd_verify.args);
		return PP_EXIT_USAGE;
	}
	o.machine.kernel = argv[optind];
	return verify(&o);
}

const struct pp_cmd pp_cmd_verify = {
	.name = "verify",
	.args = "[OPTION]... IMAGE",
	.summary = "Prove that an image that is booted writes none of its text and read-only data",
	.help = "Boots IMAGE, which needs its symbol table, in a microVM under KVM's dirty log:\n"
		"to its freeze point, or to the guest's end when there is an initrd.  Exit\n"
		"status 1, and the first writers by name, when a page was written.\n\n"
		"  --initrd FILE   what the guest runs\n"
		"  --cmdline TEXT  kernel parameters\n"
		"  --cpus N        vCPUs (1)\n"
		"  --mem SIZE      guest RAM (128M)\n"
		"  --timeout S     give up after S seconds (300)\n"
		"  --json          JSON on standard output\n"
		"  --help\n",
	.run = run,
};
