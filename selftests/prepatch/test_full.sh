#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest kernel with everything that writes kernel text (guest-full.config), which
# `make kernel-guest-full` builds: its KUnit tests pass, each byte that it rewrites
# is explained, an image of it works, and writes after the freeze are reported.
set -u
# shellcheck source-path=SCRIPTDIR source=image.sh
. "$(dirname "$0")/image.sh"
# The host kernel has no part in these.
ktap_slow_runs ""

FULL=$RUND_BUILD/kernel/guest-full/vmlinux

need_full() {
	need_guest
	[ -r "$FULL" ] || ktap_skip "no kernel in build/kernel/guest-full; make kernel-guest-full builds it"
	VMLINUX=$FULL IMAGE=/run/rund-selftest-vmlinux-full
	need_image
}

test_kunit() {
	local totals
	need_full
	make_initrd ''
	boot --kernel "$FULL" --mem 256M --cmdline ignore_loglevel
	expect_clean
	totals=$(printf '%s\n' "$console" | sed -n 's/.*# Totals: *//p' | head -n 1)
	printf '%s\n' "$console" | grep -E 'frozen-text|    (not )?ok [0-9]' | sed 's/^/# /'
	expect_match "totals of KUnit" "$totals" '^pass:1[0-9] fail:0 skip:0'
	expect_match "suite" "$console" '^ok [0-9]+ frozen-text$'
}

test_report_explains_every_byte() {
	local m
	need_full
	run "$PREPATCH" report "$FULL" "$IMAGE"
	expect_eq "exit status: $err" "$status" 0
	for m in alternative return_thunk endbr_seal; do
		expect_match "table" "$out" "^ *$m "
	done
	printf '%s\n' "$out" | head -n 24 | sed 's/^/# /'
	run "$PREPATCH" report --json "$FULL" "$IMAGE"
	expect_match "unattributed" "$out" '"unattributed_bytes": *0[,}]?'
}

# Static keys and calls follow their state: these pages are written, and no others.
test_image_works() {
	need_full
	run "$PREPATCH" info "$IMAGE"
	expect_match "left as linked" "$out" '^left as linked +[1-9][0-9]* bytes'
	run "$PREPATCH" verify "$IMAGE"
	expect_eq "exit status" "$status" 1
	expect_match "writers" "$out" 'mechanism: (jump_label|static_call)'
	! printf '%s\n' "$out" | grep -E 'mechanism: ' | grep -vE 'mechanism: (jump_label|static_call)' ||
		ktap_fail "something else is written"
	make_initrd 'cat /proc/meminfo >/dev/null'
	boot --kernel "$IMAGE" --mem 256M --cpus 2
	expect_clean
}

# The choice of mitigations decides what retpolines, returns and thunks become.
test_other_mitigations() {
	local choice
	need_full
	make_initrd 'cat /proc/meminfo >/dev/null'
	for choice in mitigations=off spectre_v2=off spectre_v2=retpoline,lfence; do
		run "$PREPATCH" build --vmlinux "$FULL" --cmdline "$choice" -o "$TMP/image"
		expect_eq "exit status with $choice: $err" "$status" 0
		run "$PREPATCH" report "$FULL" "$TMP/image"
		expect_eq "exit status of the report with $choice: $err" "$status" 0
		printf '%s\n' "$out" | sed -n "s/^ *retpoline  */# $choice: retpolines /p"
		boot --kernel "$TMP/image" --mem 256M --cmdline "$choice ignore_loglevel"
		# Of one choice the kernel itself says that it is not recommended.
		console=$(printf '%s\n' "$console" | grep -v 'Spectre V2 : WARNING: LFENCE')
		printf '%s\n' "$console" >"$TMP/console"
		expect_clean
	done
}

test_write_after_freeze_is_reported() {
	need_full
	# shellcheck disable=SC2016 # the guest expands it
	make_initrd 'mount -t tracefs none /mnt; echo function >/mnt/current_tracer; echo tracer=$(cat /mnt/current_tracer)'
	boot --kernel "$IMAGE" --mem 256M --cmdline ignore_loglevel
	expect_match "console" "$console" 'frozen text: [0-9]+ bytes are written at '
	expect_match "backtrace" "$console" 'frozen_text_written'
	expect_match "and done" "$console" '^tracer=function'
}

ktap_main "$@"
