#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a command finds in the guest, and what rund-init does with its streams
# and with what it leaves behind.  A start is dear in the lab, so a few guests
# answer many questions; only one of them needs to be a whole Debian.
#
# shellcheck disable=SC2154,SC2016,SC2119 # set by run; for the guest's shell; no arguments meant
# shellcheck source=../launch/common.sh
. "$(dirname "$0")/../launch/common.sh"

PROBE=/run/rund-selftest-probe
for a in find setsid reboot ln cp mv chmod truncate cut tail mkfifo date; do
	ln -sf busybox "$SMALL/bin/$a"
done

# What the probe prints, a line for each fact, its group in front.
probe_script='
cd /dev
stat -c "dev %n %F %a %t:%T" null zero full random urandom tty
for l in fd stdin stdout stderr ptmx; do echo "dev $l $(readlink $l)"; done
[ -e vda ] || echo dev no disk
dd if=/dev/zero of=/dev/full count=1 2>&1 | sed "s/^/dev /"
echo "dev shm $(stat -c %a shm)"
cut -d " " -f 2-4 /proc/mounts | sed "s/^/mount /"
echo "mount controllers $(cat /sys/fs/cgroup/cgroup.controllers)"
echo "mount initramfs $(ls -A /proc/1/root/ | grep -cE "^(lower|upper)$")"
grep -E "^(SigBlk|SigIgn|CapEff|NoNewPrivs):" /proc/self/status | sed "s/^/proc /"
echo "proc init $(cat /proc/1/comm)"
echo "proc files $(ulimit -Hn) umask $(umask) session $(cut -d " " -f 6 /proc/$$/stat) pid $$"
cd /; echo "env home $HOME host $HOSTNAME $(hostname) path $PATH"
echo "net lo $(cat /sys/class/net/lo/flags)"
echo "date $(date +%s)"; echo "uuid $(cat /proc/sys/kernel/random/uuid)"
unshare -mpf --mount-proc sh -ec "mkdir /n; mount --bind / /n; cd /n
	pivot_root . mnt; [ -e /mnt/proc/self ]; [ ! -e /proc/self ]; echo nested pid \$\$"
'

# probe: the output of probe_script in Debian, run once
probe() {
	if [ ! -s "$PROBE" ]; then
		date +%s >"$PROBE".before
		launch --rootfs "$RUND_ROOTFS_DEBIAN" -- sh -c "$probe_script" >"$PROBE" 2>"$TMP/err" ||
			ktap_fail "the probe ended with $?: $(tail -n 3 "$TMP/err" "$PROBE")"
		date +%s >"$PROBE".after
	fi
}

# facts GROUP REGEX...
facts() {
	local group=$1 re
	shift
	probe
	for re; do
		expect_match "$group" "$(sed -n "s/^$group //p" "$PROBE")" "$re"
	done
}

test_device_nodes() {
	facts dev '^null character special file 666 1:3$' '^zero .* 666 1:5$' '^full .* 666 1:7$' \
		'^random .* 666 1:8$' '^urandom .* 666 1:9$' '^tty .* 666 5:0$' \
		'^fd /proc/self/fd$' '^stdin /proc/self/fd/0$' '^stdout /proc/self/fd/1$' \
		'^stderr /proc/self/fd/2$' '^ptmx pts/ptmx$' '^no disk$' 'No space left' '^shm 1777$'
}

test_mounts() {
	facts mount '^/ overlay rw' '^/proc proc rw,nosuid,nodev,noexec' '^/sys sysfs rw,nosuid' \
		'^/sys/fs/cgroup cgroup2 rw' '^/dev tmpfs rw,nosuid' '^/dev/mqueue mqueue' \
		'^/dev/pts devpts' '^controllers .*cpu.*memory.*pids' '^initramfs 0$'
}

