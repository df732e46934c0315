#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The KUnit suites of the host series ran at boot; their results are in debugfs.
. "$(dirname "$0")/../lib/ktap.sh"

# expect_suite NAME CASES: it has passed, with so many cases at least
expect_suite() {
	local results=/sys/kernel/debug/kunit/$1/results n

	[ -d /sys/kernel/debug/kunit ] || mount -t debugfs none /sys/kernel/debug 2>/dev/null
	[ -r "$results" ] || ktap_skip "the kernel has no CONFIG_CGROUP_POOL_KUNIT_TEST"
	n=$(grep -Ec '^ +ok [0-9]+ ' "$results")
	ktap_diag "$n cases passed"
	expect_eq "failed cases" "$(grep -E '^ *not ok ' "$results")" ""
	[ "$n" -ge "$2" ] || ktap_fail "only $n of at least $2 cases ran"
	expect_match "suite" "$(cat "$results")" "^ok [0-9]+ $1"
}

test_kunit_cgroup_pool() {
	expect_suite cgroup_pool 10
}

test_kunit_cgroup1_pool() {
	expect_suite cgroup1_pool 5
}

ktap_main "$@"
