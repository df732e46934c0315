#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# selftests/lwcg and lwcg-v1 in a kernel tree: copied there they build, are installed as
# collections of these names, and run in the lab; and the header passes the kernel's test of
# exported headers there.
. "$(dirname "$0")/../../selftests/lib/ktap.sh"
. "$(dirname "$0")/lib.sh"

mkdir -p "$cache"
TMPDIR=$(mktemp -d "$cache/kselftest.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# What the documentation tells a packager to copy, and nothing else.
kernel_tree() {
	local src
	src=$(patched_source) || exit 1
	rsync -a --exclude='/build-*' --exclude=/.rund-stamp --link-dest="$src" "$src/" "$TMP/src/"
	cd "$TMP/src" || exit 1
	cp -r "$top/selftests/lwcg" "$top/selftests/lwcg-v1" "$top/selftests/lib" tools/testing/selftests/
	cp "$top/include/uapi/linux/lwcg.h" include/uapi/linux/
	ok_or_show make -s headers
}

# The command of usr/include/Makefile; the whole of CONFIG_UAPI_HEADER_TEST is minutes.
hdrtest() {
	gcc -std=c90 -Wall -Werror=implicit-function-declaration -I usr/include -I usr/dummy-include \
		-fsyntax-only -x c /dev/null -include "$1" -include "$1" 2>&1
	perl usr/include/headers_check.pl usr/include x86 "$1" 2>&1
}

# collection NAME: is installed whole, and passes in the lab
collection() {
	local n wanted
	wanted=$(find "$top/selftests/$1" -maxdepth 1 -name 'test_*' | wc -l)
	expect_eq "tests in the list of $1" "$(grep -c "^$1:test_" "$TMP/installed/kselftest-list.txt")" "$wanted"
	for n in config settings; do
		[ -e "$TMP/installed/$1/$n" ] || ktap_fail "$n of $1 is not installed"
	done
	# It writes its logs where it is.
	"$top/tools/lab/rund-lab" --timeout 1800 -- "$TMP/installed/run_kselftest.sh" -c "$1" >"$TMP/.log" 2>&1
	expect_eq "status of the lab for $1" "$?" 0
	grep -E '^(not )?ok ' "$TMP/.log" | sed 's/^/# /'
	expect_eq "failures" "$(grep -c '^not ok' "$TMP/.log")" 0
	expect_eq "tests run" "$(grep -c "^ok [0-9]* selftests: $1: test_" "$TMP/.log")" "$wanted"
	! grep '^ok .* # SKIP' "$TMP/.log" | grep -v kunit || ktap_fail "skipped as a whole in the lab"
}

test_collections_build_and_run() {
	kernel_tree
	[ -e usr/include/linux/lwcg.h ] || ktap_fail "make headers does not export lwcg.h"
	expect_eq "hdrtest" "$(hdrtest usr/include/linux/lwcg.h)" ""
	ok_or_show make -s -C tools/testing/selftests TARGETS="lwcg lwcg-v1" INSTALL_PATH="$TMP/installed" install
	collection lwcg
	collection lwcg-v1
}

# `make kselftest-merge` makes a kernel that skips nothing: all of it is in the debug kernel.
test_config_names_symbols_that_exist() {
	[ -r "$top/build/kernel/debug/.config" ] || ktap_skip "no debug kernel; make kernel-debug builds it"
	sort -u "$top"/selftests/lwcg*/config | grep '^CONFIG_' >"$TMP/asked"
	expect_eq "not in the debug kernel" "$(grep -vxFf "$top/build/kernel/debug/.config" "$TMP/asked")" ""
}

ktap_main "$@"
