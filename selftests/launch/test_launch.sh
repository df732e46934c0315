#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What launch promises to its caller: exit statuses, the environment of the
# command, refusals that name a remedy, and the cgroup it all happens in.
# shellcheck disable=SC2154,SC2016,SC2119 # set by run; expanded by the guest's shell
# shellcheck source=./common.sh
. "$(dirname "$0")/common.sh"

test_exit_status() {
	run launch -- sh -c 'echo out; echo err >&2; exit 7'
	expect_eq status "$status" 7
	expect_eq stdout "$out" out
	expect_eq stderr "$(messages)" err
	nothing_left
}

test_killed_command() {
	# shellcheck disable=SC2016 # the guest's shell expands it
	run launch -- sh -c 'kill -9 $$'
	expect_eq status "$status" 137
	nothing_left
}

test_command_not_found() {
	run launch -- no-such-program
	expect_eq status "$status" 127
	expect_match stderr "$err" 'no-such-program'
	nothing_left
}

test_command_not_executable() {
	run launch -- /etc/passwd
	expect_eq status "$status" 126
	expect_match stderr "$err" '/etc/passwd'
	nothing_left
}

test_environment() {
	export FROM_HOST=passed
	run launch --env A=1 --env FROM_HOST --workdir /tmp --user user --hostname box \
		--ulimit nofile=77:99 -- sh -c 'echo $A $FROM_HOST; pwd; id -u; id -g; hostname; ulimit -Sn; ulimit -Hn'
	expect_eq status "$status" 0
	expect_eq stdout "$out" "$(printf '1 passed\n/tmp\n1000\n1000\nbox\n77\n99')"
	nothing_left
}

test_two_cpus_and_memory() {
	[ "$(nproc)" -ge 2 ] || ktap_skip "the host has one CPU"
	run launch --cpus 2 --mem 256M -- sh -c 'grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo'
	expect_eq status "$status" 0
	expect_match cpus "$out" '^2$'
	expect_match memory "$out" 'MemTotal: +2[0-9]{5} kB'
	nothing_left
}

if ktap_slow; then
	ktap_diag "slow kernel: one refusal of each kind, one way to fail each step"
fi

# also_refused: a further variant, which only a fast kernel has the time for
also_refused() { ktap_slow || refused "$@"; }

# refused REGEX [OPTION]... -- COMMAND: one line, 125, nothing begun
refused() {
	local re=$1
	shift
	run launch "$@"
	expect_eq "status of $*" "$status" 125
	expect_match "stderr of $*" "$(messages)" "$re"
	one_line "$(messages)"
}

test_refuses_bad_rootfs() {
	refused 'not a directory; ' --rootfs /etc/passwd -- true
	also_refused 'No such file.*; ' --rootfs /does/not/exist -- true
	nothing_left
}

test_refuses_impossible_mem() {
	refused 'too large; ' --mem 900G -- true
	also_refused 'too small; ' --mem 1M -- true
	also_refused 'not a size; ' --mem much -- true
	nothing_left
}

test_refuses_bad_options() {
	refused 'too many; ' --cpus 65 -- true
	also_refused 'unknown option; ' --colour -- true
	also_refused 'no command' --cpus 1
	also_refused 'letters' --name ../../etc -- true
	also_refused 'not a terminal; ' --tty -- true
	nothing_left
}

test_refuses_name_in_use() {
	run launch --detach --name twice -- sleep 300
	expect_eq "first launch" "$status" 0
	run launch --name twice -- true
	expect_eq status "$status" 125
	expect_match stderr "$(messages)" 'name twice: already in use; '
	one_line "$(messages)"
	expect_eq "the first one" "$(state_of twice)" running
	rund-agent rm -f twice || ktap_fail "rm -f"
	nothing_left
}

test_refuses_full_store() {
	run launch -- true # the shared image exists
	free=$(stat -f -c '%a * %S / 1048576' "$STORE")
	fallocate -l "$((free - 32))M" "$STORE/fill" || ktap_fail "cannot fill the store"
	run launch -- true
	rm -f "$STORE/fill"
	expect_eq status "$status" 125
	expect_match stderr "$(messages)" 'store .*: full; '
	one_line "$(messages)"
	nothing_left
}

