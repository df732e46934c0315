#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Standard streams: every byte, every end of file, and terminals.
# shellcheck disable=SC2154,SC2016,SC2119 # set by run; expanded by the guest's shell
# shellcheck source=./common.sh
. "$(dirname "$0")/common.sh"

MIB=100
if ktap_slow; then
	MIB=16
	ktap_diag "slow kernel: $MIB MiB through cat instead of 100"
fi

test_big_stdin_comes_back() {
	head -c "${MIB}M" /dev/urandom >"$TMP/data"
	launch --mem 256M -- cat <"$TMP/data" >"$TMP/back" 2>"$TMP/err" || ktap_fail "$(cat "$TMP/err")"
	cmp "$TMP/data" "$TMP/back" || ktap_fail "not the same"
	nothing_left
}

test_pipes_on_both_sides() {
	seq 1 200000 >"$TMP/want"
	seq 1 200000 | launch -- cat 2>"$TMP/err" | cat >"$TMP/got"
	cmp "$TMP/want" "$TMP/got" || ktap_fail "not the same"
	nothing_left
}

test_empty_stdin() {
	out=$(launch -- sh -c 'cat; echo end' </dev/null 2>"$TMP/err")
	expect_eq stdout "$out" end
	out=$(launch -- sh -c 'cat; echo end' <&- 2>"$TMP/err")
	expect_eq "stdout with stdin closed" "$out" end
	nothing_left
}

# stdin that stays open does not keep the sandbox, and what is not read is no error.
test_stdin_left_open() {
	mkfifo "$TMP/fifo"
	sleep 600 >"$TMP/fifo" &
	out=$(launch -- echo "done" <"$TMP/fifo" 2>"$TMP/err")
	kill $!
	expect_eq stdout "$out" "done"
	head -c 10M /dev/zero | launch -- true 2>"$TMP/err" || ktap_fail "unread stdin: $(cat "$TMP/err")"
	nothing_left
}

# As with a local command: who writes to a pipe that nobody reads gets SIGPIPE.
test_closed_stdout() {
	launch -- yes 2>"$TMP/err" | head -n 1 >"$TMP/out"
	expect_eq status "${PIPESTATUS[0]}" 141
	expect_eq stdout "$(cat "$TMP/out")" y
	nothing_left
}

test_stdout_and_stderr_apart() {
	run launch -- sh -c 'seq 1 20000; seq 20001 40000 >&2; exit 3'
	expect_eq status "$status" 3
	expect_eq stdout "$out" "$(seq 1 20000)"
	expect_eq stderr "$(messages)" "$(seq 20001 40000)"
	nothing_left
}

test_slow_reader() {
	launch -- sh -c 'seq 1 100000' 2>"$TMP/err" | (sleep 8; sha256sum) >"$TMP/sum"
	expect_eq sum "$(cat "$TMP/sum")" "$(seq 1 100000 | sha256sum)"
	nothing_left
}

test_signals_are_forwarded() {
	rund-agent launch -- sh -c 'trap "echo usr1; exit 5" USR1; echo ready; while :; do sleep 0.1; done' \
		>"$TMP/out" 2>"$TMP/err" &
	wait_for "$BOOT_LIMIT" grep -q ready "$TMP/out" || ktap_fail "not ready: $(cat "$TMP/err")"
	kill -USR1 $!
	status=0
	wait $! || status=$?
	expect_eq status "$status" 5
	expect_match stdout "$(cat "$TMP/out")" usr1
	nothing_left
}

test_tty() {
	command -v expect >/dev/null || ktap_skip "expect is not installed"
	cat >"$TMP/tty.exp" <<-'EXPECT'
		set timeout 200
		proc fail {what} { puts "FAILED: $what"; exit 1 }
		proc want {what} {
			expect -re $what {} timeout { fail "no $what" } eof { fail "eof, no $what" }
		}
		spawn rund-agent launch --tty -- sh
		set slave $spawn_out(slave,name)
		want "/ # "
		send "tty; test -t 0 -a -t 1 -a -t 2 && echo is-a-\"\"tty\r"
		want "/dev/pts/0.*is-a-tty.*/ # "
		exec stty rows 33 columns 77 <$slave
		# The size goes another way than what is typed, and may come later.
		send "until stty size | grep -x '33 77'; do sleep 0.2; done\r"
		want "\n33 77\r\n.*/ # "
		# What is typed before cat has the terminal is the shell's, in its mode.
		send "sh -c 'echo begin; exec cat'\r"
		want "\nbegin\r\n"
		send "line\r"
		want "line\r\nline"
		send "\003"
		want "/ # "
		send "sh -c 'echo begin; exec sleep 500'\r"
		want "\nbegin\r\n"
		send "\003"
		want "/ # "
		send "echo \$((6*7)) \$TERM\r"
		want "42 vt102.*/ # "
		send "exit 3\r"
		expect eof
		lassign [wait] pid id os status
		if {$status != 3} { fail "status $status" }
		puts "PASSED"
	EXPECT
	TERM=vt102 expect "$TMP/tty.exp" >"$TMP/log" 2>&1 || ktap_fail "$(cat -v "$TMP/log")"
	nothing_left
}

# The terminal is given back as it was, also when the sandbox is killed.
test_tty_is_restored() {
	command -v expect >/dev/null || ktap_skip "expect is not installed"
	cat >"$TMP/restore.exp" <<-'EXPECT'
		set timeout 200
		proc want {what} {
			global expect_out
			expect -re $what {} timeout { puts "FAILED: no $what"; exit 1 } \
				eof { puts "FAILED: eof"; exit 1 }
		}
		spawn sh
		want {[#$] $}
		send "stty -a | md5sum; rund-agent launch --name ttyk --tty -- sh\r"
		want {([0-9a-f]{32}) }
		set before $expect_out(1,string)
		want "/ # "
		exec rund-agent rm -f ttyk
		want {ended by rund-agent rm -f.*[#$] $}
		send "echo; stty -a | md5sum\r"
		want {([0-9a-f]{32}) }
		if {$expect_out(1,string) ne $before} { puts "FAILED: changed"; exit 1 }
		send "exit\r"
		expect eof
	EXPECT
	expect "$TMP/restore.exp" >"$TMP/log" 2>&1 || ktap_fail "$(cat -v "$TMP/log")"
	nothing_left
}

ktap_slow_runs test_big_stdin_comes_back test_tty
ktap_main "$@"
