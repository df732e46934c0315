#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The series of the cgroup benchmark for cgroup v1 run, and take the locks that follow
# from what they do.
. "$(dirname "$0")/../lib/ktap.sh"

bench=$(cd "$(dirname "$0")/../.." && pwd)/tools/bench/bench-cgroup
tiny=(--sandboxes 12 --threads '1,2' --pool 4 --bystander-forks 20)
root=/run/lwcg-v1

# json FILE EXPRESSION: prints what Python makes of it
json() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
by = {(s["name"], s["threads"]): s for s in d["series"]}
print(eval(sys.argv[2]))' "$1" "$2"
}

# What the benchmark unmounts would take a while to go, and the other tests need it too.
mount_hierarchy() {
	mkdir -p "$root"
	mountpoint -q "$root" ||
		mount -t cgroup -o cpu,cpuacct,cpuset,blkio,memory,freezer,pids cgroup "$root"
}

# The benchmark belongs to RunD's tree; what is copied to a kernel's has only the tests.
need_bench() {
	[ -d "${bench%/*}" ] || ktap_skip "no ${bench%/*}: this is not RunD's tree"
}

test_series_and_locks() {
	need_bench
	if ktap_slow; then
		ktap_skip "a benchmark of the debug kernel's checks takes minutes; the release kernel runs it"
	fi
	command -v python3 >/dev/null || ktap_skip "no python3 to read JSON with"
	mount_hierarchy || ktap_fail "cannot mount cgroup v1"
	run "$bench" "${tiny[@]}" --series spawn,mkdir-v1,lwcg-v1 --json
	[ "$status" = 0 ] || ktap_fail "status $status: $err"
	printf '%s' "$out" >"$TMP/json"
	expect_eq "series" "$(json "$TMP/json" '" ".join(dict.fromkeys(s["name"] for s in d["series"]))')" \
		"spawn mkdir-v1 lwcg-v1"
	# mkdir, the attach and rmdir take it
	expect_eq "mkdir-v1" "$(json "$TMP/json" \
		'all(by["mkdir-v1", t]["cgroup_mutex_acquisitions_launch"] >= 36 for t in (1, 2))')" True
	# the attach alone, and nobody takes the other one
	expect_eq "lwcg-v1" "$(json "$TMP/json" '[by["lwcg-v1", t][k] for t in (1, 2) for k in
		("cgroup_mutex_acquisitions_launch", "threadgroup_rwsem_writes")]')" "[12, 0, 12, 0]"
	expect_eq "mkdir-v1" "$(json "$TMP/json" \
		'[by["mkdir-v1", t]["threadgroup_rwsem_writes"] for t in (1, 2)]')" "[0, 0]"
	expect_eq "dying" "$(json "$TMP/json" 'max(s["dying_after"] for s in d["series"])')" 0
	expect_eq "cgroups left" "$(find "$root" -maxdepth 1 -name 'rund-bench-*')" ""
	expect_eq "mounts left" "$(grep -c /run/rund-bench-v1 /proc/self/mounts)" 0
}

test_versions_do_not_mix() {
	need_bench
	run "$bench" --series lwcg,lwcg-v1
	expect_eq "status" "$status" 1
	expect_match "message" "$err" 'a run each'
}

ktap_main "$@"
