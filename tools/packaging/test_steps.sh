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
. "$(dirname "$0")/lib.sh"

# In the cache: hard links need the same file system.
mkdir -p "$cache"
TMPDIR=$(mktemp -d "$cache/steps.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# Below the source: paths are relative then, and the compiler cache finds them again.
kmake() { make -s -C "$TMP/src" O=build-step CC="ccache gcc" HOSTCC="ccache gcc" -j"$(nproc)" "$@"; }

# configure WHAT...: tinyconfig and, in this order, fragments of kernel/configs and NAME=VALUE
configure() {
	local c n=0 files=()
	base_tree "$TMP/src"
	for c; do
		n=$((n + 1))
		files+=("$TMP/$n.config")
		case $c in
		*=n) echo "# CONFIG_${c%=n} is not set" >"$TMP/$n.config" ;;
		*=*) echo "CONFIG_$c" >"$TMP/$n.config" ;;
		*) cp "$top/kernel/configs/$c.config" "$TMP/$n.config" ;;
		esac
	done
	ok_or_show kmake tinyconfig
	cd "$TMP/src" || exit 1
	ok_or_show scripts/kconfig/merge_config.sh -m -O build-step build-step/.config "${files[@]}"
	cp build-step/.config "$TMP/config"
}

# each_step COMMAND...: with what is applied as its last argument, at first nothing ("base")
each_step() {
	local p
	for p in base $(series); do
		[ "$p" = base ] || apply "$TMP/src" "$p"
		# The source's own idea of it: symbols come with patches.
		cp "$TMP/config" "$TMP/src/build-step/.config"
		ok_or_show kmake olddefconfig
		"$@" "$p"
		ktap_diag "$p"
	done
}

# Nothing was tested if the symbols were lost on the way.
expect_config() { grep -qE "$1" "$TMP/src/build-step/.config" || ktap_fail "the configuration lacks $1"; }
pools_on() { expect_config '^CONFIG_CGROUP_POOL=y$'; }
pools_off() { expect_config '^# CONFIG_CGROUP_POOL is not set$'; }

links() { ok_or_show kmake vmlinux; }

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

# What to compile: the directories that get new files, and single files elsewhere.
objects() {
	local f dirs
	dirs=$(files_added | grep '\.c$' | xargs -n 1 dirname | sort -u)
	files_changed | grep '\.c$' | while read -r f; do
		if grep -qxF "$(dirname "$f")" <<<"$dirs"; then
			echo "$(dirname "$f")/"
		else
			echo "${f%.c}.o"
		fi
	done | sort -u
}

# What a report says and in which file, not where in it.
reports() {
	sed -nE 's/^(\.\.\/)?([^ :]+):[0-9]+(:[0-9-]+)?: (.*)/\2: \4/p' |
		sed -E 's/\bline [0-9]+/line N/g' | grep -iE "$1" | sort -u
}

# no_news STEP REPORTS: none that the base has not
no_news() {
	local news
	[ "$1" != base ] || cp "$2" "$TMP/known"
	news=$(comm -13 "$TMP/known" "$2")
	[ -z "$news" ] || {
		printf '%s\n' "$news" | sed 's/^/#   /'
		ktap_fail "$1: the reports above are new"
	}
}

compiles_clean() {
	# shellcheck disable=SC2046
	ok_or_show kmake W=1 C=1 $(objects)
	reports 'warning|error' <"$TMP/.log" >"$TMP/reports"
	no_news "$1" "$TMP/reports"
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

# spatch_report COCCI: what it finds in the files of the series; as coccicheck calls spatch
spatch_report() {
	local o
	# shellcheck disable=SC2046
	objects | while read -r o; do
		case $o in
		*/) o="--dir $o" ;;
		*) o=${o%.o}.c ;;
		esac
		# shellcheck disable=SC2086
		spatch -D report --no-show-diff --very-quiet --cocci-file "$1" \
			$(sed -n 's|^// *Options: ||p' "$1") -I include -I include/uapi -I arch/x86/include $o
	done 2>&1
}

# Rules in OCaml need its compiler; what they look for is not in here.
cocci_rules() { grep -rLE 'script: *ocaml' scripts/coccinelle --include='*.cocci' | sort; }

test_coccinelle_no_new_report() {
	local c step
	need spatch coccinelle
	base_tree "$TMP/src"
	cd "$TMP/src" || exit 1
	for step in base all; do
		[ "$step" = base ] || series | while read -r c; do apply . "$c"; done || exit 1
		for c in $(cocci_rules); do spatch_report "$c"; done >"$TMP/spatch"
		reports . <"$TMP/spatch" >"$TMP/reports"
		ktap_diag "$step: $(wc -l <"$TMP/reports") reports"
		[ -s "$TMP/reports" ] || ktap_fail "nothing at all is reported; does Coccinelle run?"
		no_news "$step" "$TMP/reports"
	done
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