# What a program could mind: signals, capabilities, limits, its session, the network.
test_process() {
	facts proc '^SigBlk:.0+$' '^SigIgn:.0+$' '^CapEff:.0*1f+$' '^NoNewPrivs:.0$' \
		'^init rund-init$' '^files 524288 umask 0022 session ([0-9]+) pid \1$'
	facts env '^home /root host rund rund path /usr/local/sbin:.*:/bin$'
	facts net '^lo 0x9$'
}

# A container may build containers: its root can be pivoted away from.
test_nested_namespaces() { facts nested '^pid 1$'; }

test_clock_and_randomness() {
	local date one
	facts uuid '^[0-9a-f-]{36}$'
	date=$(sed -n 's/^date //p' "$PROBE") one=$(sed -n 's/^uuid //p' "$PROBE")
	if [ "$date" -lt $(($(<"$PROBE".before) - 1)) ] || [ "$date" -gt $(($(<"$PROBE".after) + 1)) ]; then
		ktap_fail "the guest's clock says $date, not $(<"$PROBE".before) to $(<"$PROBE".after)"
	fi
	run launch -- cat /proc/sys/kernel/random/uuid
	expect_match uuid "$out" '^[0-9a-f-]{36}$'
	[ "$one" != "$out" ] || ktap_fail "two guests drew the same random number $one"
}

test_user() {
	run launch --user user -- sh -c 'id -u; id -g; echo "$HOME"; echo again >/dev/stdout
		echo error >/dev/stderr; touch /etc/x 2>/dev/null || echo denied'
	expect_eq status "$status" 0
	expect_eq output "$out" "$(printf '1000\n1000\n/\nagain\ndenied')"
	expect_eq "reopened stderr" "$(messages)" error
	run launch --user nobody-here -- id
	expect_eq status "$status" 125
	expect_match stderr "$err" 'user "nobody-here" is not in the container.s /etc/passwd; give a number$'
	nothing_left
}

listing() {
	(cd "$SMALL" && find . -printf '%p %s %m %U %n %T@ %l\n' | sort && grep -r . etc | sort) | sha256sum
}

# Every kind of change that overlayfs treats differently.
test_writable_layer() {
	local before
	mkdir -p "$SMALL/etc/dir/sub"
	echo one | tee "$SMALL"/etc/{append,mode,name,gone,hard,dir/sub/file} >/dev/null
	before=$(listing)
	run launch -- sh -ec 'cd /etc
		echo two >>append; tail -n 1 append
		chmod 600 mode; stat -c %a mode
		ln hard hard2; echo three >>hard; tail -n 1 hard2
		mv name moved; [ ! -e name ] && cat moved
		rm gone; [ ! -e gone ] && echo removed
		mv dir dir2; cat dir2/sub/file
		rm -r dir2; mkdir dir2; ls -A dir2 | wc -l
		truncate -s 5368709120 /sparse; stat -c %s /sparse
		dd if=/dev/zero of=/synced bs=64k count=16 conv=fsync 2>/dev/null; stat -c %s /synced'
	expect_eq "status ($(messages))" "$status" 0
	expect_eq output "$out" "$(printf 'two\n600\nthree\none\nremoved\none\n0\n5368709120\n1048576')"
	expect_eq "the directory on the host" "$(listing)" "$before"
	nothing_left
}

test_full_layer() {
	run launch --upper-size 64M -- sh -c 'dd if=/dev/zero of=/fill bs=1M count=100 2>&1; rm /fill
		echo text >/small && cat /small'
	expect_eq status "$status" 0
	expect_match dd "$out" 'No space left on device'
	expect_match "after making room" "$out" '^text$'
	nothing_left
}

