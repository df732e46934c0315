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

# What spatch is to look at: the same.
cocci_targets() {
	local o
	objects | while read -r o; do
		case $o in
		*/) echo "--dir $o" ;;
		*) echo "${o%.o}.c" ;;
		esac
	done
}

# spatch_report COCCI TARGET: what a rule of the kernel's finds there; as coccicheck calls spatch
spatch_report() {
	# shellcheck disable=SC2046,SC2086
	spatch -D report --no-show-diff --very-quiet --cocci-file "$1" \
		$(sed -n 's|^// *Options: ||p' "$1") -I include -I include/uapi -I arch/x86/include $2 2>&1 </dev/null |
		reports .
}

# Rules in OCaml need its compiler; what they look for is not in here.
cocci_rules() { grep -rLE 'script: *ocaml' scripts/coccinelle --include='*.cocci' | sort; }

# What the bare source has is looked for only where the series has something.
test_coccinelle_no_new_report() {
	local src c t
	need spatch coccinelle
	src=$(patched_source) || exit 1
	cd "$src" || exit 1
	cocci_rules | while read -r c; do
		cocci_targets | while read -r t; do
			spatch_report "$c" "$t" >"$TMP/one"
			cat "$TMP/one" >>"$TMP/reports"
			[ ! -s "$TMP/one" ] || echo "$c $t" >>"$TMP/found"
		done
	done
	[ -s "$TMP/reports" ] || ktap_fail "nothing at all is reported; does Coccinelle run?"
	base_tree "$TMP/src"
	cd "$TMP/src" || exit 1
	while read -r c t; do spatch_report "$c" "$t"; done <"$TMP/found" | sort -u >"$TMP/known"
	ktap_diag "$(wc -l <"$TMP/reports") reports, $(wc -l <"$TMP/known") of them known"
	sort -u -o "$TMP/reports" "$TMP/reports"
	no_news "all patches" "$TMP/reports"
}

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
