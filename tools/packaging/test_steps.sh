#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The host series patch by patch.  After each one the smallest kernel builds,
# with CONFIG_CGROUP_POOL and without it; what the series touches builds in the
# host's and the debug host's configuration without a warning of W=1 or sparse
# that the bare source has not; and so for Coccinelle after the last.
#
# test_boots builds the host kernel after each patch and boots it in the lab: an
# hour and more on a small machine, and only with RUND_BOOT_STEPS=1.
. "$(dirname "$0")/../../selftests/lib/ktap.sh"
. "$(dirname "$0")/steps.sh"

pools_on() { expect_config '^CONFIG_CGROUP_POOL=y$'; }
pools_off() { expect_config '^# CONFIG_CGROUP_POOL is not set$'; }

test_smallest_kernel_without_pools() {
	configure CGROUPS=y
	each_step links
	pools_off
}

test_smallest_kernel_with_pools() {
	configure CGROUPS=y CGROUP_POOL=y
	each_step links
	pools_on
}

test_host_without_pools_no_new_warning() {
	configure host CGROUP_POOL=n
	each_step compiles_clean
	pools_off
}

test_host_no_new_warning() {
	configure host
	each_step compiles_clean
	pools_on
}

test_debug_no_new_warning() {
	configure host debug
	each_step compiles_clean
	pools_on
	expect_config '^CONFIG_CGROUP_POOL_KUNIT_TEST=y$'
}

test_coccinelle_no_new_report() { coccinelle_no_new_report; }

# The module, and something in it that is to be found.
test_coccinelle_module() {
	local src c
	need spatch coccinelle
	src=$(patched_source) || exit 1
	mkdir "$TMP/lwcg"
	cp "$top"/kmod/lwcg/*.[ch] "$TMP/lwcg/"
	printf 'int f(int x)\n{\n\tif (x) {\n\t\tx++;\n\t};\n\treturn x;\n}\n' >"$TMP/lwcg/planted.c"
	cd "$src" || exit 1
	expect_eq reports "$(cocci_rules | while read -r c; do spatch_report "$c" "--dir $TMP/lwcg"; done)" \
		"$TMP/lwcg/planted.c: Unneeded semicolon"
}

boots() {
	ok_or_show kmake bzImage
	# shellcheck disable=SC2016 # the lab's shell expands
	ok_or_show "$top/tools/lab/rund-lab" --kernel "$TMP/src/build-step/arch/x86/boot/bzImage" -- bash -ec '
		cd /sys/fs/cgroup && mkdir a && echo $$ >a/cgroup.procs && echo $$ >cgroup.procs && rmdir a
		mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
		for r in /sys/kernel/debug/kunit/*/results; do
			[ ! -e "$r" ] || { cat "$r"; ! grep -q "^ *not ok" "$r"; }
		done'
}

test_boots() {
	[ "${RUND_BOOT_STEPS:-0}" = 1 ] || ktap_skip "a kernel a patch takes long; RUND_BOOT_STEPS=1 asks for it"
	configure host KUNIT=y CGROUP_POOL_KUNIT_TEST=y
	each_step boots
	pools_on
	expect_config '^CONFIG_CGROUP_POOL_KUNIT_TEST=y$'
	echo '# CONFIG_CGROUP_POOL is not set' >>"$TMP/config"
	cp "$TMP/config" build-step/.config
	ok_or_show kmake olddefconfig
	pools_off
	boots
}

ktap_main "$@"
