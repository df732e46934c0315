#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel without the series refuses the module, and says why.
. "$(dirname "$0")/../../selftests/lib/ktap.sh"
top=$(cd "$(dirname "$0")/../.." && pwd)
stock=$top/build/kernel/stock

# refused MODULE MESSAGE-OF-INSMOD LINE-OF-THE-LOG: on the kernel without the series
refused() {
	[ -r "$stock/bzImage" ] || ktap_skip "no kernel without the series: make kernel-stock"
	# The log's lines come after what insmod says.
	# shellcheck disable=SC2016
	run env TMPDIR="$TMP" "$top/tools/lab/rund-lab" --kernel "$stock/bzImage" -- \
		bash -c 'insmod "$1"; st=$?; dmesg | grep lwcg; ls /dev/lwcg /sys/module/lwcg; exit $st' _ "$1"
	expect_eq "status of insmod" "$status" 1
	expect_match "message of insmod" "$err" "$2"
	expect_match "kernel log" "$out" "$3"
	expect_match "device" "$err" "cannot access '/dev/lwcg'"
	expect_match "module" "$err" "cannot access '/sys/module/lwcg'"
}

test_module_of_another_kernel_is_refused() {
	refused "$top/build/kmod/lwcg.ko" 'Invalid module format' 'version magic .* should be'
}

# As when CONFIG_CGROUP_POOL is switched off and the kernel keeps its version.
test_missing_functions_are_named() {
	local version
	[ -r "$stock/bzImage" ] || ktap_skip "no kernel without the series: make kernel-stock"
	version=$(cat "$stock/tree/include/config/kernel.release")
	objcopy -O binary --only-section=.modinfo "$top/build/kmod/lwcg.ko" "$TMP/modinfo"
	sed -z -i "s/^vermagic=[^ ]*/vermagic=$version/" "$TMP/modinfo"
	objcopy --update-section ".modinfo=$TMP/modinfo" "$top/build/kmod/lwcg.ko" "$TMP/lwcg.ko"
	refused "$TMP/lwcg.ko" 'Unknown symbol in module' 'lwcg: Unknown symbol cgroup_pool_[a-z]+ '
}

ktap_main "$@"
