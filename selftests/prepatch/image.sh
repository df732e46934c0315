# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # for the tests
#
# What the tests of pre-patched kernels share: an image made once, and a guest
# that does a little of everything before it ends.

# shellcheck source-path=SCRIPTDIR source=../lib/ktap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/ktap.sh"
# shellcheck source-path=SCRIPTDIR source=../vmm/guest.sh
. "$(dirname "${BASH_SOURCE[0]}")/../vmm/guest.sh"

PREPATCH=$RUND_BUILD/bin/rund-prepatch
IMAGE=/run/rund-selftest-vmlinux

need_image() {
	need_guest
	[ -s "$IMAGE" ] && return
	"$PREPATCH" build --vmlinux "$VMLINUX" -o "$IMAGE" >"$TMP/build" 2>&1 ||
		ktap_fail "build: $(cat "$TMP/build")"
}

# copy TO: an image to damage; offset SYMBOL: where in the file of the kernel
copy() { cp --sparse=always "$IMAGE" "$1"; }

# The first segment of kernels is at this offset, and begins with _text.
TEXT_OFFSET=$((0x200000))
offset() {
	local base at
	base=$(nm "$VMLINUX" | sed -n 's/ T _text$//p')
	at=$(nm "$VMLINUX" | sed -n "s/ [a-zA-Z] $1\$//p")
	echo $((0x$at - 0x$base + TEXT_OFFSET))
}

# put FILE OFFSET BYTES, as printf has them
# shellcheck disable=SC2059 # escapes are what it is for
put() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
