#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# rund-prepatch makes images of the guest kernel that have nothing left to write,
# proves it, explains each byte, and what is damaged or for another CPU is
# refused.
set -u
# shellcheck source-path=SCRIPTDIR source=image.sh
. "$(dirname "$0")/image.sh"
# The host kernel's part is KVM's dirty log and read-only memory.
ktap_slow_runs test_verify_to_the_freeze_point test_verify_finds_who_writes

test_build_and_info() {
	need_image
	run "$PREPATCH" info "$IMAGE"
	expect_eq "exit status" "$status" 0
	expect_match "release" "$out" '^kernel +6\.12\.[0-9]+-rund-guest$'
	expect_match "left as linked" "$out" '^left as linked +0 bytes'
	run "$PREPATCH" info --json "$IMAGE"
	expect_eq "manifest" "$out" "$(cat "$IMAGE.json")"
	expect_match "features" "$out" '"fpu"'
	file -b "$IMAGE" 2>/dev/null | grep -q . || return 0
	expect_match "a vmlinux" "$(readelf -h "$IMAGE")" 'EXEC \(Executable file\)'
}

test_build_is_reproducible() {
	need_image
	run "$PREPATCH" build --vmlinux "$VMLINUX" -o "$TMP/again"
	expect_eq "exit status" "$status" 0
	cmp "$IMAGE" "$TMP/again" || ktap_fail "two builds differ"
}

test_verify_to_the_freeze_point() {
	local n
	need_image
	for n in 1 2 4; do
		run "$PREPATCH" verify --cpus "$n" "$IMAGE"
		expect_eq "exit status with $n vCPUs: $err" "$status" 0
		expect_match "$n vCPUs" "$out" ": 0 pages .* written, $n vCPUs"
	done
	# Where the dentry hash table lies depends on how much memory there is.
	run "$PREPATCH" verify --mem 1G "$IMAGE"
	expect_eq "exit status with 1 GiB: $err" "$status" 0
}

test_verify_to_the_end() {
	local n
	need_image
	# shellcheck disable=SC2016 # the guest expands it
	make_initrd 'mkdir /tmp/a; for i in 1 2 3; do dd if=/dev/urandom of=/tmp/a/$i bs=64k count=16; done; cat /proc/*/stat /proc/meminfo >/dev/null; sleep 1'
	for n in 1 2 4; do
		run "$PREPATCH" verify --cpus "$n" --initrd "$TMP/initrd" "$IMAGE"
		expect_eq "exit status with $n vCPUs: $err" "$status" 0
	done
}

# The kernel that the image is made from is the one that writes.
test_verify_finds_who_writes() {
	need_image
	run "$PREPATCH" verify "$VMLINUX"
	expect_eq "exit status" "$status" 1
	expect_match "error" "$err" 'not final; [0-9]+ pages would be private'
	expect_match "first writer" "$out" '^  first .*mechanism: alternative, by (text_poke_early|__memcpy|memcpy)'
	run "$PREPATCH" verify --json "$VMLINUX"
	expect_match "mechanism" "$out" '"mechanism": *"alternative"'
}

test_report_explains_every_byte() {
	local changed
	need_image
	run "$PREPATCH" report "$VMLINUX" "$IMAGE"
	expect_eq "exit status: $err" "$status" 0
	run "$PREPATCH" report --json "$VMLINUX" "$IMAGE"
	expect_match "unattributed" "$out" '"unattributed_bytes": *0[,}]?'
	changed=$(printf '%s\n' "$out" | grep -o '"changed_bytes": *[0-9]*' | head -n 1 | grep -o '[0-9]*$')
	[ "$changed" -gt 1000 ] || ktap_fail "only $changed bytes changed"
	# A byte that no table knows
	copy "$TMP/image"
	put "$TMP/image" "$(($(offset linux_banner) + 3))" '\377'
	run "$PREPATCH" report "$VMLINUX" "$TMP/image"
	expect_eq "exit status" "$status" 1
	expect_match "error" "$out$err" 'linux_banner\+0x3'
}

