#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lwcg as a DKMS package: built and installed for a kernel with the series, passed
# over for one without it.  In a mount namespace of its own, with throw-away
# overlays where DKMS writes.
[ "${1:-}" = --unshared ] || exec unshare -m "$0" --unshared "$@"
shift
. "$(dirname "$0")/../../selftests/lib/ktap.sh"
. "$(dirname "$0")/lib.sh"

version=$(cat "$top/VERSION")
tree=$top/build/kernel/host/tree
release=$(cat "$tree/include/config/kernel.release")
stock=6.12.0-stock

# The package added, and the headers of two kernels installed.
prepare() {
	local d k
	need dkms dkms
	mount -t tmpfs dkms "$TMP"
	trap 'umount -l /usr/lib /usr/src /var/lib "$TMP"' EXIT
	for d in usr/lib usr/src var/lib; do
		mkdir -p "$TMP/upper/$d" "$TMP/work/$d"
		mount -t overlay -o "lowerdir=/$d,upperdir=$TMP/upper/$d,workdir=$TMP/work/$d" dkms "/$d" ||
			ktap_skip "no overlayfs on this machine"
	done
	mkdir -p "/lib/modules/$release" "/lib/modules/$stock/build/include/config"
	ln -s "$(readlink -f "$tree")" "/lib/modules/$release/build"
	for k in .config include/config/auto.conf; do
		grep -v CONFIG_CGROUP_POOL "$tree/$k" >"/lib/modules/$stock/build/$k"
	done
	ok_or_show make -C "$top/kmod/lwcg" dkms-tree
	ok_or_show dkms add "lwcg/$version"
}

test_dkms_installs_with_the_series() {
	local ko=/lib/modules/$release/updates/dkms/lwcg.ko
	prepare
	ok_or_show dkms install "lwcg/$version" -k "$release"
	expect_match status "$(dkms status)" "^lwcg/$version, $release, x86_64: installed"
	expect_eq name "$(modinfo -F name "$ko")" lwcg
	expect_eq version "$(modinfo -F version "$ko")" "$version"
	expect_eq license "$(modinfo -F license "$ko")" GPL
	expect_eq import_ns "$(modinfo -F import_ns "$ko")" LWCG
	expect_match vermagic "$(modinfo -F vermagic "$ko")" "^$release "
	expect_match description "$(modinfo -F description "$ko")" cgroup
	expect_match modules.dep "$(cat "/lib/modules/$release/modules.dep")" lwcg.ko
	ok_or_show dkms remove "lwcg/$version" --all
	[ ! -e "$ko" ] || ktap_fail "$ko is left"
}

# The autoinstaller is what a kernel's packages run: if it fails, they do.
test_dkms_passes_over_without_it() {
	prepare
	run dkms install "lwcg/$version" -k "$stock"
	expect_eq "status of dkms install" "$status" 77
	expect_match message "$err" "should not be built"
	ok_or_show /usr/lib/dkms/dkms_autoinstaller start "$stock"
	expect_match "status" "$(dkms status)" "^lwcg/$version: added$"
	ok_or_show /usr/lib/dkms/dkms_autoinstaller start "$release"
	ok_or_show /usr/lib/dkms/dkms_autoinstaller start "$stock"
	expect_match "status" "$(dkms status)" "^lwcg/$version, $release, x86_64: installed"
	expect_eq "kernels it was built for" "$(dkms status | wc -l)" 1
}

# By hand: refused before the compiler starts, with the remedy.
test_make_refuses_without_it() {
	mkdir -p "$TMP/stock/include/config"
	grep -v CONFIG_CGROUP_POOL "$tree/.config" >"$TMP/stock/include/config/auto.conf"
	run make -C "$top/kmod/lwcg" KDIR="$TMP/stock" OUT="$TMP/out"
	[ "$status" != 0 ] || ktap_fail "lwcg was built without CONFIG_CGROUP_POOL"
	expect_match message "$err" "lacks CONFIG_CGROUP_POOL=y.* apply kernel/patches/host"
}

ktap_main "$@"
