#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# rund-agent trace: real contention is counted, whose it was is known, and nothing
# stays in the kernel.
# shellcheck disable=SC2154,SC2016,SC2119 # set by run; expanded by another shell
# shellcheck source=./common.sh
# Looking at it mounts it; before common.sh notes what is mounted.
ls /sys/kernel/debug/tracing >/dev/null 2>&1
. "$(dirname "$0")/common.sh"

CG=/sys/fs/cgroup/trace-test

# What cgroup churn of several tools at once looks like.  Moving a process between
# cgroups waits for a grace period with cgroup_mutex held, so others must wait.
churn='
migrate() {
	local i
	for i in $(seq "$ROUNDS"); do
		echo "$BASHPID" >"$CG/a/cgroup.procs"
		echo "$BASHPID" >"$CG/b/cgroup.procs"
	done
}
for job in 1 2 3 4; do
	migrate &
	perl -e "for (1..$ROUNDS) { mkdir \"$CG/m\$\$\"; stat \"$CG/none\$_\"; rmdir \"$CG/m\$\$\"; }" &
done
wait'

make_groups() {
	export CG ROUNDS=$1
	if ktap_slow; then ROUNDS=$((ROUNDS / 5)); fi
	mkdir -p "$CG/a" "$CG/b"
	trap 'rmdir "$CG"/*/ "$CG" 2>/dev/null' EXIT
}

# value JSON SCOPE LOCK MODE MEMBER, of that lock in the scope "system" or "chosen"
value() {
	local text=$1 key
	for key in "\"$2\":[" "\"lock\":\"$3\",\"mode\":\"$4\"," "\"$5\":"; do
		text=${text#*"$key"}
	done
	printf '%s\n' "${text%%[,\}]*}"
}

expect_positive() {
	[[ $2 =~ ^[1-9][0-9]*$ ]] || ktap_fail "$1: got '$2', expected more than 0"
}

# is_tracing PID: all is in place when the tracer waits for the end, in rt_sigtimedwait(2)
is_tracing() { [[ $(cat "/proc/$1/syscall" 2>/dev/null) == '128 '* ]]; }

left_probes() { cat /sys/kernel/debug/kprobes/list; }
no_probes() { [ -z "$(left_probes)" ]; }

test_contention() {
	local scope m
	make_groups 30
	run rund-agent trace --json --output "$TMP/json" -- bash -c "$churn"
	expect_eq "status ($err)" "$status" 0
	expect_eq stdout "$out" ''
	json=$(cat "$TMP/json")
	ktap_diag "$(printf '%s' "$json" | grep -oE '"lock":"[^}]*"total_ns":[0-9]+' | head -n 6)"
	for scope in system chosen; do
		for m in waits total_ns p50_ns p99_ns max_ns; do
			expect_positive "$scope cgroup_mutex $m" \
				"$(value "$json" "$scope" cgroup_mutex exclusive "$m")"
		done
		# A grace period is waited for even when nobody else is there.
		expect_positive "$scope cgroup_threadgroup_rwsem" \
			"$(value "$json" "$scope" cgroup_threadgroup_rwsem write total_ns)"
	done
	expect_eq "lost" "$(printf '%s' "$json" | grep -o '"lost":[0-9]*')" '"lost":0'
	expect_match waiters "$json" '"lock":"cgroup_mutex"[^}]*"command":"(bash|perl)"'
}

test_table() {
	make_groups 5
	run rund-agent trace -- bash -c "$churn"
	expect_eq status "$status" 0
	expect_match table "$err" '^cgroup_mutex +[1-9][0-9]* +[0-9.]+ [mun]?s '
	expect_match table "$err" '^the chosen processes and their descendants$'
	expect_match table "$err" '^(bash|perl) +cgroup_mutex +[1-9]'
	for l in css_set_lock 'cgroup_threadgroup_rwsem \(read\)' 'kernfs_rwsem \(write\)'; do
		expect_match table "$err" "^$l +[0-9]+ "
	done
}

