#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The lab itself, from outside: statuses, streams, verdicts, what it leaves.
. "$(dirname "$0")/../../../selftests/lib/ktap.sh"
lab=$(dirname "$0")/../rund-lab

runs() { pgrep -f "rund_job=$TMP/rund-lab" >/dev/null; }
left() { runs || compgen -G "$TMP/rund-lab.*" >/dev/null; }
lab() { TMPDIR=$TMP "$lab" --timeout 600 "$@"; }

test_status_and_streams() {
	# shellcheck disable=SC2016
	run lab -- bash -c 'cat; echo error >&2; exit 7' < <(echo "through $TMP")
	expect_eq status "$status" 7
	expect_eq stdout "$out" "through $TMP"
	expect_eq stderr "$err" error
	! left || ktap_fail "QEMU or the job directory is left"
}

test_bulk_stdin_is_whole() {
	head -c 20000000 /dev/urandom >"$TMP/data"
	run lab -- sha256sum <"$TMP/data"
	expect_eq sum "$out" "$(sha256sum <"$TMP/data")"
}

test_bulk_stdout_is_whole() {
	run lab -- bash -c 'seq 1000000 & seq 1000000 >&2; wait'
	expect_eq status "$status" 0
	seq 1000000 >"$TMP/data"
	cmp "$TMP/.out" "$TMP/data" || ktap_fail "stdout differs"
	cmp "$TMP/.err" "$TMP/data" || ktap_fail "stderr differs"
}

# As kselftest's runner does: the streams can be opened again, by their names.
test_streams_by_name() {
	run lab -- sh -c 'echo one >>/dev/stdout; echo two >>/dev/stdout; echo three >/dev/stderr'
	expect_eq status "$status" 0
	expect_eq stdout "$out" "$(printf 'one\ntwo')"
	expect_eq stderr "$err" three
}

test_environment() {
	# shellcheck disable=SC2016
	run lab --cpus 1 --env HELLO=world -- bash -c \
		'echo $HELLO $(id -u) $(nproc) $(stat -f -c %T /var/lib/rund) $(stat -f -c %T /sys/fs/cgroup); test -c /dev/kvm'
	expect_eq "status" "$status" 0
	expect_eq "environment" "$out" "world 0 1 xfs cgroup2fs"
}

# QEMU's TCG breaks guests that run on the first CPU; see rund-lab.
test_emulated_cpu_0_runs_no_process() {
	run lab --cpus 2 -- bash -c 'grep -q "TCG CPU" /proc/cpuinfo || { echo native; exit; }
		cat /sys/devices/system/cpu/isolated; sed -n "s/^Cpus_allowed_list:\t//p" /proc/self/status; nproc'
	expect_eq status "$status" 0
	[ "$out" = native ] || expect_eq "isolated, allowed, number" "$out" "$(printf '0\n1-2\n2')"
}

# QEMU's TCG executes breakpoints that are gone; see lab_int3.c.
# shellcheck disable=SC2016 # expanded in the lab
test_stale_breakpoints_do_no_harm() {
	run lab --cpus 2 -- bash -c 't=/sys/kernel/tracing; mount -t tracefs tracefs $t
		for i in 1 2 3; do (while :; do /bin/true; done) & done
		for ((i = 0; i < 30; i++)); do
			for f in _raw_spin_lock _raw_spin_lock_irq _raw_spin_lock_irqsave; do
				echo "p:lab/$f $f"
			done >$t/kprobe_events
			echo 1 >$t/events/lab/enable
			echo 0 >$t/events/lab/enable
			echo >$t/kprobe_events
		done
		kill $(jobs -p); echo alive'
	expect_eq status "$status" 0
	expect_eq stdout "$out" alive
}

test_all_cpus_keeps_none_back() {
	run lab --cpus 2 --all-cpus -- bash -c 'cat /sys/devices/system/cpu/isolated; nproc'
	expect_eq status "$status" 0
	expect_eq "isolated, number" "$out" "$(printf '\n2')"
}

test_machine_is_not_written() {
	run lab -- touch "$TMP/written"
	expect_eq status "$status" 0
	[ ! -e "$TMP/written" ] || ktap_fail "the command wrote through to this machine"
}

test_missing_command() {
	run lab -- no-such-command
	expect_eq status "$status" 127
	expect_match stderr "$err" "no-such-command"
}

test_kernel_trouble_fails() {
	run lab -- bash -c 'echo "WARNING: possible circular locking dependency detected" >/dev/kmsg'
	expect_eq status "$status" 124
	expect_match stderr "$err" "kernel log holds trouble"
}

test_panic_is_reported() {
	run lab -- bash -c 'echo c >/proc/sysrq-trigger'
	expect_eq status "$status" 125
	expect_match stderr "$err" "without reporting a status"
}

test_time_limit_ends_qemu() {
	run env TMPDIR="$TMP" "$lab" --timeout 3 -- sleep 600
	expect_eq status "$status" 124
	! left || ktap_fail "QEMU or the job directory is left"
}

test_interrupt_leaves_nothing() {
	TMPDIR=$TMP setsid --fork bash -c 'trap - INT; exec "$@"' _ "$lab" --timeout 1000 -- sleep 600 \
		>/dev/null 2>&1 </dev/null
	wait_for 120 runs || ktap_fail "the lab did not start"
	sleep 1
	pkill -INT -f -- "$lab --timeout 1000" || ktap_fail "the lab is gone already"
	gone() { ! left; }
	wait_for 120 gone || ktap_fail "QEMU or the job directory is left"
}

