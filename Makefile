# SPDX-License-Identifier: GPL-2.0-only
#
# `make demo` and `make check` are the only two commands a newcomer needs; both
# install and build whatever they lack.

TOP   := $(CURDIR)
BUILD := $(TOP)/build
export BUILD

PREFIX  ?= /usr/local
DESTDIR ?=

PROGRAMS := vmm rund-agent guest

.PHONY: help deps kernels kernel-host kernel-debug kernel-guest kernel-guest-full kernel-stock all userspace \
	module module-debug lab-init selftests bench rootfs demo check check-series check-upstream check-guest \
	unit lab style docs clean install

help:
	@echo 'make demo     from nothing to a Debian container in a microVM, in the lab'
	@echo 'make check    every test: style, unit (ASan+UBSan), selftests on both host kernels'
	@echo 'make check-upstream  upstream'\''s cgroup tests with and without the host series'
	@echo 'make check-guest  features and upstream'\''s tests on the guest kernel and on Debian'\''s'
	@echo 'make lab      an interactive shell on the patched host kernel, lwcg.ko loaded'
	@echo 'make deps     install the Debian packages that all of these need (as root)'
	@echo 'make kernels  the host, debug host and guest kernels (cached outside the tree)'
	@echo 'make all      programs, module, guest initramfs, selftests and benchmarks, into build/'
	@echo 'make unit     only the unit tests'
	@echo 'make style    only the style checks'
	@echo 'make check-series  what packagers rely on: each patch, git am, quilt, DKMS, kselftest'
	@echo 'make docs     the manual as HTML, into build/docs'
	@echo 'make install  into PREFIX (/usr/local), honouring DESTDIR'
	@echo 'make clean    remove build/; the kernel cache stays'

deps:
	@tools/deps

KERNELS := kernel-host kernel-debug kernel-guest
kernels: $(KERNELS)

# Built only for the checks that ask for them.
EXTRA_KERNELS := kernel-stock kernel-guest-full

$(KERNELS) $(EXTRA_KERNELS): kernel-%: deps
	@kernel/build $* $(BUILD)/kernel/$*

# Programs find these next to themselves: bin/../lib/rund.  Symbols stay, for
# rund-prepatch to name what it finds; nothing loads them.
$(BUILD)/lib/rund/vmlinux: $(BUILD)/kernel/guest/vmlinux
	@mkdir -p $(@D)
	@strip -g -o $@ $<
$(BUILD)/kernel/guest/vmlinux: kernel-guest ;

userspace: deps
	@set -e; for p in $(PROGRAMS); do $(MAKE) --no-print-directory -C userspace/$$p all; done
	@$(MAKE) --no-print-directory -C tools/prepatch all

module: kernel-host
	@$(MAKE) --no-print-directory -C kmod/lwcg KDIR=$(BUILD)/kernel/host/tree OUT=$(BUILD)/kmod
	@$(MAKE) --no-print-directory -C tools/lab/kmod KDIR=$(BUILD)/kernel/host/tree OUT=$(BUILD)/lab/host
module-debug: kernel-debug
	@$(MAKE) --no-print-directory -C kmod/lwcg KDIR=$(BUILD)/kernel/debug/tree OUT=$(BUILD)/kmod-debug
	@$(MAKE) --no-print-directory -C selftests/lwcg/kmod KDIR=$(BUILD)/kernel/debug/tree OUT=$(BUILD)/kmod-debug/test
	@$(MAKE) --no-print-directory -C tools/lab/kmod KDIR=$(BUILD)/kernel/debug/tree OUT=$(BUILD)/lab/debug

lab-init: deps
	@$(MAKE) --no-print-directory -C tools/lab

selftests: deps
	@$(MAKE) --no-print-directory -C selftests

bench: deps
	@$(MAKE) --no-print-directory -C tools/bench/cgroup

all: userspace module module-debug lab-init selftests bench $(BUILD)/lib/rund/vmlinux

rootfs: deps
	@tools/demo/make-rootfs $(BUILD)/rootfs

demo: userspace module lab-init rootfs $(BUILD)/lib/rund/vmlinux
	@tools/lab/rund-lab --lwcg -- tools/demo/demo

check: all rootfs
	@tools/check

check-upstream: kernel-host kernel-stock lab-init
	@tools/upstream-cgroup

check-guest: kernel-guest rootfs
	@tools/guest-compat

unit: deps
	@tools/check unit
style: deps kernel-host
	@tools/check style

# Not part of check: it compiles many kernels.
check-series: kernel-host module lab-init selftests
	@tools/deps --packaging
	@tools/check packaging

lab: userspace module lab-init rootfs $(BUILD)/lib/rund/vmlinux
	@tools/lab/rund-lab --lwcg --timeout 0 --tty

docs: deps
	@sphinx-build -q -W -b html Documentation $(BUILD)/docs

install: userspace $(BUILD)/lib/rund/vmlinux
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/rund \
		$(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/include/linux
	install -m 755 $(BUILD)/bin/rund-agent $(BUILD)/bin/rund-vmm $(BUILD)/bin/rund-prepatch \
		$(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/lib/rund/vmlinux $(BUILD)/lib/rund/initramfs.cpio \
		$(DESTDIR)$(PREFIX)/lib/rund/
	install -m 644 Documentation/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 include/uapi/linux/lwcg.h $(DESTDIR)$(PREFIX)/include/linux/

clean:
	rm -rf $(BUILD)
