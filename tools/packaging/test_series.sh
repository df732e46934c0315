#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Both series as a packager takes them: with git am and with quilt, on the source
# that kernel/BASE names.
. "$(dirname "$0")/../../selftests/lib/ktap.sh"
. "$(dirname "$0")/lib.sh"

git_in() { git -C "$1" -c user.name=packager -c user.email=packager@localhost -c gc.auto=0 "${@:2}"; }

# Leaves the result in $TMP/git.
git_am() {
	unpack "$TMP/git"
	ok_or_show git_in "$TMP/git" init -q
	ok_or_show git_in "$TMP/git" add -A
	ok_or_show git_in "$TMP/git" commit -q -m "$(base package)"
	# shellcheck disable=SC2046
	ok_or_show git_in "$TMP/git" am -q --whitespace=error-all $(series | sed "s|^|$patches/|")
	expect_subjects
}

# Subjects and order are the patches' own.
expect_subjects() {
	local p
	series | while read -r p; do
		git mailinfo /dev/null /dev/null <"$patches/$p" | sed -n 's/^Subject: //p'
	done >"$TMP/wanted"
	git_in "$TMP/git" log --reverse --format=%s | tail -n +2 >"$TMP/subjects"
	ok_or_show diff "$TMP/wanted" "$TMP/subjects"
}

# Push all, compare with git's result, pop all.
quilt_push() {
	unpack "$TMP/quilt"
	cp -a "$TMP/quilt" "$TMP/before"
	cd "$TMP/quilt" || exit 1
	export QUILT_PATCHES=$patches QUILT_PC=$TMP/pc QUILTRC=-
	ok_or_show quilt push -a --fuzz=0
	ok_or_show diff -r -x .git "$TMP/git" "$TMP/quilt"
	ok_or_show quilt pop -a
	ok_or_show diff -r "$TMP/before" "$TMP/quilt"
}

git_am_and_quilt() {
	need quilt quilt
	use_series "$1"
	git_am
	quilt_push
}
test_host_git_am_and_quilt() { git_am_and_quilt host; }
test_guest_git_am_and_quilt() { git_am_and_quilt guest; }

# Whatever the series export is documented.
kernel_doc() {
	local src f
	use_series "$1"
	src=$(patched_source) || exit 1
	while read -r f; do
		case $f in
		*_test.c) ;;
		*.c | *.h)
			run "$src/scripts/kernel-doc" -none -Wall "$src/$f"
			expect_eq "kernel-doc of $f" "$err" ""
			;;
		esac
	done < <(files_added)
}
test_host_kernel_doc() { kernel_doc host; }
test_guest_kernel_doc() { kernel_doc guest; }

ktap_main "$@"
