#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Detached sandboxes: ps, logs, kill and rm.
# shellcheck disable=SC2154,SC2016,SC2119 # set by run; expanded by the guest's shell
# shellcheck source=./common.sh
. "$(dirname "$0")/common.sh"

test_detached_life() {
	run launch --detach --name life -- sh -c 'echo out; echo err >&2; sleep 2; exit 5'
	expect_eq status "$status" 0
	expect_eq stdout "$out" life
	expect_match ps "$(rund-agent ps)" '^life +(running|exited)'
	wait_for "$BOOT_LIMIT" has_state life exited || ktap_fail "$(rund-agent ps)"
	expect_match ps "$(rund-agent ps)" '^life +exited \(5\)'
	expect_eq "exit code" "$(field_of life exit_code)" 5
	expect_match logs "$(rund-agent logs life)" '^out$'
	expect_match logs "$(rund-agent logs life)" '^err$'
	rund-agent rm life || ktap_fail "rm"
	expect_eq ps "$(rund-agent ps --json)" '[]'
	nothing_left
}

# The caller's pipe must see its end although the sandbox goes on.
test_detach_lets_go() {
	out=$(timeout "$BOOT_LIMIT" rund-agent launch --detach --name letgo -- sleep 600 2>&1 | tail -n 1)
	expect_eq stdout "$out" letgo
	expect_eq state "$(state_of letgo)" running
	rund-agent rm -f letgo || ktap_fail "rm -f"
	nothing_left
}

test_detach_reports_failure() {
	run launch --detach --name nocmd -- no-such-program
	expect_eq status "$status" 127
	expect_match stderr "$err" no-such-program
	nothing_left
}

test_generated_name() {
	run launch --detach -- sleep 600
	expect_match stdout "$out" '^[0-9a-f]{12}$'
	rund-agent rm -f "$out" || ktap_fail "rm -f"
	nothing_left
}

test_kill() {
	run launch --detach --name victim -- sh -c 'trap "exit 8" USR2; echo ready; while :; do sleep 0.1; done'
	expect_eq status "$status" 0
	wait_for "$BOOT_LIMIT" grep -q ready /run/rund/victim/log || ktap_fail "not ready"
	rund-agent kill -s USR2 victim || ktap_fail "kill"
	wait_for "$BOOT_LIMIT" has_state victim exited || ktap_fail "$(rund-agent ps)"
	expect_eq "exit code" "$(field_of victim exit_code)" 8
	run rund-agent kill victim
	expect_eq "status of killing the dead" "$status" 1
	expect_match stderr "$err" 'not running; '
	rund-agent rm victim || ktap_fail "rm"
	run launch --detach --name stubborn -- sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	wait_for "$BOOT_LIMIT" grep -q ready /run/rund/stubborn/log || ktap_fail "not ready"
	rund-agent kill -s 9 stubborn || ktap_fail "kill -9"
	wait_for "$BOOT_LIMIT" has_state stubborn exited || ktap_fail "$(rund-agent ps)"
	expect_eq "exit code" "$(field_of stubborn exit_code)" 137
	rund-agent rm stubborn || ktap_fail "rm"
	nothing_left
}

test_rm_refuses_running() {
	run launch --detach --name busy -- sleep 600
	run rund-agent rm busy
	expect_eq status "$status" 1
	expect_match stderr "$err" 'is running; '
	run rund-agent rm -f busy
	expect_eq "status of rm -f" "$status" 0
	run rund-agent rm busy
	expect_match stderr "$err" 'no such sandbox; '
	nothing_left
}

test_rm_ends_foreground() {
	rund-agent launch --name fore -- sleep 600 >"$TMP/out" 2>"$TMP/err" &
	wait_for "$BOOT_LIMIT" has_state fore running || ktap_fail "$(cat "$TMP/err")"
	rund-agent rm -f fore || ktap_fail "rm -f"
	status=0
	wait $! || status=$?
	expect_eq status "$status" 137
	expect_match stderr "$(cat "$TMP/err")" 'ended by rund-agent rm -f'
	nothing_left
}

test_log_is_bounded() {
	local mib=20
	run launch --detach --name chatty -- sh -c "yes 0123456789abcde | head -c $((mib << 20)); echo last"
	wait_for 500 has_state chatty exited || ktap_fail "$(rund-agent ps)"
	rund-agent logs chatty >"$TMP/log"
	expect_match "first line" "$(head -n 1 "$TMP/log")" '^\[rund-agent: [0-9]+ bytes of older output were dropped\]$'
	expect_eq "last line" "$(tail -n 1 "$TMP/log")" last
	dropped=$(head -n 1 "$TMP/log" | tr -cd 0-9)
	kept=$(($(stat -c %s "$TMP/log") - $(head -n 1 "$TMP/log" | wc -c)))
	expect_eq "bytes kept and dropped" $((kept + dropped)) $((mib * 1048576 + 5))
	[ "$kept" -le $((16 << 20)) ] || ktap_fail "$kept bytes are kept"
	rund-agent rm chatty || ktap_fail "rm"
	nothing_left
}

test_console_log() {
	run launch --detach --name con -- sh -c 'echo from-the-guest >/dev/console; sleep 600'
	expect_eq "status of launch" "$status" 0
	logged() { rund-agent logs --console con | grep -q from-the-guest; }
	wait_for "$BOOT_LIMIT" logged || ktap_fail "the console says '$(rund-agent logs --console con)'"
	rund-agent rm -f con || ktap_fail "rm -f"
	nothing_left
}

test_help_and_version() {
	expect_match version "$(rund-agent --version)" '^rund-agent [0-9]'
	for c in launch ps kill rm logs pool check trace; do
		run rund-agent "$c" --help
		expect_eq "status of $c --help" "$status" 0
		expect_match help "$out" "^usage: rund-agent $c"
	done
	run sh -c 'rund-agent ps --json >/dev/full'
	expect_eq "status without room for the list" "$status" 125
	expect_match stderr "$err" 'standard output: No space left'
	run rund-agent frobnicate
	expect_eq status "$status" 125
	expect_match stderr "$err" 'no such command; '
}

ktap_slow_runs test_detached_life test_kill test_rm_ends_foreground
ktap_main "$@"
