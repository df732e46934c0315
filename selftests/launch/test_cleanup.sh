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
	PARALLEL=6 KILLS=2
	ktap_diag "slow kernel: $PARALLEL launches in parallel and $KILLS kills of each kind instead of 20"
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
	nothing_left
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

# kill_at MS WHAT NAME CLIENT: after that time, and whatever exists of it by then
kill_at() {
	sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"
	case $2 in
	vmm) vmm_of "$3" ;;
	agent) echo "$4"; monitor_of "$3" ;;
	both) echo "$4"; monitor_of "$3"; vmm_of "$3" ;;
	esac | xargs -r kill -KILL 2>/dev/null
	# Too early to hit anything: end it in an orderly way.
	kill -TERM "$4" 2>/dev/null
}

# no_trace NAME: what a monitor that lives cleans up by itself
no_trace() {
	[ ! -e "$CGROUPS/$1" ] && [ ! -e "/run/rund/$1" ] && ! pgrep -f "^rund-agent: monitor $1\$" >/dev/null
}

# Three sandboxes at a time: the VMM of one, both agents of one and all of one are
# killed.  A launch takes some seconds here; the moments lie before, in and after it.
test_kill_at_random_moments() {
	local seed=${RUND_SEED:-$((RANDOM * 32768 + RANDOM))} window=5000 i w ms at
	if ktap_slow; then window=30000; fi
	ktap_diag "seed $seed; set RUND_SEED to repeat"
	RANDOM=$((seed % 32768))
	for ((i = 0; i < KILLS; i++)); do
		at=''
		for w in vmm agent both; do
			ms=$((RANDOM % window))
			at+=" $w $ms ms"
			rund-agent launch --name "$w$i" -- sleep 600 >/dev/null 2>&1 &
			kill_at "$ms" "$w" "$w$i" $! &
		done
		wait 2>/dev/null
		# Nobody but its monitor may clean up here: no command of rund-agent before this.
		wait_for "$END_LIMIT" no_trace "vmm$i" || ktap_fail "left by a monitor whose VMM was killed:$at: $(left_anything)"
		rund-agent ps >/dev/null 2>&1
		nothing_left "kills at$at"
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
	wait_for "$END_LIMIT" test ! -e "/proc/$vmm/exe" || ktap_fail "the VMM lives on"
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

ktap_slow_runs test_parallel test_kill_at_random_moments test_lost_monitor
ktap_main "$@"
