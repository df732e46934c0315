#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Nothing is left behind: many launches at once, and violent ends of every part at
# random moments.
# shellcheck disable=SC2154,SC2016,SC2119 # set by run; expanded by the guest's shell
# shellcheck source=./common.sh
. "$(dirname "$0")/common.sh"

PARALLEL=20 KILLS=20
if ktap_slow; then
	PARALLEL=6 KILLS=6
	ktap_diag "slow kernel: $PARALLEL launches in parallel and $KILLS kills instead of 20"
fi

test_parallel() {
	local i pids=() bad=''
	for ((i = 0; i < PARALLEL; i++)); do
		rund-agent launch --name "par$i" --env "ID=id-$i" --timeout 500 -- \
			sh -c 'echo $ID; cat /proc/sys/kernel/random/uuid' >"$TMP/out$i" 2>"$TMP/err$i" &
		pids+=($!)
	done
	for ((i = 0; i < PARALLEL; i++)); do
		wait "${pids[i]}" || bad+=" par$i: $? $(cat "$TMP/err$i");"
		[ "$(head -n 1 "$TMP/out$i")" = "id-$i" ] || bad+=" par$i printed '$(cat "$TMP/out$i")';"
	done
	expect_eq failures "$bad" ''
	expect_eq "distinct random numbers" "$(tail -qn 1 "$TMP"/out* | sort -u | wc -l)" "$PARALLEL"
	nothing_left 30
}

# Two launches of one name: one gets it, whatever the moment.
test_same_name_at_once() {
	local i pids=() won=0
	for i in 1 2 3 4; do
		rund-agent launch --name contested --detach -- sleep 600 >"$TMP/out$i" 2>"$TMP/err$i" &
		pids+=($!)
	done
	for i in 1 2 3 4; do
		if wait "${pids[i - 1]}"; then
			won=$((won + 1))
		else
			expect_match "loser $i" "$(cat "$TMP/err$i")" 'already in use'
		fi
	done
	expect_eq "launches that got the name" "$won" 1
	rund-agent rm -f contested || ktap_fail "rm -f"
	nothing_left
}

# The processes of sandbox $1: VMM by its cgroup, monitor by its title.
vmm_of() { cat "$CGROUPS/$1/cgroup.procs" 2>/dev/null; }
monitor_of() { pgrep -f "^rund-agent: monitor $1\$"; }

# kill_parts NAME CLIENT WHAT
kill_parts() {
	case $3 in
	vmm) vmm_of "$1" ;;
	client) echo "$2" ;;
	monitor) monitor_of "$1" ;;
	agent) echo "$2"; monitor_of "$1" ;;
	all) echo "$2"; monitor_of "$1"; vmm_of "$1" ;;
	esac | xargs -r kill -KILL 2>/dev/null
}

# A launch takes some seconds here: the moments lie before, in and after it.
test_kill_at_random_moments() {
	local seed=${RUND_SEED:-$((RANDOM * 32768 + RANDOM))} what=(vmm client monitor agent all)
	local window=4000 i w ms client
	if ktap_slow; then window=20000; fi
	ktap_diag "seed $seed; set RUND_SEED to repeat"
	RANDOM=$((seed % 32768))
	for ((i = 0; i < KILLS; i++)); do
		w=${what[i % ${#what[@]}]}
		ms=$((RANDOM % window))
		rund-agent launch --name "kill$i" -- sleep 600 >"$TMP/out" 2>"$TMP/err" &
		client=$!
		sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
		kill_parts "kill$i" "$client" "$w"
		# Too early to hit anything: end it in an orderly way.
		kill -TERM "$client" 2>/dev/null
		wait "$client" 2>/dev/null
		rund-agent ps >/dev/null 2>&1
		nothing_left 30 "$w was killed after $ms ms"
	done
	run launch -- echo alive
	expect_eq "a launch after all that" "$out" alive
	nothing_left
}

# A detached sandbox whose monitor is killed is ended by the kernel, and said to be lost.
test_lost_monitor() {
	run launch --detach --name lost -- sh -c 'echo before; sleep 600'
	expect_eq status "$status" 0
	wait_for "$BOOT_LIMIT" grep -q before /run/rund/lost/log || ktap_fail "no output"
	vmm=$(field_of lost pid)
	kill -KILL "$(monitor_of lost)"
	wait_for 20 test ! -e "/proc/$vmm/exe" || ktap_fail "the VMM lives on"
	wait_for 20 test ! -e "$CGROUPS/lost" || rund-agent ps >/dev/null
	expect_eq state "$(state_of lost)" lost
	expect_match reason "$(field_of lost error)" 'monitor was killed'
	expect_eq logs "$(rund-agent logs lost)" before
	run launch --name lost -- true
	expect_match "its name" "$err" 'already in use'
	rund-agent rm lost || ktap_fail "rm"
	nothing_left
}

# The launching process dies in an orderly way: so does the sandbox.
test_terminated_launch() {
	rund-agent launch --name term -- sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done' \
		>"$TMP/out" 2>"$TMP/err" &
	client=$!
	wait_for "$BOOT_LIMIT" grep -q ready "$TMP/out" || ktap_fail "not ready: $(cat "$TMP/err")"
	kill -TERM "$client"
	status=0
	wait "$client" || status=$?
	expect_eq "status of the command's own handler" "$status" 9
	nothing_left
}

ktap_main "$@"
