#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The KUnit suite of the host series ran at boot; its result is in debugfs.
. "$(dirname "$0")/../lib/ktap.sh"

test_kunit_cgroup_pool() {
	local results=/sys/kernel/debug/kunit/cgroup_pool/results n

	[ -d /sys/kernel/debug/kunit ] || mount -t debugfs none /sys/kernel/debug 2>/dev/null
	[ -r "$results" ] || ktap_skip "the kernel has no CONFIG_CGROUP_POOL_KUNIT_TEST"
	n=$(grep -Ec '^ +ok [0-9]+ ' "$results")
	ktap_diag "$n cases passed"
	expect_eq "failed cases" "$(grep -E '^ *not ok ' "$results")" ""
	[ "$n" -ge 10 ] || ktap_fail "only $n of at least 10 cases ran"
	expect_match "suite" "$(cat "$results")" '^ok [0-9]+ cgroup_pool'
}

ktap_main "$@"