test_bad_usage() {
	run "$lab" --no-such-option
	expect_eq status "$status" 125
	run "$lab"
	expect_eq status "$status" 125
	expect_match stderr "$err" "no command given"
	run "$lab" --flavour nosuch -- true
	expect_eq status "$status" 125
	expect_match stderr "$err" "nosuch/bzImage not found; run .make kernel-nosuch. first"
	run "$lab" --cpus none -- true
	expect_eq status "$status" 125
	expect_match stderr "$err" "--cpus none: not a number of CPUs; "
}

# The library and the runner of the selftests: nothing fails unseen.
test_ktap_skips_only_on_purpose() {
	cat >"$TMP/test_x.sh" <<-SH
		. "$(dirname "$0")/../../../selftests/lib/ktap.sh"
		test_status() { bash -c 'exit 4'; }
		test_skip() { ktap_skip because; }
		ktap_main "\$@"
	SH
	run bash "$TMP/test_x.sh"
	expect_eq status "$status" 1
	expect_match results "$out" '^not ok 1 test_status$'
	expect_match results "$out" '^ok 2 test_skip # SKIP because$'
}

test_area_misses_no_test() {
	mkdir -p "$TMP/selftests/area"
	cp "$(dirname "$0")/../../../selftests/run-area" "$TMP/selftests/"
	: >"$TMP/selftests/area/test_unbuilt.c"
	: >"$TMP/selftests/area/test_plain.sh"
	RUND_BUILD=$TMP/build run "$TMP/selftests/run-area" area
	expect_eq status "$status" 1
	expect_match programs "$out" '^# program test_unbuilt$'
	expect_match programs "$out" '^# program test_plain.sh$'
	expect_eq "programs that passed" "$(printf '%s\n' "$out" | grep -c '^# status 0$')" 0
}

# The same of the count over all: what cannot run at all is no pass.
test_check_counts_what_cannot_run() {
	mkdir -p "$TMP/tools" "$TMP/build/san/x/tests" "$TMP/userspace/x/tests"
	cp "$(dirname "$0")/../../check" "$TMP/tools/"
	printf '#!/bin/sh\nexit 1\n' >"$TMP/tools/style"
	: >"$TMP/userspace/x/tests/test_a.c"
	printf 'unit-build:\n' >"$TMP/userspace/x/Makefile"
	printf '#!/bin/sh\nprintf "1..2\\nok 1 - a\\nnot ok 2 - b # SKIP c\\n"\n' >"$TMP/build/san/x/tests/test_a"
	chmod +x "$TMP/tools/style" "$TMP/build/san/x/tests/test_a"
	run "$TMP/tools/check" style unit release:nosuch
	expect_eq status "$status" 1
	expect_match count "$out" '^1 passed, 3 failed, 0 skipped$'
}

test_check_reads_an_area() {
	mkdir -p "$TMP/tools/lab" "$TMP/selftests/area"
	cp "$(dirname "$0")/../../check" "$TMP/tools/"
	cat >"$TMP/tools/lab/rund-lab" <<-'SH'
		#!/bin/sh
		printf '# program test_a\n1..2\n# status of x: got 1\nnot ok 1 x\nok 2 y\n# status 1\n'
		printf '# program test_c\n1..1\nok 1 x\nhalf a line# status 139\n'
		printf '# program test_b.sh\n1..1\nok 1 z # SKIP why\n# status 0\n'
		exit 1
	SH
	chmod +x "$TMP/tools/lab/rund-lab"
	run "$TMP/tools/check" release:area
	expect_match failure "$out" '^not ok release area/test_a x$'
	expect_match crash "$out" '^not ok release area/test_c: exit status unknown$'
	expect_match count "$out" '^3 passed, 2 failed, 1 skipped$'
}

# jobs_of CORES: the areas in the order in which a check on so many cores begins them
jobs_of() {
	mkdir -p "$TMP/tools/lab" "$TMP/selftests"/{a,b,c} "$TMP/bin"
	cp "$(dirname "$0")/../../check" "$TMP/tools/"
	printf '#!/bin/sh\necho %s\n' "$1" >"$TMP/bin/nproc"
	cat >"$TMP/tools/lab/rund-lab" <<-'SH'
		#!/bin/bash
		echo "${!#}" >>"$TMP/begun"
		met() { [ "$(wc -l <"$TMP/begun")" -ge "$(nproc)" ]; }
		for ((i = 0; i < 300; i++)); do met && break; sleep 0.1; done
		met || exit 9
		printf '# program test_a\n1..1\nok 1 x\n# status 0\n'
	SH
	chmod +x "$TMP/tools/lab/rund-lab" "$TMP/bin/nproc"
	PATH=$TMP/bin:$PATH run "$TMP/tools/check" release
	expect_match count "$out" '^6 passed, 0 failed, 0 skipped$'
	xargs <"$TMP/begun"
	rm "$TMP/begun"
}

test_check_begins_with_what_takes_long() {
	local begun area secs=5
	begun=$(jobs_of 1) || ktap_fail "$begun"
	expect_eq "order of the first run" "$begun" "a b c"
	for area in b c a; do
		expect_match "time of $area" "$(cat "$TMP/build/check/release-$area.seconds")" '^[0-9]+$'
		echo $((secs--)) >"$TMP/build/check/release-$area.seconds"
	done
	begun=$(jobs_of 1) || ktap_fail "$begun"
	expect_eq "order of the second run" "$begun" "b c a"
}

# The first two wait for each other.
test_check_runs_jobs_beside_each_other() {
	local begun
	begun=$(jobs_of 2) || ktap_fail "$begun"
	expect_match "begun" "$begun" '^(a b|b a) c$'
}

ktap_main "$@"
