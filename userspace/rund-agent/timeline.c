// SPDX-License-Identifier: GPL-2.0-only
/*
 * The launch timeline.
 */
#include "timeline.h"

#include <time.h>

static const struct {
	const char *name;
	const char *what;
} phases[RA_NR_MARKS] = {
	[RA_T_STATE] = {"prepare", "check options, take the name"},
	[RA_T_SLOT] = {"slot", "cgroup renamed, limits set"},
	[RA_T_LOWER] = {"lower", "read-only layer opened"},
	[RA_T_UPPER] = {"upper", "writable layer cloned"},
	[RA_T_SPAWN] = {"spawn", "VMM process in the cgroup"},
	[RA_T_VM] = {"vm", "virtual machine and devices set up"},
	[RA_T_HELLO] = {"boot", "guest kernel, to rund-init"},
	[RA_T_EXEC] = {"mount+exec", "overlay mounted, command exec'ed"},
	[RA_T_EXIT] = {"run", "the command"},
	[RA_T_END] = {"exit", "guest ended, everything given back"},
};

uint64_t ra_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

void ra_mark(struct ra_timeline *t, enum ra_mark mark)
{
	if (!t->at[mark])
		t->at[mark] = ra_now();
}

/* The mark before @i that was passed, for launches that end early. */
static uint64_t before(const struct ra_timeline *t, int i)
{
	while (--i > 0 && !t->at[i])
		;
	return t->at[i];
}

static double phase_ms(const struct ra_timeline *t, int i)
{
	return (t->at[i] - before(t, i)) / 1e6;
}

void ra_timeline_print(const struct ra_timeline *t, FILE *out)
{
	fprintf(out, "\n  %-11s %10s %10s\n", "phase", "ms", "total ms");
	for (int i = 1; i < RA_NR_MARKS; i++) {
		if (!t->at[i])
			continue;
		fprintf(out, "  %-11s %10.3f %10.3f  %s\n", phases[i].name, phase_ms(t, i),
			(t->at[i] - t->at[0]) / 1e6, phases[i].what);
	}
	if (t->guest_mount)
		fprintf(out, "  %-11s %10.3f %10s  %s\n", "(mount)", t->guest_mount / 1e6, "",
			"of mount+exec, by the guest's clock");
	if (t->at[RA_T_EXEC])
		fprintf(out, "  start to user code: %.3f ms\n",
			(t->at[RA_T_EXEC] - t->at[0]) / 1e6);
}

struct json_object *ra_timeline_json(const struct ra_timeline *t)
{
	struct json_object *o = json_object_new_object();

	for (int i = 1; o && i < RA_NR_MARKS; i++) {
		if (t->at[i])
			json_object_object_add(o, phases[i].name,
					       json_object_new_double(phase_ms(t, i)));
	}
	if (o && t->guest_mount)
		json_object_object_add(o, "guest_mount",
				       json_object_new_double(t->guest_mount / 1e6));
	if (o && t->at[RA_T_EXEC])
		json_object_object_add(o, "start_to_user_code",
				       json_object_new_double((t->at[RA_T_EXEC] - t->at[0]) / 1e6));
	return o;
}
