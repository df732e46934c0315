#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# rund-vmm boots real Linux kernels: every image format and irqchip, one to four
# vCPUs, with timers, interrupts, randomness and memory as they should be.
# shellcheck disable=SC2016 # guest scripts are expanded by the guest
set -u
# shellcheck source-path=SCRIPTDIR source=../lib/ktap.sh
. "$(dirname "$0")/../lib/ktap.sh"
# shellcheck source-path=SCRIPTDIR source=guest.sh
. "$(dirname "$0")/guest.sh"

probe='
echo cpus=$(nproc)
sleep 1
grep LOC: /proc/interrupts
echo clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
echo memtotal=$(sed -n "s/MemTotal: *\([0-9]*\).*/\1/p" /proc/meminfo)
echo bootid=$(cat /proc/sys/kernel/random/boot_id)
echo seeded=$(dmesg | grep -c "crng init done")
dmesg | grep -E "WARNING:|BUG:|Call Trace"
'

# boots CPUS OPTION...
boots() {
	local n=$1 i ticks
	shift
	need_guest
	make_initrd "$probe"
	boot --mem 128M --cpus "$n" "$@"
	expect_clean
	expect_eq "CPUs online" "$(value cpus)" "$n"
	expect_eq "clock source" "$(value clock)" kvm-clock
	# The timer ticks on every CPU: with no PIT, it is all there is.
	for ((i = 1; i <= n; i++)); do
		ticks=$(printf '%s\n' "$console" | awk -v i="$i" '/LOC:/ { print $(i + 1) }')
		[ "$ticks" -gt 0 ] || ktap_fail "no timer interrupt on CPU $((i - 1))"
	done
}

test_vmlinux_1_cpu() { boots 1 --kernel "$VMLINUX"; }
test_vmlinux_2_cpus() { boots 2 --kernel "$VMLINUX"; }
test_vmlinux_4_cpus() { boots 4 --kernel "$VMLINUX"; }
test_kernel_irqchip() { boots 2 --kernel "$VMLINUX" --irqchip kernel; }

test_bzimage() {
	[ -r "$BZIMAGE" ] || ktap_skip "no bzImage in $BZIMAGE"
	boots 2 --kernel "$BZIMAGE"
}

# RAM on both sides of the 32-bit hole, none of it touched but what the guest uses.
test_memory_is_lazy() {
	local rss=0 pid st=0
	need_guest
	make_initrd 'echo memtotal=$(sed -n "s/MemTotal: *\([0-9]*\).*/\1/p" /proc/meminfo); echo ready; sleep 3600'
	: >"$TMP/console"
	"$VMM" --kernel "$VMLINUX" --initrd "$TMP/initrd" --mem 4G --console path="$TMP/console" &
	pid=$!
	wait_for "$LIMIT" grep -q '^ready' "$TMP/console" || { kill -9 "$pid"; ktap_fail "no guest"; }
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
	kill -TERM "$pid"
	wait "$pid" || st=$?
	console=$(tr -d '\r' <"$TMP/console")
	ktap_diag "guest of 4 GiB: VMM resident $rss KiB"
	expect_eq "exit status after SIGTERM" "$st" 0
	[ "$(value memtotal)" -gt 3900000 ] || ktap_fail "the guest has $(value memtotal) KiB"
	# struct pages of 4 GiB are 64 MiB; the rest of the RAM stays untouched.
	[ "$rss" -lt 300000 ] || ktap_fail "$rss KiB resident"
}

# Two guests from the same files share no random numbers.
test_seeded_differently() {
	local first
	need_guest
	make_initrd "$probe"
	boot --kernel "$VMLINUX"
	expect_clean
	first=$(value bootid)
	expect_eq "CRNG ready" "$(value seeded)" 1
	boot --kernel "$VMLINUX"
	expect_match "boot ID" "$(value bootid)" '^[0-9a-f-]{36}$'
	[ "$first" != "$(value bootid)" ] || ktap_fail "same boot ID twice"
}

# A guest whose console nobody reads runs on.
test_console_not_read() {
	local st=0
	need_guest
	make_initrd 'i=0; while [ $i -lt 300 ]; do echo "0123456789012345678901234567890123456789 $i"; i=$((i+1)); done'
	mkfifo "$TMP/fifo"
	exec 5<>"$TMP/fifo"
	# F_SETPIPE_SZ: each byte of a serial console is an exit or two, which are slow here
	python3 -c 'import fcntl; fcntl.fcntl(5, 1031, 4096)' || ktap_fail "the size of the pipe"
	timeout -k 5 "$LIMIT" "$VMM" --kernel "$VMLINUX" --initrd "$TMP/initrd" --console fd=6 6>"$TMP/fifo" || st=$?
	exec 5<&-
	expect_eq "exit status" "$st" 0
}

test_panic_ends_it() {
	need_guest
	make_initrd 'echo c >/proc/sysrq-trigger; exit 1'
	boot --kernel "$VMLINUX"
	expect_eq "exit status" "$status" 0
	expect_match "console" "$console" 'Kernel panic'
}

ktap_slow_runs test_vmlinux_1_cpu test_vmlinux_4_cpus test_kernel_irqchip \
	test_memory_is_lazy
ktap_main "$@"
