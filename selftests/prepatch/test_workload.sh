#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sandboxes of a pre-patched kernel write none of its text and read-only data,
# whatever they do: the demo's container, network traffic, load of CPU, memory and
# file system, and a thousand namespaces.
# shellcheck disable=SC2016 # perl expands these
set -u
# shellcheck source-path=SCRIPTDIR source=../launch/common.sh
. "$(dirname "$0")/../launch/common.sh"
# shellcheck source-path=SCRIPTDIR source=image.sh
. "$(dirname "$0")/image.sh"
# Under KVM's dirty log on either host kernel; one workload is enough on the slow one.
ktap_slow_runs test_container

DEMO=$(dirname "$0")/../../tools/demo

# watched SECONDS COMMAND...: a sandbox of the image with a text log in $TMP/log
watched() {
	local limit=$1
	shift
	need_image
	printf '#!/bin/sh\nexec "%s" --text-log path="%s" "$@"\n' "$VMM" "$TMP/log" >"$TMP/vmm"
	chmod 755 "$TMP/vmm"
	RUND_VMM=$TMP/vmm run timeout "$limit" rund-agent launch --kernel "$IMAGE" \
		--rootfs "$RUND_ROOTFS_DEBIAN" --mem 256M --cpus 2 -- "$@"
	expect_eq "exit status: $err" "$status" 0
	expect_match "log" "$(head -n 1 "$TMP/log")" '^0 of [0-9]+ pages written$'
}

test_container() {
	watched 900 sh -c "$(cat "$DEMO/inside.sh")" inside "$(cat "$DEMO/sumfiles.pl")" <<<go
}

test_network() {
	watched 600 perl -e '
		use IO::Socket::INET;
		system("ip link set lo up") if -x "/sbin/ip";
		for my $proto ("tcp", "udp") {
			my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Proto => $proto,
				$proto eq "tcp" ? (Listen => 5) : ()) or die "$proto: $!";
			my $port = $s->sockport;
			if (!fork) {
				my $c = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Proto => $proto) or exit 1;
				# each is answered: a datagram that finds the buffer full is lost
				for (1..2000) { print $c "x" x 1000; sysread($c, my $b, 2) or exit 1 }
				print $c "end";
				exit 0;
			}
			my $c = $proto eq "tcp" ? $s->accept : $s;
			my ($sum, $b) = 0;
			while (defined(my $from = recv $c, $b, 65536, 0)) {
				last if $b eq "" || $b eq "end";
				$sum += length $b;
				$from ? send $c, "ok", 0, $from : syswrite $c, "ok";
			}
			wait;
			die "$proto: $sum bytes" if !$sum;
			print "$proto $sum\n";
		}'
	expect_match "traffic" "$out" '^tcp [1-9]'
	expect_match "traffic" "$out" '^udp [1-9]'
}

# Of each kind two workers, for as long as asked
test_load() {
	local seconds=60
	ktap_slow && seconds=10
	watched 900 perl -e '
		my $end = time + shift;
		my @work = (
			sub { my $x = 1; $x = ($x * 1103515245 + 12345) % 2147483648 for 1..100000 },
			sub { my @p = map { "x" x 4096 } 1..4000; $p[rand @p] = "y" x 8192 for 1..1000 },
			sub { my $d = "/tmp/load.$$"; mkdir $d;
			      for (1..50) { open my $f, ">", "$d/$_" or die $!; print $f "z" x 10000; close $f;
					    rename "$d/$_", "$d/r$_"; unlink "$d/r$_" } rmdir $d },
			sub { my $p = fork; exit 0 if !$p; waitpid $p, 0 },
		);
		for my $w (@work, @work) { if (!fork) { while (time < $end) { $w->() } exit 0 } }
		my $bad = 0;
		while (wait > 0) { $bad++ if $? }
		exit $bad' "$seconds"
}

test_namespaces() {
	local n=1000
	ktap_slow && n=100
	watched 1200 perl -e '
		my $all = 0x20000 | 0x04000000 | 0x08000000 | 0x40000000 | 0x02000000; # NS UTS IPC NET CGROUP
		for (1..shift) {
			my $p = fork;
			if (!$p) { exit(syscall(272, $all) == 0 ? 0 : 1) } # unshare
			waitpid $p, 0;
			die "unshare: $?" if $?;
		}' "$n"
}

# An image beside the kernel is taken unless the kernel is newer, and the VMM is told which.
test_agent_takes_the_image() {
	local lib=$RUND_BUILD/lib/rund
	need_image
	printf '#!/bin/sh\necho "$@" >>"%s"\nexec "%s" "$@"\n' "$TMP/args" "$VMM" >"$TMP/vmm"
	chmod 755 "$TMP/vmm"
	export RUND_VMM=$TMP/vmm
	cp --sparse=always "$IMAGE" "$lib/vmlinux.prepatched"
	run rund-agent launch -- true
	expect_eq "exit status: $err" "$status" 0
	expect_match "the kernel" "$(cat "$TMP/args")" "--kernel $lib/vmlinux.prepatched "
	touch -d '2000-01-01' "$lib/vmlinux.prepatched"
	: >"$TMP/args"
	run rund-agent launch -- true
	expect_eq "exit status: $err" "$status" 0
	expect_match "warning" "$err" 'vmlinux.prepatched: older than .*rund-prepatch build'
	expect_match "the kernel" "$(cat "$TMP/args")" "--kernel $lib/vmlinux "
	rm "$lib/vmlinux.prepatched"
}

ktap_main "$@"