# What others wait for is not the command's.
test_quiet_command() {
	local lock mode
	make_groups 30
	mkfifo "$TMP/go" "$TMP/done"
	bash -c "read -r <'$TMP/go'; $churn; echo >'$TMP/done'" &
	run rund-agent trace --json -- sh -c "echo >'$TMP/go'; read -r _ <'$TMP/done'"
	expect_eq "status ($err)" "$status" 0
	expect_positive "the system's cgroup_mutex" \
		"$(value "$err" system cgroup_mutex exclusive waits)"
	expect_eq "the command's cgroup_mutex" \
		"$(value "$err" chosen cgroup_mutex exclusive waits)" 0
	run rund-agent trace --json -- true
	for lock in cgroup_mutex/exclusive css_set_lock/exclusive kernfs_rwsem/write \
		cgroup_threadgroup_rwsem/write; do
		mode=${lock#*/}
		expect_eq "$lock of true" "$(value "$err" chosen "${lock%/*}" "$mode" waits)" 0
	done
	expect_match launches "$err" '"launches":\[\]'
}

test_pid() {
	make_groups 30
	mkfifo "$TMP/go"
	bash -c "read -r <'$TMP/go'; $churn" &
	jobs=$!
	rund-agent trace --json --pid "$jobs" >"$TMP/json" &
	trace=$!
	wait_for 120 is_tracing "$trace" || ktap_fail "did not start"
	echo >"$TMP/go"
	wait "$jobs"
	kill -INT "$trace"
	wait "$trace" || ktap_fail "status $?"
	expect_positive "cgroup_mutex of the descendants" \
		"$(value "$(cat "$TMP/json")" chosen cgroup_mutex exclusive waits)"
}

test_probe_spinlocks() {
	make_groups 10
	run rund-agent trace --json --probe-spinlocks -- bash -c "$churn"
	expect_eq "status ($err)" "$status" 0
	expect_match json "$err" '"spinlocks":"probed"'
	ktap_diag "css_set_lock: $(value "$err" system css_set_lock exclusive waits) waits"
	run rund-agent trace --duration 0.1
	! grep -q '^flags.* hypervisor' /proc/cpuinfo ||
		expect_match table "$out" 'css_set_lock do not show in a virtual machine; add --probe'
}

test_launches() {
	run rund-agent trace --json --output "$TMP/json" -- \
		sh -c 'rund-agent launch --name tr1 -- true && rund-agent launch --name tr2 -- true'
	expect_eq "status ($err)" "$status" 0
	json=$(cat "$TMP/json")
	expect_eq launches "$(printf '%s' "$json" | grep -oE '"pid":[0-9]+,"vmm":[1-9][0-9]*' | wc -l)" 2
	run rund-agent trace -- rund-agent launch --name tr3 -- sh -c 'exit 9'
	expect_eq status "$status" 9
	expect_match table "$err" '^per launch, .*: 1 launches'
	ktap_diag "$(printf '%s\n' "$err" | grep -A 7 '^per launch')"
	nothing_left
}

test_status() {
	run rund-agent trace -- sh -c 'exit 7'
	expect_eq status "$status" 7
	run rund-agent trace -- sh -c 'kill -9 $$'
	expect_eq "status of a killed command" "$status" 137
	run rund-agent trace -- no-such-program
	expect_eq "status of none" "$status" 127
	run rund-agent trace -- /
	expect_eq "status of a directory" "$status" 126
}

test_signals() {
	rund-agent trace --json >"$TMP/json" &
	wait_for 120 grep -q . /sys/kernel/debug/kprobes/list || ktap_fail "did not start"
	kill -TERM $!
	status=0
	wait $! || status=$?
	expect_eq "status after TERM" "$status" 0
	expect_match report "$(cat "$TMP/json")" '^\{"ns":[0-9]+,"lost":0,.*"system":\[.*\}$'
	expect_eq "probes left" "$(left_probes)" ''
	rund-agent trace -- sleep 600 2>"$TMP/err" &
	wait_for 120 pgrep -P $! -x sleep >/dev/null || ktap_fail "no command"
	kill -TERM $!
	status=0
	wait $! || status=$?
	expect_eq "status of the command after TERM" "$status" 143
	expect_match report "$(cat "$TMP/err")" '^traced [0-9.]+ s'
}

# Whatever happens to the tracer, its programs go with it.
test_killed() {
	rund-agent trace >/dev/null &
	wait_for 120 grep -q . /sys/kernel/debug/kprobes/list || ktap_fail "did not start"
	kill -KILL $!
	wait $! 2>/dev/null
	wait_for 120 no_probes || ktap_fail "probes left: $(left_probes)"
}

test_unprivileged() {
	command -v setpriv >/dev/null || ktap_skip "no setpriv"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v rund-agent)" trace --duration 1
	expect_eq status "$status" 125
	expect_match stderr "$err" 'not permitted; run as root'
	one_line "$err"
}

test_hidden_addresses() {
	old=$(cat /proc/sys/kernel/kptr_restrict)
	echo 2 >/proc/sys/kernel/kptr_restrict
	run rund-agent trace --duration 1
	echo "$old" >/proc/sys/kernel/kptr_restrict
	expect_eq status "$status" 125
	expect_match stderr "$err" 'hides the address of cgroup_mutex; .*kptr_restrict=0'
	one_line "$err"
}

test_refused() {
	local args
	for args in '--duration 0' '--duration x' '--duration -1' '--duration 1e9' '--pid 0' '--pid x' \
		'--pid 4194304' '--output /nowhere/x' '--frobnicate'; do
		# shellcheck disable=SC2086 # two words
		run rund-agent trace $args
		expect_eq "status of $args" "$status" 125
		one_line "$err"
	done
	run rund-agent trace --duration 0.1 --output /dev/full
	expect_eq "status without room" "$status" 125
	expect_match stderr "$err" '/dev/full: No space left'
}

ktap_slow_runs test_contention test_launches test_killed
ktap_main "$@"
