// SPDX-License-Identifier: GPL-2.0-only
/*
 * The report of `rund-agent trace`.
 */
#include "tracereport.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "lib/cleanup.h"

/* How many of a long list the table shows; the JSON has them all. */
#define TOP 10

static const struct {
	const char *lock, *mode, *title;
} rows[TRACE_NR_ROWS] = {
	[TRACE_ROW_CGROUP_MUTEX] = {"cgroup_mutex", "exclusive", "cgroup_mutex"},
	[TRACE_ROW_CSS_SET_LOCK] = {"css_set_lock", "exclusive", "css_set_lock"},
	[TRACE_ROW_THREADGROUP_READ] = {"cgroup_threadgroup_rwsem", "read",
					"cgroup_threadgroup_rwsem (read)"},
	[TRACE_ROW_THREADGROUP_WRITE] = {"cgroup_threadgroup_rwsem", "write",
					 "cgroup_threadgroup_rwsem (write)"},
	[TRACE_ROW_KERNFS_READ] = {"kernfs_rwsem", "read", "kernfs_rwsem (read)"},
	[TRACE_ROW_KERNFS_WRITE] = {"kernfs_rwsem", "write", "kernfs_rwsem (write)"},
};

static const char *const spins[] = {
	[RA_SPIN_QUEUED] = "queued",
	[RA_SPIN_HIDDEN] = "hidden",
	[RA_SPIN_PROBED] = "probed",
};

void ra_trace_result_free(struct ra_trace_result *r)
{
	free(r->waiters);
	free(r->launches);
	memset(r, 0, sizeof(*r));
}

uint64_t ra_trace_percentile(const struct trace_stat *s, unsigned int percent)
{
	uint64_t seen = 0, most;

	for (int i = 0; i < TRACE_BUCKETS - 1; i++) {
		seen += s->bucket[i];
		most = (UINT64_C(2) << i) - 1;
		if (seen && seen * 100 >= s->waits * percent)
			return most < s->max_ns ? most : s->max_ns;
	}
	return s->max_ns;
}

void ra_trace_format_ns(uint64_t ns, char *buf, size_t len)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double v = ns;
	int u = 0;

	while (v >= 999.5 && u < 3) {
		v /= 1000;
		u++;
	}
	snprintf(buf, len, "%.*f %s", !u || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2, v, units[u]);
}

static void print_ns(FILE *out, uint64_t ns)
{
	char buf[32];

	ra_trace_format_ns(ns, buf, sizeof(buf));
	fprintf(out, " %10s", buf);
}

static void print_scope(const struct trace_stat *stat, const char *whose, FILE *out)
{
	fprintf(out, "%s\n%-33s %9s %10s %10s %10s %10s %10s\n", whose, "LOCK", "WAITS", "TOTAL",
		"MEAN", "P50", "P99", "MAX");
	for (int i = 0; i < TRACE_NR_ROWS; i++) {
		const struct trace_stat *s = &stat[i];

		fprintf(out, "%-33s %9llu", rows[i].title, s->waits);
		print_ns(out, s->ns);
		print_ns(out, s->waits ? s->ns / s->waits : 0);
		print_ns(out, ra_trace_percentile(s, 50));
		print_ns(out, ra_trace_percentile(s, 99));
		print_ns(out, s->max_ns);
		fputc('\n', out);
	}
}

