#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# virtio-blk as a guest sees it: file systems on it keep what they are given,
# read-only means it, and a full host turns into I/O errors.
# shellcheck disable=SC2016 # guest scripts are expanded by the guest
set -u
# shellcheck source-path=SCRIPTDIR source=../lib/ktap.sh
. "$(dirname "$0")/../lib/ktap.sh"
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

STORE=/var/lib/rund

setup() {
	need_guest
	[ -w "$STORE" ] || ktap_skip "$STORE is not writable"
	disk=$STORE/vmm-test.$$
	trap 'rm -f "$disk"*' EXIT
}

test_file_system() {
	setup
	truncate -s 64M "$disk"
	mkfs.ext4 -q "$disk"
	make_initrd '
mount -t ext4 /dev/vda /mnt
dd if=/dev/urandom of=/mnt/f bs=64k count=200 2>/dev/null
echo sum=$(md5sum </mnt/f | cut -c1-32)
sync; echo 3 >/proc/sys/vm/drop_caches
echo again=$(md5sum </mnt/f | cut -c1-32)
rm /mnt/f; sync; fstrim /mnt && echo trimmed=1
dd if=/dev/zero of=/mnt/keep bs=1k count=100 2>/dev/null
umount /mnt
echo size=$(cat /sys/block/vda/size) ro=$(cat /sys/block/vda/ro)
'
	boot --kernel "$VMLINUX" --cpus 2 --blk path="$disk"
	expect_clean
	expect_match "checksum" "$(value sum)" '^[0-9a-f]{32}$'
	expect_eq "checksum after dropping the cache" "$(value again)" "$(value sum)"
	expect_eq "discard" "$(value trimmed)" 1
	expect_eq "size" "$(value size)" "131072 ro=0"
	e2fsck -fn "$disk" >"$TMP/fsck" 2>&1 || ktap_fail "e2fsck: $(tail -n 3 "$TMP/fsck")"
	# What was trimmed went back to the host.
	[ "$(du -k "$disk" | cut -f1)" -lt 13000 ] || ktap_fail "$(du -k "$disk") KiB still allocated"
}

test_raw_sectors() {
	setup
	head -c 1M /dev/urandom >"$disk"
	make_initrd '
echo whole=$(md5sum </dev/vda | cut -c1-32)
dd if=/dev/vda bs=512 skip=2047 count=1 2>/dev/null | md5sum | cut -c1-32 | sed s/^/last=/
dd if=/dev/zero of=/dev/vda bs=512 seek=100 count=3 conv=fsync 2>/dev/null
'
	whole=$(md5sum <"$disk" | cut -c1-32)
	last=$(tail -c 512 "$disk" | md5sum | cut -c1-32)
	boot --kernel "$VMLINUX" --blk path="$disk"
	expect_clean
	expect_eq "contents" "$(value whole)" "$whole"
	expect_eq "last sector" "$(value last)" "$last"
	expect_eq "written" "$(dd if="$disk" bs=512 skip=100 count=3 2>/dev/null | tr -d '\0' | wc -c)" 0
}

test_read_only() {
	setup
	head -c 1M /dev/urandom >"$disk"
	sum=$(md5sum <"$disk" | cut -c1-32)
	make_initrd '
echo ro=$(cat /sys/block/vda/ro)
dd if=/dev/zero of=/dev/vda bs=512 count=1 2>/dev/null && echo written=1
echo sum=$(md5sum </dev/vda | cut -c1-32)
'
	boot --kernel "$VMLINUX" --blk path="$disk",ro
	expect_clean
	expect_eq "ro" "$(value ro)" 1
	expect_eq "written" "$(value written)" ""
	expect_eq "contents in the guest" "$(value sum)" "$sum"
	expect_eq "contents on the host" "$(md5sum <"$disk" | cut -c1-32)" "$sum"
}

# The store is full: the guest gets an I/O error, and neither side hangs.
test_no_space() {
	setup
	mkdir "$TMP/small"
	mount -t tmpfs -o size=4m none "$TMP/small" || ktap_skip "cannot mount a tmpfs"
	truncate -s 64M "$TMP/small/disk"
	make_initrd '
dd if=/dev/zero of=/dev/vda bs=64k count=400 conv=fsync 2>&1 | grep -i error && echo failed=1
dd if=/dev/vda of=/dev/null bs=512 count=1 2>/dev/null && echo alive=1
'
	boot --kernel "$VMLINUX" --blk path="$TMP/small/disk"
	umount "$TMP/small"
	expect_eq "exit status" "$status" 0
	expect_eq "the write failed" "$(value failed)" 1
	expect_eq "the disk still reads" "$(value alive)" 1
}

# Four disks keep their order, and their interrupts.
test_four_disks() {
	local i opts=()
	setup
	for i in 0 1 2 3; do
		truncate -s $((i + 1))M "$disk.$i"
		opts+=(--blk path="$disk.$i")
	done
	make_initrd 'for d in vda vdb vdc vdd; do echo $d=$(cat /sys/block/$d/size):$(cat /sys/block/$d/serial); dd if=/dev/$d of=/dev/null bs=64k 2>/dev/null; done'
	boot --kernel "$VMLINUX" --cpus 2 "${opts[@]}"
	expect_clean
	expect_match "disks" "$console" '^vda=2048:rund-blk0'
	expect_match "disks" "$console" '^vdd=8192:rund-blk3'
}

ktap_slow_runs test_file_system test_no_space
ktap_main "$@"
