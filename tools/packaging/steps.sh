# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the tests of a series patch by patch share.  For tests that source
# selftests/lib/ktap.sh as well.
# shellcheck source-path=SCRIPTDIR source=lib.sh
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
links() { ok_or_show kmake vmlinux; }

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
coccinelle_no_new_report() {
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
