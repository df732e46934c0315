# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# KTAP output for the shell selftests.  A test is a function whose name starts
# with test_; it returns 0 to pass, and skips by `ktap_skip "reason"; return`.
#
#	. "$(dirname "$0")/../lib/ktap.sh"
#	test_exit_status() { ... }
#	ktap_main "$@"
#
# Each test runs in a subshell with `set -eu`-like care left to it, a scratch
# directory in $TMP and the bounded helper `wait_for`.

KTAP_SKIP_STATUS=4

# A diagnostic line.
ktap_diag() { printf '# %s\n' "$*"; }

# Leave the test: it cannot run here, and this is why.
ktap_skip() {
	printf '%s\n' "$*" >"$TMP/.skip"
	exit "$KTAP_SKIP_STATUS"
}

# Fail the test now.
ktap_fail() {
	ktap_diag "$*"
	exit 1
}

# expect_eq WHAT GOT WANTED
expect_eq() {
	[ "$2" = "$3" ] || ktap_fail "$1: got '$2', expected '$3'"
}

# expect_match WHAT TEXT EXTENDED-REGEX
expect_match() {
	printf '%s\n' "$2" | grep -Eq -- "$3" || ktap_fail "$1: '$2' does not match '$3'"
}

# run COMMAND...: sets $status, $out and $err for the caller
# shellcheck disable=SC2034
run() {
	status=0
	"$@" >"$TMP/.out" 2>"$TMP/.err" || status=$?
	out=$(cat "$TMP/.out") err=$(cat "$TMP/.err")
}

# wait_for SECONDS COMMAND...: true as soon as the command is
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# The debug kernel is several times slower; the runner says so.
ktap_slow() { [ "${RUND_SLOW:-0}" = 1 ]; }

# ktap_slow_runs TEST...: of this file, the slow kernel runs only those, because the
# host kernel has no part in what the others test.  With RUND_FULL=1 it runs all.
ktap_slow_runs() { KTAP_SLOW_RUNS=" $* "; }

# ktap_left_out TEST
ktap_left_out() {
	ktap_slow && [ "${RUND_FULL:-0}" != 1 ] && [ -n "${KTAP_SLOW_RUNS:-}" ] &&
		[[ $KTAP_SLOW_RUNS != *" $1 "* ]]
}

# ktap_main [TEST...]: run the named tests, or all of them in the order of definition
ktap_main() {
	local tests=("$@") n=0 failed=0 st reason start
	if [ ${#tests[@]} -eq 0 ]; then
		mapfile -t tests < <(grep -oE '^test_[A-Za-z0-9_]+' "$0")
		for t in ${KTAP_SLOW_RUNS:-}; do
			declare -F "$t" >/dev/null || {
				echo "Bail out! ktap_slow_runs: no test $t"
				exit 1
			}
		done
	else
		KTAP_SLOW_RUNS=
	fi
	printf 'KTAP version 1\n1..%d\n' "${#tests[@]}"
	for t in "${tests[@]}"; do
		n=$((n + 1)) st=0 start=$SECONDS
		if ktap_left_out "$t"; then
			printf 'ok %d %s # SKIP %s\n' "$n" "$t" \
				"not of the host kernel: the release kernel runs it, or RUND_FULL=1"
			continue
		fi
		TMP=$(mktemp -d)
		export TMP
		("$t") || st=$?
		# A command may happen to end with the same status: only ktap_skip skips.
		[ "$st" != "$KTAP_SKIP_STATUS" ] || [ -s "$TMP/.skip" ] || {
			st=1
			ktap_diag "status $KTAP_SKIP_STATUS, and not by ktap_skip"
		}
		case $st in
		0) printf 'ok %d %s\n' "$n" "$t" ;;
		"$KTAP_SKIP_STATUS")
			reason=$(cat "$TMP/.skip")
			printf 'ok %d %s # SKIP %s\n' "$n" "$t" "$reason"
			;;
		*)
			printf 'not ok %d %s\n' "$n" "$t"
			failed=1
			;;
		esac
		[ $((SECONDS - start)) -lt 10 ] || ktap_diag "$t took $((SECONDS - start)) s"
		rm -rf "$TMP"
	done
	exit "$failed"
}
