# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Linux guests for the shell tests: an initramfs of busybox and one script, and
# rund-vmm with a time limit and its console in a file.

VMM=${RUND_VMM:-$RUND_BUILD/bin/rund-vmm}
VMLINUX=$RUND_BUILD/lib/rund/vmlinux
# shellcheck disable=SC2034
BZIMAGE=$RUND_BUILD/kernel/guest/bzImage
# Under emulation a guest takes 3 s, on a busy machine or the debug host many times that.
LIMIT=240
ktap_slow && LIMIT=500

need_guest() {
	[ -c /dev/kvm ] || ktap_skip "no /dev/kvm"
	[ -r "$VMLINUX" ] || ktap_skip "no guest kernel in $VMLINUX"
	command -v busybox cpio >/dev/null || ktap_skip "busybox or cpio is not installed"
}

# make_initrd SCRIPT: $TMP/initrd runs the shell text with its output on the console
make_initrd() {
	local d=$TMP/root
	rm -rf "$d"
	mkdir -p "$d"/{bin,dev,proc,sys,mnt,tmp}
	cp "$(command -v busybox)" "$d/bin/busybox"
	mknod "$d/dev/console" c 5 1
	{
		echo '#!/bin/busybox sh'
		echo '/bin/busybox --install -s /bin; export PATH=/bin'
		echo 'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev'
		echo 'exec >/dev/ttyS0 2>&1'
		printf '%s\n' "$1"
		echo 'echo guest-done'
		echo 'reboot -f'
	} >"$d/init"
	chmod 755 "$d/init"
	(cd "$d" && find . | cpio -o -H newc --quiet) >"$TMP/initrd"
}

# boot OPTION...: run a guest to its end; sets $status, $err and $console
# shellcheck disable=SC2034
boot() {
	local t=0
	: >"$TMP/console"
	timeout -k 5 "$LIMIT" "$VMM" --initrd "$TMP/initrd" --console path="$TMP/console" \
		"$@" >"$TMP/out" 2>"$TMP/err" || t=$?
	status=$t err=$(cat "$TMP/err") console=$(tr -d '\r' <"$TMP/console")
	[ "$status" != 124 ] || {
		tail -n 20 "$TMP/console" | sed 's/^/# console: /'
		ktap_fail "the guest did not end within $LIMIT s"
	}
}

# The guest got to its end, and its kernel complained about nothing.
expect_clean() {
	expect_eq "exit status" "$status" 0
	expect_match "console" "$console" '^guest-done$'
	if grep -Eq 'WARNING:|BUG:|Oops|Call Trace|self-detected stall|nobody cared' "$TMP/console"; then
		grep -E -A5 'WARNING:|BUG:|Oops|self-detected|nobody cared' "$TMP/console" | sed 's/^/# /'
		ktap_fail "the guest kernel complained"
	fi
}

# What the guest printed as "KEY=VALUE"
value() { printf '%s\n' "$console" | sed -n "s/^$1=//p" | tail -n 1; }
