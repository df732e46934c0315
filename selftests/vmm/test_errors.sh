#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Whatever rund-vmm cannot do, it says in one line that names the object and
# what to do about it, exits with 1, and leaves nothing behind.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib/ktap.sh
. "$(dirname "$0")/../lib/ktap.sh"
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

# fails REGEX OPTION...
fails() {
	local want=$1
	shift
	run timeout -k 5 "$LIMIT" "$VMM" "$@"
	expect_eq "exit status" "$status" 1
	expect_eq "lines on stderr" "$(printf '%s\n' "$err" | wc -l)" 1
	expect_match "message" "$err" "^rund-vmm: error: .*$want"
	expect_eq "stdout" "$out" ""
}

test_bad_options() {
	fails '--kernel is missing'
	fails 'unknown option' --kernel x --wrong
	fails '--mem 1Q: .*128M' --kernel x --mem 1Q
	fails '--cpus: .*64' --kernel x --cpus 65
	fails '--blk: descriptor 77' --kernel x --blk fd=77
}

test_help_and_version() {
	run "$VMM" --help
	expect_eq "status" "$status" 0
	expect_match "help" "$out" '^Usage: rund-vmm'
	run "$VMM" --version
	expect_eq "status" "$status" 0
	expect_match "version" "$out" '^rund-vmm [0-9]'
}

test_impossible_memory() {
	[ -c /dev/kvm ] || ktap_skip "no /dev/kvm"
	fails '--mem' --kernel "$VMLINUX" --mem 16777215T
	fails '--mem .*ask for less|--mem: .*no possible size' --kernel "$VMLINUX" --mem 600G
	fails 'raise --mem' --kernel "$VMLINUX" --mem 16M
}

test_bad_kernels() {
	local size
	[ -c /dev/kvm ] || ktap_skip "no /dev/kvm"
	size=$(stat -c %s "$VMLINUX")
	fails '/nonexistent: No such file' --kernel /nonexistent
	fails 'not a regular file' --kernel /
	: >"$TMP/empty"
	fails 'truncated' --kernel "$TMP/empty"
	head -c 1M /dev/urandom >"$TMP/noise"
	fails 'neither an ELF vmlinux nor a bzImage' --kernel "$TMP/noise"
	head -c $((size / 2)) "$VMLINUX" >"$TMP/half"
	fails 'truncated' --kernel "$TMP/half"
	cp "$VMLINUX" "$TMP/k"
	printf '\xff\xff\xff\xff\xff\xff\xff\xff' | dd of="$TMP/k" bs=1 seek=24 conv=notrunc 2>/dev/null
	fails 'entry point' --kernel "$TMP/k"
	fails 'not an x86-64 vmlinux' --kernel /bin/sh
}

test_bad_initrd() {
	[ -c /dev/kvm ] || ktap_skip "no /dev/kvm"
	fails '/nonexistent: No such file' --kernel "$VMLINUX" --initrd /nonexistent
	truncate -s 256M "$TMP/big"
	fails 'raise --mem' --kernel "$VMLINUX" --mem 128M --initrd "$TMP/big"
}

test_long_command_line() {
	[ -c /dev/kvm ] || ktap_skip "no /dev/kvm"
	fails 'command line is longer' --kernel "$VMLINUX" --cmdline "$(head -c 2048 /dev/zero | tr '\0' x)"
}

test_bad_disk() {
	[ -c /dev/kvm ] || ktap_skip "no /dev/kvm"
	: >"$TMP/empty"
	fails '--blk 0: .*at least 512 bytes' --kernel "$VMLINUX" --blk path="$TMP/empty"
	truncate -s 1M "$TMP/ro"
	fails 'not open for writing; add ",ro"' --kernel "$VMLINUX" --blk fd=5 5<"$TMP/ro"
}

# In a mount namespace of its own, so that nobody else misses the device.
test_no_kvm() {
	cat >"$TMP/in-ns" <<-'SH'
		mount -t tmpfs none /dev || exit 4
		shift
		exec "$@"
	SH
	run unshare -m sh "$TMP/in-ns" x "$VMM" --kernel "$VMLINUX"
	[ "$status" != 4 ] || ktap_skip "cannot mount over /dev"
	expect_eq "exit status" "$status" 1
	expect_match "message" "$err" '^rund-vmm: error: /dev/kvm: No such file.*load kvm_intel or kvm_amd'
	sed -i 's,^mount.*,mount --bind /dev/null /dev/kvm || exit 4,' "$TMP/in-ns"
	run unshare -m sh "$TMP/in-ns" x "$VMM" --kernel "$VMLINUX"
	[ "$status" != 4 ] || ktap_skip "cannot mount over /dev/kvm"
	expect_match "message" "$err" '^rund-vmm: error: /dev/kvm: not KVM'
}

test_nothing_left() {
	need_guest
	make_initrd 'echo ready; sleep 3600'
	: >"$TMP/console"
	"$VMM" --kernel "$VMLINUX" --initrd "$TMP/initrd" --control path="$TMP/ctl" \
		--vsock cid=3,path="$TMP/vsock" --console path="$TMP/console" &
	pid=$!
	wait_for "$LIMIT" grep -q '^ready' "$TMP/console" || { kill -9 "$pid"; ktap_fail "no guest"; }
	[ -S "$TMP/ctl" ] || ktap_fail "no control socket"
	[ -S "$TMP/vsock" ] || ktap_fail "no vsock socket"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	expect_eq "exit status" "$status" 0
	[ ! -e "$TMP/ctl" ] || ktap_fail "the control socket is left"
	[ ! -e "$TMP/vsock" ] || ktap_fail "the vsock socket is left"
}

ktap_slow_runs test_no_kvm test_nothing_left
ktap_main "$@"