test_report_html() {
	need_image
	run "$PREPATCH" report --html "$TMP/page.html" "$VMLINUX" "$IMAGE"
	expect_eq "exit status: $err" "$status" 0
	expect_match "page" "$(head -c 400 "$TMP/page.html")" '<!DOCTYPE html>|<html'
	expect_eq "maps" "$(grep -o '<svg' "$TMP/page.html" | wc -l)" 2
}

refused() {
	run "$VMM" --kernel "$TMP/image" --mem 128M
	expect_eq "exit status for $1" "$status" 1
	expect_match "message for $1" "$err" "$2"
}

test_damaged_is_refused() {
	local size
	need_image
	for what in _text linux_banner _sdata; do
		copy "$TMP/image"
		put "$TMP/image" "$(offset "$what")" '\125\252'
		refused "a byte of $what" 'damaged pre-patched image'
	done
	copy "$TMP/image"
	put "$TMP/image" $((0x1000 + 20 + 100)) '\125'
	refused "a byte of the note" 'damaged pre-patched image|another version'
	copy "$TMP/image"
	put "$TMP/image" 9 '\0'
	refused "its mark" 'damaged pre-patched image'
	size=$(stat -c %s "$IMAGE")
	for n in 100 5000 $((0x200000 - 1)) $((TEXT_OFFSET + 5000)) $((size / 2)); do
		copy "$TMP/image"
		truncate -s "$n" "$TMP/image"
		refused "$n bytes of $size" 'truncated|damaged|not an x86-64 vmlinux'
	done
}

# The kernel checks too: an image that no VMM looked at, made for a CPU with all features.
test_kernel_refuses_another_cpu() {
	need_guest
	make_initrd ''
	cp --sparse=always "$VMLINUX" "$TMP/image"
	put "$TMP/image" "$(offset frozen_text_final)" 'FROZNTXT\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377\377'
	put "$TMP/image" "$(($(offset frozen_text_final) + 8 + 9 * 4))" '\377\377\377\377'
	boot --mem 128M --kernel "$TMP/image"
	expect_match "panic" "$console" 'frozen text: this image was made for a CPU with(out)? feature [0-9]+\*32\+[0-9]+'
}

test_build_refuses() {
	need_image
	run "$PREPATCH" build --vmlinux "$IMAGE" -o "$TMP/x"
	expect_eq "exit status" "$status" 1
	expect_match "an image" "$err" 'already pre-patched'
	[ ! -e "$TMP/x" ] || ktap_fail "an output was left"
	run "$PREPATCH" build --vmlinux "$VMLINUX" -o "$TMP/no/such/x"
	expect_eq "exit status" "$status" 1
	expect_match "output" "$err" 'no/such/x'
	mkdir "$TMP/y.json"
	run "$PREPATCH" build --vmlinux "$VMLINUX" -o "$TMP/y"
	expect_eq "exit status" "$status" 1
	expect_match "manifest" "$err" 'manifest .*/y.json: '
	expect_eq "files left" "$(cd "$TMP" && echo y*)" "y y.json"
	run "$PREPATCH" build --vmlinux "$VMM" -o "$TMP/x"
	expect_eq "exit status" "$status" 1
	run "$PREPATCH" build --vmlinux "$VMLINUX" -o "$TMP/x" --cpu EPYC
	expect_eq "exit status" "$status" 2
	expect_match "CPU" "$err" 'only host'
	run "$PREPATCH" info "$VMLINUX"
	expect_eq "exit status" "$status" 1
	expect_match "info" "$err" 'not pre-patched'
}

test_text_log_needs_an_image() {
	need_image
	run "$VMM" --kernel "$VMLINUX" --text-log "path=$TMP/log"
	expect_eq "exit status" "$status" 1
	expect_match "message" "$err" 'not pre-patched'
}

ktap_main "$@"
