#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The cgroup benchmark runs and its JSON has the documented shape.  How fast
# anything is is not looked at; counts are, where they follow from the series.
. "$(dirname "$0")/../lib/ktap.sh"

bench=$(cd "$(dirname "$0")/../.." && pwd)/tools/bench/bench-cgroup
tiny=(--sandboxes 12 --threads '1,2' --pool 4 --bystander-forks 20)
root=/sys/fs/cgroup

# json FILE EXPRESSION: prints what Python makes of it, `d` being the document
json() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
by = {(s["name"], s["threads"]): s for s in d["series"]} if "series" in d else {}
print(eval(sys.argv[2]))' "$1" "$2"
}

# The benchmark belongs to RunD's tree; what is copied to a kernel's has only the tests.
need_bench() {
	[ -d "${bench%/*}" ] || ktap_skip "no ${bench%/*}: this is not RunD's tree"
}

need_python() {
	need_bench
	if ktap_slow; then
		ktap_skip "a benchmark of the debug kernel's checks takes minutes; the release kernel runs it"
	fi
	command -v python3 >/dev/null || ktap_skip "no python3 to read JSON with"
}

nothing_left() {
	expect_eq "cgroups left" "$(find "$root" -maxdepth 1 -name 'rund-bench-*')" ""
	if [ -r /sys/kernel/tracing/kprobe_events ]; then
		expect_eq "probes left" "$(grep rund_bench /sys/kernel/tracing/kprobe_events)" ""
	fi
	expect_eq "favordynmods left" "$(grep -c favordynmods /proc/self/mountinfo)" 0
}

test_every_series_in_json() {
	need_python
	run "$bench" "${tiny[@]}" --no-locks --json
	[ "$status" = 0 ] || ktap_fail "status $status: $err"
	printf '%s' "$out" >"$TMP/json"
	expect_eq "benchmark" "$(json "$TMP/json" 'd["benchmark"]')" cgroup
	expect_eq "series" "$(json "$TMP/json" '" ".join(dict.fromkeys(s["name"] for s in d["series"]))')" \
		"$("$bench" --help | sed -n '/^Series:/,$s/^  \([a-z-]*\) .*/\1/p' | xargs)"
	expect_eq "threads" "$(json "$TMP/json" 'sorted({s["threads"] for s in d["series"]})')" "[1, 2]"
	expect_eq "missing keys" "$(json "$TMP/json" '[k for s in d["series"] for k in (
		"name threads ops total_ns work_ns p50_ns p99_ns max_ns phases without_runqueue setup_ns "
		"quiet_ns empty_waits cpu_ns kthread_cpu_ns system_cpu_ns dying_at_end dying_after "
		"probe_ops cgroup_mutex_acquisitions cgroup_mutex_acquisitions_launch "
		"threadgroup_rwsem_writes css_set_lock_acquisitions bystander_fork_p99_ns cdf").split()
		if k not in s]')" "[]"
	expect_eq "disorder" "$(json "$TMP/json" '[s["name"] for s in d["series"] if not
		0 < s["p50_ns"] <= s["p99_ns"] <= s["max_ns"] <= s["work_ns"] or
		s["cdf"][-1][1] != s["max_ns"] or s["cdf"] != sorted(s["cdf"], key=lambda c: c[1])]')" "[]"
	expect_eq "counts that were not made" \
		"$(json "$TMP/json" '{s["cgroup_mutex_acquisitions"] for s in d["series"]}')" "{None}"
	nothing_left
}

test_lock_counts() {
	need_python
	run "$bench" "${tiny[@]}" --bystander-forks 0 --series spawn,mkdir-procs,lwcg --json
	[ "$status" = 0 ] || ktap_fail "status $status: $err"
	printf '%s' "$out" >"$TMP/json"
	# mkdir, cgroup.procs and rmdir take it; so do workers afterwards
	expect_eq "mkdir-procs" "$(json "$TMP/json" \
		'all(by["mkdir-procs", t]["cgroup_mutex_acquisitions_launch"] >= 36 for t in (1, 2))')" True
	expect_eq "cgroup.procs" "$(json "$TMP/json" \
		'[by["mkdir-procs", t]["threadgroup_rwsem_writes_launch"] for t in (1, 2)]')" "[12, 12]"
	# the launch path of lwcg takes neither
	expect_eq "lwcg" "$(json "$TMP/json" '[by["lwcg", t][k] for t in (1, 2) for k in
		("cgroup_mutex_acquisitions_launch", "threadgroup_rwsem_writes")]')" "[0, 0, 0, 0]"
	# others may: workers release what was removed before, sooner or later
	expect_eq "spawn" "$(json "$TMP/json" \
		'[by["spawn", t]["cgroup_mutex_acquisitions_launch"] for t in (1, 2)]')" "[0, 0]"
	nothing_left
}

test_table() {
	need_bench
	run "$bench" "${tiny[@]}" --no-locks --bystander-forks 0 --series mkdir-procs,lwcg --threads 2
	expect_eq "status" "$status" 0
	expect_match "table" "$out" '^mkdir-procs +2 '
	expect_match "table" "$out" '^lwcg +2 '
	expect_match "comparison" "$out" '^mkdir-procs +2 +[0-9]+ +1\.0 '
}

test_errors_say_what() {
	need_bench
	run "$bench" --series lwgc
	expect_eq "status" "$status" 2
	expect_match "message" "$err" 'no lwgc; --help lists them'
	run "$bench" --threads 0
	expect_eq "status" "$status" 2
	expect_match "message" "$err" 'from 1 to'
	run "$bench" more
	expect_eq "status" "$status" 2
}

# Real time is no instruction counter, and must not pass for one.
test_instructions_need_icount() {
	need_bench
	run "$bench" --instructions --sandboxes 2 --series lwcg
	expect_eq "status" "$status" 1
	expect_match "message" "$err" 'rund-lab --icount'
}

test_interrupted_run_leaves_nothing() {
	need_bench
	"$bench" --no-locks --sandboxes 100000 --pool 4 --series lwcg >"$TMP/out" 2>"$TMP/err" &
	local pid=$!
	wait_for 120 grep -qs . "$root/rund-bench-$pid-lwcg/cgroup.controllers" ||
		ktap_fail "the run did not begin: $(cat "$TMP/err")"
	sleep 2
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	expect_eq "status" "$status" 1
	nothing_left
}

ktap_slow_runs test_errors_say_what test_interrupted_run_leaves_nothing
ktap_main "$@"