test_refuses_store_without_reflink() {
	refused 'cannot reflink; .*--allow-copy' --store /run/rund-selftest-store -- true
	run launch --store /run/rund-selftest-store --allow-copy --upper-size 64M -- sh -c 'df -k / | wc -l'
	rm -rf /run/rund-selftest-store
	expect_eq "status with --allow-copy" "$status" 0
	nothing_left
}

test_refuses_without_kvm() {
	mv /dev/kvm /dev/kvm.away
	run launch -- true
	mv /dev/kvm.away /dev/kvm
	expect_eq status "$status" 125
	expect_match stderr "$(messages)" '/dev/kvm.*;'
	one_line "$(messages)"
	nothing_left
}

test_refuses_corrupt_vmlinux() {
	local kernel=$RUND_BUILD/lib/rund/vmlinux
	head -c 100000 "$kernel" >"$TMP/short"
	head -c 1000000 /dev/urandom >"$TMP/noise"
	: >"$TMP/empty"
	refused "short: .*; " --kernel "$TMP/short" -- true
	also_refused "noise: .*; " --kernel "$TMP/noise" -- true
	also_refused "empty: .*; " --kernel "$TMP/empty" -- true
	also_refused 'guest kernel .*; ' --kernel /does/not/exist -- true
	nothing_left
}

# A guest that panics is no success, and its last words are shown.
test_guest_panic() {
	printf 'not an archive' >"$TMP/initrd"
	run launch --initrd "$TMP/initrd" -- true
	expect_eq status "$status" 125
	expect_match stderr "$(messages)" 'the guest ended .*(panic|init|root)'
	one_line "$(messages)"
	nothing_left
}

# The VMM notes where it is before its first own instruction: a program in its
# place runs first, and is where clone3() put it.
test_cgroup_from_first_instruction() {
	cat >"$TMP/vmm" <<-WRAP
		#!/bin/sh
		read -r cg </proc/self/cgroup
		echo "\$cg" >"$TMP/cgroup"
		exec rund-vmm "\$@"
	WRAP
	chmod +x "$TMP/vmm"
	run launch --name first --vmm "$TMP/vmm" -- true
	expect_eq status "$status" 0
	expect_eq cgroup "$(cat "$TMP/cgroup")" 0::/rund/first
	nothing_left
}

test_limits() {
	run launch --detach --name lim --cpus 1 --mem 64M --memory-max 160M -- sleep 300
	expect_eq status "$status" 0
	expect_eq kind "$(field_of lim cgroup)" "$CGROUP_KIND"
	expect_eq path "$(field_of lim cgroup_path)" "$CGROUPS/lim"
	expect_eq memory.max "$(cat "$CGROUPS"/lim/memory.max)" $((160 << 20))
	expect_eq cpu.max "$(cat "$CGROUPS"/lim/cpu.max)" "100000 100000"
	expect_eq pids.max "$(cat "$CGROUPS"/lim/pids.max)" 256
	expect_eq oom.group "$(cat "$CGROUPS"/lim/memory.oom.group)" 1
	expect_eq "cgroup id" "$(stat -c %i "$CGROUPS"/lim)" "$(field_of lim cgroup_id)"
	expect_eq procs "$(cat "$CGROUPS"/lim/cgroup.procs)" "$(field_of lim pid)"
	rund-agent rm -f lim || ktap_fail "rm -f"
	nothing_left
}

test_out_of_memory() {
	launch --detach --name bystander -- sleep 600 >/dev/null 2>&1 || ktap_fail "bystander"
	run launch --name greedy --mem 256M --memory-max 96M --json -- \
		dd if=/dev/zero of=/dev/shm/fill bs=1M count=180
	expect_eq status "$status" 137
	expect_match stderr "$err" 'out of memory: killed by memory.max=96M.*; raise'
	expect_match json "$err" '"oom":true'
	expect_eq "the other sandbox" "$(state_of bystander)" running
	run launch --detach --name greedy --mem 256M --memory-max 96M -- \
		dd if=/dev/zero of=/dev/shm/fill bs=1M count=180
	wait_for "$BOOT_LIMIT" has_state greedy exited || ktap_fail "still $(state_of greedy)"
	expect_match ps "$(rund-agent ps)" 'greedy +exited \(137, oom\)'
	rund-agent rm -f greedy bystander || ktap_fail "rm -f"
	nothing_left
}

