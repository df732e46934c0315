# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # much of this is for the tests
#
# What the launch tests share: the module, a small root file system that is fast
# to serve, and the proof that nothing is left behind.

# shellcheck source=../lib/ktap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/ktap.sh"

STORE=/var/lib/rund
CGROUPS=/sys/fs/cgroup/rund
# Within which a guest surely does something, and what was ended is gone.
BOOT_LIMIT=300 END_LIMIT=120
if ktap_slow; then BOOT_LIMIT=500; fi
SMALL=/run/rund-selftest-rootfs

if [ ! -e /dev/lwcg ] && [ -r "${RUND_MODULE:-}" ]; then
	insmod "$RUND_MODULE" || exit 1
fi

# With a module the tests demand the pool; without one they see the fallback.
if [ -e /dev/lwcg ]; then CGROUP_KIND=lwcg; else CGROUP_KIND=cgroupfs; fi

make_small_rootfs() {
	local b
	b=$(command -v busybox) || { echo 'Bail out! no busybox'; exit 1; }
	rm -rf "$SMALL"
	mkdir -p "$SMALL"/{bin,etc,proc,sys,dev,tmp,root,run}
	cp "$b" "$SMALL/bin/busybox"
	for a in sh cat echo sleep id hostname sha256sum dd ls stty tty env pwd head grep true false \
		touch rm mkdir kill wc df printf mount stat yes od tr seq test; do
		ln -s busybox "$SMALL/bin/$a"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$SMALL/etc/passwd"
	echo 'user:x:1000:1000:user:/:/bin/sh' >>"$SMALL/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$SMALL/etc/group"
}
make_small_rootfs
export RUND_ROOTFS_DEBIAN=$RUND_ROOTFS
export RUND_ROOTFS=$SMALL

# A test that fails leaves nothing for the next one to fall over.
eval "original_$(declare -f ktap_fail)"
ktap_fail() {
	rund-agent ps --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d'"' -f4 |
		xargs -r rund-agent rm -f >/dev/null 2>&1
	original_ktap_fail "$@"
}

# Not for background jobs: $! would be a shell around it.
launch() { rund-agent launch "$@"; }

# Everything below forks as little as it can: a process costs 10 ms in the lab.

# shellcheck disable=SC2010 # one ls instead of a readlink for each process
left_processes() {
	ls -l /proc/[0-9]*/exe 2>/dev/null | grep -E '/rund-(vmm|agent)( \(deleted\))?$'
}

left_cgroups() {
	local d
	for d in "$CGROUPS"/*/; do
		[ ! -d "$d" ] || echo "cgroup $d"
	done
}

# Only the shared, formatted images have names in a store.
left_files() {
	local f
	for f in /run/rund/* /run/rund/.[!.]* "$STORE"/* "$STORE"/.[!.]*; do
		case $f in
		"$STORE"/upper-v*.ext4 | "$STORE"/fill) ;;
		*) [ ! -e "$f" ] || echo "file $f" ;;
		esac
	done
}

left_sockets() { grep /run/rund/ /proc/net/unix; }

left_mounts() { [ "$(</proc/mounts)" = "$MOUNTS" ] || diff <(echo "$MOUNTS") /proc/mounts; }

MOUNTS=$(</proc/mounts)

left_anything() {
	left_cgroups
	left_files
	left_sockets
	left_mounts
	left_processes
}

is_clean() { [ -z "$(left_anything)" ]; }

# The kernel ends what a killed agent held at its own pace: it gets a bounded time.
nothing_left() {
	wait_for "$END_LIMIT" is_clean || ktap_fail "left behind${1:+ after $1}: $(left_anything)"
}

# one_line TEXT: an error is one line with a remedy in it, so at least a clause long
one_line() {
	expect_eq "lines of the message" "$(printf '%s\n' "$1" | grep -vc '^$')" 1
}

# The lines that are not the note about a missing module.
messages() { printf '%s\n' "$err" | grep -v 'making an ordinary cgroup' || :; }

# field_of NAME FIELD, as ps reports it; the objects hold no objects of their own
field_of() {
	rund-agent ps --json | sed 's/},{/}\n{/g' | grep -F "\"name\":\"$1\"" |
		sed -E "s/.*\"$2\":\"?([^\",]*).*/\1/"
}
state_of() { field_of "$1" state; }
has_state() { [ "$(state_of "$1")" = "$2" ]; }
