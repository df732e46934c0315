#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# rund-agent pool: what it makes, shows and refuses.
# shellcheck disable=SC2154,SC2119 # set by run
# shellcheck source=./common.sh
. "$(dirname "$0")/common.sh"

OTHER=/sys/fs/cgroup/rund-selftest-pool

pool() { run rund-agent pool "$@"; }

# value KEY JSON
value() { printf '%s\n' "$2" | sed -E "s/.*\"$1\":([0-9]+).*/\1/"; }
has() { [ "$(value "$1" "$(rund-agent pool status --parent "$OTHER" --json)")" = "$2" ]; }

need_module() { [ -e /dev/lwcg ] || ktap_skip "lwcg.ko is not loaded"; }

fresh_parent() {
	need_module
	[ -d "$OTHER" ] || mkdir "$OTHER"
	! rund-agent pool status --parent "$OTHER" >/dev/null 2>&1 ||
		rund-agent pool drain --orphans --parent "$OTHER" || ktap_fail "drain"
}

test_life_of_a_pool() {
	fresh_parent
	pool create --parent "$OTHER" --target 3
	expect_eq "status of create" "$status" 0
	expect_eq "output of create" "$out$err" ""
	pool status --parent "$OTHER"
	expect_eq "status of status" "$status" 0
	expect_match status "$out" "^parent +$OTHER$"
	expect_match status "$out" '^target +3$'
	expect_match status "$out" '^ready +3$'
	expect_match status "$out" '^orphans +0$'
	expect_match status "$out" '^refilled +3$'
	expect_match status "$out" '^acquire +0 +- +-$'
	expect_match status "$out" '^lock +[0-9]+ +<.*s +<.*s$'
	# relative to the mount
	pool resize --parent rund-selftest-pool --target 5
	expect_eq "status of resize" "$status" 0
	wait_for "$END_LIMIT" has ready 5 || ktap_fail "$(rund-agent pool status --parent "$OTHER")"
	pool resize --parent "$OTHER" --target 1 --json
	expect_eq target "$(value target "$out")" 1
	wait_for "$END_LIMIT" has ready 1 || ktap_fail "$(rund-agent pool status --parent "$OTHER")"
	# no longer ready before it is removed, and counted then
	wait_for "$END_LIMIT" has trimmed 4 || ktap_fail "$(rund-agent pool status --parent "$OTHER")"
	# create raises only
	pool create --parent "$OTHER" --target 1
	expect_eq "status of a second create" "$status" 0
	pool drain --parent "$OTHER" --json
	expect_eq "status of drain" "$status" 0
	expect_eq ready "$(value ready "$out")" 0
	pool drain --parent "$OTHER"
	expect_eq "status of a second drain" "$status" 125
	expect_match stderr "$err" 'has no pool; make one'
	rmdir "$OTHER" || ktap_fail "rmdir"
}

test_json() {
	fresh_parent
	pool create --parent "$OTHER" --target 2 --json
	expect_eq status "$status" 0
	one_line "$out"
	expect_match json "$out" '^\{"parent":"/sys/fs/cgroup/rund-selftest-pool","target":2,"ready":2,'
	expect_match json "$out" '"acquire":\{"count":0,"p50":null,"p99":null,"buckets":\[0,'
	if command -v python3 >/dev/null; then
		printf '%s' "$out" | python3 -m json.tool >/dev/null || ktap_fail "not JSON: $out"
	fi
	pool drain --parent "$OTHER"
	rmdir "$OTHER" || ktap_fail "rmdir"
}

# A launch takes the pool as it finds it, and shows up in its statistics.
test_launch_uses_the_pool() {
	need_module
	pool create --target 32
	expect_eq "status of create" "$status" 0
	pool resize --target 2
	expect_eq "status of resize" "$status" 0
	before=$(value acquired "$(rund-agent pool status --json)")
	run launch --detach --name pooled -- sleep 600
	expect_eq "status of launch" "$status" 0
	pool status --json
	expect_eq target "$(value target "$out")" 2
	expect_eq acquired "$(value acquired "$out")" $((before + 1))
	expect_eq leased "$(value leased "$out")" 1
	pool drain
	expect_eq "status of drain" "$status" 125
	one_line "$err"
	expect_match stderr "$err" 'pool of .*/rund: 1 leases are held; '
	rund-agent rm -f pooled || ktap_fail "rm -f"
	drained() { rund-agent pool drain 2>/dev/null; }
	wait_for "$END_LIMIT" drained || ktap_fail "$(rund-agent pool drain 2>&1)"
	# the next launch makes a pool again
	run launch --name pooled -- true
	expect_eq "status of launch" "$status" 0
	pool status --json
	expect_eq target "$(value target "$out")" 32
	nothing_left
}

test_errors() {
	fresh_parent
	for args in "" frobnicate "status --target 1" resize "resize --target x" \
		"create --target 0" "create --target 16385" "status --orphans" "status extra"; do
		# shellcheck disable=SC2086 # words on purpose
		pool $args
		expect_eq "status of pool $args" "$status" 125
		one_line "$err"
	done
	pool status --parent "$OTHER"
	expect_match stderr "$err" 'has no pool; make one with rund-agent pool create'
	pool create --parent /sys/fs/cgroup/no/such
	expect_eq "status without the parent" "$status" 125
	expect_match stderr "$err" '/sys/fs/cgroup/no/such: No such file'
	pool create --parent /proc
	expect_match stderr "$err" '/proc: not a directory of cgroup v2; '
	echo 2 >"$OTHER/cgroup.max.descendants"
	pool create --parent "$OTHER" --target 3
	expect_eq "status without room" "$status" 125
	one_line "$err"
	expect_match stderr "$err" 'cgroup.max.descendants .* leaves no room for 3 cgroups; '
	pool drain --parent "$OTHER"
	expect_eq "status of drain" "$status" 0
	rmdir "$OTHER" || ktap_fail "rmdir"
}

test_without_module() {
	[ ! -e /dev/lwcg ] || ktap_skip "lwcg.ko is loaded"
	for action in create status "resize --target 1" drain; do
		# shellcheck disable=SC2086 # words on purpose
		pool $action
		expect_eq "status of $action" "$status" 125
		expect_match stderr "$err" '/dev/lwcg: No such file or directory; insmod lwcg.ko'
	done
}

ktap_main "$@"