test_rootfs_unchanged_and_upper_nameless() {
	local before after vmm
	before=$(tar -C "$SMALL" --sort=name -c . | sha256sum)
	launch --detach --name writer -- sh -c \
		'echo x >/etc/passwd; rm -f /bin/wc; mkdir /new; dd if=/dev/zero of=/big bs=1M count=8; echo done; sleep 300' \
		>/dev/null 2>&1
	# shellcheck disable=SC2016
	wait_for "$BOOT_LIMIT" sh -c 'rund-agent logs writer 2>/dev/null | grep -q done' || ktap_fail "no write: $(rund-agent logs writer)"
	vmm=$(field_of writer pid)
	expect_match "the writable layer" "$(ls -l "/proc/$vmm/fd")" "$STORE/#[0-9]+ \(deleted\)"
	expect_eq "names in the store" "$(find "$STORE" -mindepth 1 ! -name 'upper-v*.ext4')" ""
	rund-agent rm -f writer || ktap_fail "rm -f"
	after=$(tar -C "$SMALL" --sort=name -c . | sha256sum)
	expect_eq "hash of the root file system" "$after" "$before"
	run launch -- sh -c 'test ! -e /new -a -e /bin/wc && head -n 1 /etc/passwd'
	expect_eq "the next sandbox" "$out" 'root:x:0:0:root:/root:/bin/sh'
	nothing_left
}

test_debian() {
	[ -x "$RUND_ROOTFS_DEBIAN/usr/bin/perl" ] || ktap_skip "no Debian root file system"
	run launch --rootfs "$RUND_ROOTFS_DEBIAN" --mem 256M -- \
		sh -c '. /etc/os-release; echo "$ID $VERSION_ID"; perl -e "print 6*7, qq(\n)"; getent passwd root'
	expect_eq status "$status" 0
	expect_match stdout "$out" '^debian 12$'
	expect_match stdout "$out" '^42$'
	nothing_left
}

test_timeline_and_json() {
	run launch --name t1 --timeline --json -- true
	expect_eq status "$status" 0
	expect_match table "$err" 'slot +[0-9.]+'
	expect_match table "$err" 'start to user code: [0-9.]+ ms'
	printf '%s\n' "$err" | tail -n 1 | python3 -c '
import json, sys
r = json.load(sys.stdin)
t = r["timeline_ms"]
assert r["name"] == "t1" and r["exit_code"] == 0 and not r["oom"], r
order = ["prepare", "slot", "lower", "upper", "spawn", "vm", "boot", "mount+exec", "run", "exit"]
assert [k for k in t if k in order] == order, t
assert all(t[k] >= 0 for k in order), t
assert abs(sum(t[k] for k in order[:8]) - t["start_to_user_code"]) < 0.01, t
' || ktap_fail "JSON: $err"
	nothing_left
}

test_fallback_without_lwcg() {
	run launch --no-lwcg --name plain --detach -- sleep 300
	expect_eq status "$status" 0
	expect_eq kind "$(field_of plain cgroup)" cgroupfs
	expect_eq memory.max "$(cat "$CGROUPS"/plain/memory.max)" $((192 << 20))
	rund-agent rm -f plain || ktap_fail "rm -f"
	nothing_left
}

# Whatever step fails, the ones before it are undone.
test_every_step_can_fail() {
	for step in state slot lower upper sockets vmm; do
		for opt in --timeline --no-lwcg; do
			if ktap_slow && [ "$opt" = --no-lwcg ]; then continue; fi
			RUND_FAIL_STEP=$step run launch "$opt" --name failing -- true
			expect_eq "status at $step" "$status" 125
			expect_match "stderr at $step" "$err" "step $step: failed on purpose"
			nothing_left "$step $opt"
		done
	done
}

test_check() {
	run rund-agent check
	expect_match output "$out" 'kvm +ok'
	expect_match output "$out" 'store +ok .*XFS and reflinks'
	[ "$CGROUP_KIND" != lwcg ] || expect_match output "$out" 'lwcg +ok'
	expect_eq status "$status" 0
	run rund-agent check --store /run
	expect_eq "status with tmpfs" "$status" 1
	expect_match output "$out" 'tmpfs, which cannot reflink'
	expect_match remedy "$out" '-> mkfs.xfs'
}

ktap_slow_runs test_exit_status test_two_cpus_and_memory test_refuses_full_store \
	test_guest_panic test_cgroup_from_first_instruction test_limits test_out_of_memory \
	test_rootfs_unchanged_and_upper_nameless test_fallback_without_lwcg \
	test_every_step_can_fail
ktap_main "$@"