# Another user's terminal, which is also the console, with the size of ours.
test_terminal() {
	local inside='tty; stty size; stat -c "%n %t:%T %u:%g %a" /dev/pts/0 /dev/console; echo $TERM >/dev/tty'
	command -v script >/dev/null || ktap_skip "no script(1) to make a terminal with"
	run script -qefc "stty rows 41 cols 101; rund-agent launch --tty --user user -- sh -c '$inside'" \
		/dev/null </dev/null
	expect_eq status "$status" 0
	out=${out//$'\r'/}
	expect_match tty "$out" '^/dev/pts/0$'
	expect_match size "$out" '^41 101$'
	expect_match owner "$out" '^/dev/pts/0 88:0 1000:5 620$'
	expect_match console "$out" '^/dev/console 88:0 1000:5 620$'
	expect_match TERM "$out" '^xterm$'
	nothing_left
}

# The end of the command is the end: what it left running is killed, not waited for.
test_leftovers() {
	local start=$SECONDS
	run launch -- sh -c 'sleep 5000 & setsid sleep 5000 & (trap "" TERM HUP; sleep 5000) & echo started; exit 6'
	expect_eq status "$status" 6
	expect_eq stdout "$out" started
	[ $((SECONDS - start)) -lt "$BOOT_LIMIT" ] || ktap_fail "took $((SECONDS - start)) s"
	nothing_left
}

# The guest may not go before the host has read the last byte.
test_slow_reader() {
	local n late=24
	if ktap_slow; then late=60; fi
	n=$(launch -- sh -c 'head -c 3000000 /dev/zero' 2>/dev/null | (sleep "$late"; wc -c))
	expect_eq "bytes read late" "$n" 3000000
	nothing_left
}

# Without a console the kernel gives rund-init no standard streams of its own.
test_no_console() {
	cat >"$TMP/vmm" <<-'WRAP'
		#!/bin/bash
		args=()
		while [ $# -gt 0 ]; do
			if [ "$1" = --console ]; then shift; else args+=("$1"); fi
			shift
		done
		exec rund-vmm "${args[@]}"
	WRAP
	chmod +x "$TMP/vmm"
	run launch --vmm "$TMP/vmm" -- sh -c 'cat; echo error >&2; exit 4' < <(echo input)
	expect_eq status "$status" 4
	expect_eq stdout "$out" input
	expect_eq stderr "$(messages)" error
	nothing_left
}

test_closed_output() {
	local st
	st=$(launch -- yes 2>/dev/null | head -n 3 >/dev/null; echo "${PIPESTATUS[0]}")
	expect_eq "status of yes | head" "$st" 141
	nothing_left
}

test_unread_input() {
	run launch -- sh -c 'exec <&-; echo hi; exit 3' </dev/zero
	expect_eq status "$status" 3
	expect_eq stdout "$out" hi
	nothing_left
}

# hostile WHAT REGEX COMMAND...: a root file system changed by COMMAND, run in it,
# is refused with a message that names the object
hostile() {
	local what=$1 re=$2
	shift 2
	rm -rf "$TMP/root"
	cp -a "$SMALL" "$TMP/root"
	(cd "$TMP/root" && "$@")
	run launch --rootfs "$TMP/root" -- true
	expect_eq "$what: status" "$status" 125
	expect_match "$what: stderr" "$(messages)" "$re"
	one_line "$(messages)"
}

test_hostile_rootfs() {
	hostile "/proc is a file" "container's /proc: Not a directory" sh -c 'rmdir proc; echo x >proc'
	hostile "/dev is a link" "container's /dev: Not a directory" sh -c 'rm -r dev; ln -s / dev'
	hostile "passwd is a FIFO" "container's /etc/passwd is not a file" \
		sh -c 'rm etc/passwd; mkfifo etc/passwd'
	hostile "group is huge" "container's /etc/group: File too large" truncate -s 1T etc/group
	nothing_left
}

# A command that kills what it can reach harms only itself.
test_hostile_command() {
	run launch -- sh -c 'kill -9 1; kill -STOP 1; kill -TERM 1; kill -9 -1; echo alive'
	expect_eq status "$status" 0
	expect_eq stdout "$out" alive
	run launch -- sh -c 'reboot -f; sleep 60'
	expect_eq "status of a guest that reset itself" "$status" 125
	nothing_left
}

rm -f "$PROBE"*
ktap_slow_runs test_mounts test_nested_namespaces test_full_layer test_leftovers
ktap_main "$@"
