# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the packaging tests share: the series, the sources it applies to, and
# scratch trees.  For tests that source selftests/lib/ktap.sh as well.

top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rund
# Read by the tests that compile.
export CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=10G
export KBUILD_BUILD_USER=rund KBUILD_BUILD_HOST=rund
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
unset MAKEFLAGS MFLAGS MAKELEVEL

# use_series host|guest: whatever follows is about it; the host's otherwise
use_series() {
	kind=$1
	patches=$top/kernel/patches/$kind
}
use_series host

# need COMMAND PACKAGE: skip the test where the command is missing
need() { command -v "$1" >/dev/null || ktap_skip "$1 is missing: apt-get install --no-install-recommends $2"; }

# ok_or_show COMMAND...: fail the test with the end of the output, unless the command succeeds
ok_or_show() {
	"$@" >"$TMP/.log" 2>&1 && return
	tail -n 30 "$TMP/.log" | sed 's/^/#   /'
	ktap_fail "failed: $*"
}

# base KEY: a value of kernel/BASE
base() { awk -v k="$1" '$1 == k { print $2 }' "$top/kernel/BASE"; }

series() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$patches/series"; }

# The files that the series changes, and those that it adds.
files_changed() { series | (cd "$patches" && xargs sed -n 's|^--- a/||p') | sort -u; }
files_added() { series | (cd "$patches" && xargs grep -h -A1 '^--- /dev/null') | sed -n 's|^+++ b/||p' | sort -u; }
files_from_base() { comm -23 <(files_changed) <(files_added); }

# unpack DIR: the files of the tarball that the series changes
unpack() {
	local tarball prefix
	tarball=$(base tarball)
	[ -r "$tarball" ] || ktap_skip "$tarball is missing: apt-get install $(base package)"
	prefix=$(basename "$tarball" .tar.xz)
	mkdir -p "$1"
	files_from_base | sed "s|^|$prefix/|" | tar -C "$1" --strip-components=1 -xf "$tarball" -T - ||
		ktap_fail "$tarball lacks files that the series changes"
}

# The source tree that the kernel was built from: all of the series is applied.
patched_source() {
	[ -d "$top/build/kernel/$kind/tree/" ] ||
		ktap_fail "no $kind kernel, or the cache has dropped it; run make kernel-$kind" >&2
	(cd "$(readlink -f "$top/build/kernel/$kind/tree")/.." && pwd)
}

# base_tree DIR: the whole source without the series, at no cost: hard links
base_tree() {
	local src p
	src=$(patched_source) || exit 1
	rsync -a --exclude='/build-*' --exclude=/.rund-stamp --link-dest="$src" "$src/" "$1/"
	series | tac | while read -r p; do
		# patch makes new files and leaves the other tree's alone
		patch -d "$1" -R -p1 -F0 -s --no-backup-if-mismatch <"$patches/$p" ||
			ktap_fail "$p cannot be taken back; is build/kernel/$kind of this series?"
	done || exit 1
}

# apply DIR PATCH
apply() { patch -d "$1" -p1 -F0 -s --no-backup-if-mismatch <"$patches/$2" || ktap_fail "$2 does not apply"; }