/* A task may give itself any bytes as a name. */
static const char *printable(const struct ra_waiter *w, char *buf)
{
	snprintf(buf, TRACE_COMM_LEN + 1, "%.*s", TRACE_COMM_LEN, w->comm);
	for (char *p = buf; *p; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
	return buf;
}

static void print_waiters(const struct ra_trace_result *r, FILE *out)
{
	char comm[TRACE_COMM_LEN + 1];

	if (!r->nr_waiters)
		return;
	fprintf(out, "\nwho waited longest\n%-16s %-33s %9s %10s\n", "COMMAND", "LOCK", "WAITS",
		"TOTAL");
	for (size_t i = 0; i < r->nr_waiters && i < TOP; i++) {
		const struct ra_waiter *w = &r->waiters[i];

		fprintf(out, "%-16s %-33s %9llu", printable(w, comm), rows[w->row].title,
			w->sum.waits);
		print_ns(out, w->sum.ns);
		fputc('\n', out);
	}
}

/* The sum of all launches, and the most that one of them waited. */
static struct trace_sum sum_launches(const struct ra_trace_result *r, int row, uint64_t *worst)
{
	struct trace_sum sum = {0};

	*worst = 0;
	for (size_t i = 0; i < r->nr_launches; i++) {
		const struct trace_sum *s = &r->launches[i].row[row];

		sum.waits += s->waits;
		sum.ns += s->ns;
		if (s->ns > *worst)
			*worst = s->ns;
	}
	return sum;
}

static unsigned int count_slots(const struct ra_trace_result *r)
{
	unsigned int n = 0;

	for (size_t i = 0; i < r->nr_launches; i++)
		n += !!r->launches[i].slots;
	return n;
}

static void print_launches(const struct ra_trace_result *r, FILE *out)
{
	uint64_t worst;

	if (!r->nr_launches)
		return;
	fprintf(out, "\nper launch, from rund-agent's start until its VMM's: %zu launches",
		r->nr_launches);
	if (r->has_slots)
		fprintf(out, ", %u with a slot of lwcg.ko", count_slots(r));
	fprintf(out, "\n%-33s %9s %10s %10s\n", "LOCK", "WAITS", "TIME", "WORST");
	for (int i = 0; i < TRACE_NR_ROWS; i++) {
		struct trace_sum sum = sum_launches(r, i, &worst);

		fprintf(out, "%-33s %9.2f", rows[i].title, (double)sum.waits / r->nr_launches);
		print_ns(out, sum.ns / r->nr_launches);
		print_ns(out, worst);
		fputc('\n', out);
	}
}

void ra_trace_table(const struct ra_trace_result *r, FILE *out)
{
	fprintf(out, "traced %.1f s\n\n", r->ns / 1e9);
	print_scope(r->stat[TRACE_SYSTEM], "the whole system", out);
	if (r->has_chosen) {
		fputc('\n', out);
		print_scope(r->stat[TRACE_CHOSEN], "the chosen processes and their descendants",
			    out);
	}
	print_launches(r, out);
	print_waiters(r, out);
	if (r->spin == RA_SPIN_HIDDEN)
		fputs("\nwaits for css_set_lock do not show in a virtual machine; "
		      "add --probe-spinlocks\n",
		      out);
	if (r->lost)
		fprintf(out, "\n%" PRIu64 " waits or tasks were not counted: a map was full\n",
			r->lost);
}

static void add_int(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

static void add_str(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, json_object_new_string(v));
}

static struct json_object *row_json(int row)
{
	struct json_object *o = json_object_new_object();

	add_str(o, "lock", rows[row].lock);
	add_str(o, "mode", rows[row].mode);
	return o;
}

static struct json_object *sum_json(int row, const struct trace_sum *s)
{
	struct json_object *o = row_json(row);

	add_int(o, "waits", s->waits);
	add_int(o, "total_ns", s->ns);
	return o;
}

static struct json_object *stat_json(int row, const struct trace_stat *s)
{
	struct json_object *o = row_json(row), *histogram = json_object_new_array();
	int used = TRACE_BUCKETS;

	add_int(o, "waits", s->waits);
	add_int(o, "total_ns", s->ns);
	add_int(o, "p50_ns", ra_trace_percentile(s, 50));
	add_int(o, "p99_ns", ra_trace_percentile(s, 99));
	add_int(o, "max_ns", s->max_ns);
	while (used && !s->bucket[used - 1])
		used--;
	for (int i = 0; i < used; i++)
		json_object_array_add(histogram, json_object_new_int64(s->bucket[i]));
	json_object_object_add(o, "log2_ns", histogram);
	return o;
}

static struct json_object *scope_json(const struct trace_stat *stat)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < TRACE_NR_ROWS; i++)
		json_object_array_add(list, stat_json(i, &stat[i]));
	return list;
}

static struct json_object *waiters_json(const struct ra_trace_result *r)
{
	struct json_object *list = json_object_new_array();
	char comm[TRACE_COMM_LEN + 1];

	for (size_t i = 0; i < r->nr_waiters; i++) {
		const struct ra_waiter *w = &r->waiters[i];
		struct json_object *o = sum_json(w->row, &w->sum);

		add_str(o, "command", printable(w, comm));
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *launch_json(const struct ra_trace_result *r,
				       const struct ra_launch_waits *l)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	add_int(o, "pid", l->pid);
	add_int(o, "vmm", l->vmm);
	if (r->has_slots)
		add_int(o, "slots", l->slots);
	add_int(o, "ns", l->ns);
	for (int i = 0; i < TRACE_NR_ROWS; i++)
		json_object_array_add(list, sum_json(i, &l->row[i]));
	json_object_object_add(o, "locks", list);
	return o;
}

int ra_trace_json(const struct ra_trace_result *r, FILE *out)
{
	struct json_object *o = json_object_new_object(), *launches = json_object_new_array();
	__cleanup_free char *line = NULL;

	add_int(o, "ns", r->ns);
	add_int(o, "lost", r->lost);
	add_str(o, "spinlocks", spins[r->spin]);
	json_object_object_add(o, "system", scope_json(r->stat[TRACE_SYSTEM]));
	if (r->has_chosen)
		json_object_object_add(o, "chosen", scope_json(r->stat[TRACE_CHOSEN]));
	for (size_t i = 0; i < r->nr_launches; i++)
		json_object_array_add(launches, launch_json(r, &r->launches[i]));
	json_object_object_add(o, "launches", launches);
	json_object_object_add(o, "waiters", waiters_json(r));
	line = ra_json_line(o);
	if (!line)
		return -ENOMEM;
	fputs(line, out);
	return 0;
}
