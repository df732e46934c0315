// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/kvm: everything the VMM needs is checked for before a VM exists, so
 * that an unusable host is reported by name and not by a failing ioctl later.
 */
#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/vm.h"

#define KVM_PATH "/dev/kvm"
/*
 * Intel CPUs without unrestricted guest mode need four pages of guest physical
 * space for real mode: below the BIOS's place, inside the 32-bit hole.
 */
#define KVM_IDENTITY_MAP_GPA 0xfffbc000ULL
#define KVM_TSS_GPA	     0xfffbd000UL

static const struct {
	long cap;
	const char *name;
} required[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
	{KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"},
	/* No PIT: this timer is the guest's only one. */
	{KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER"},
};

long kvm_ioctl(int fd, unsigned long req, void *arg)
{
	long ret;

	do {
		ret = ioctl(fd, req, arg);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

int kvm_has(const struct vm *vm, long cap)
{
	long ret = kvm_ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, (void *)cap);

	return ret < 0 ? 0 : ret;
}

static int open_kvm(void)
{
	int fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return log_errno(-errno,
				 KVM_PATH ": %s; load kvm_intel or kvm_amd and enable "
					  "virtualization in the firmware",
				 strerror(errno));
	if (errno == EACCES || errno == EPERM)
		return log_errno(-errno, KVM_PATH ": %s; run as root or as a member of group kvm",
				 strerror(errno));
	return log_errno(-errno, KVM_PATH ": %s", strerror(errno));
}

static int check_kvm(const struct vm *vm)
{
	long version = kvm_ioctl(vm->kvm_fd, KVM_GET_API_VERSION, NULL);
	int max = kvm_has(vm, KVM_CAP_MAX_VCPUS);

	/* The only version there will ever be (Documentation/virt/kvm/api.rst, 4.1). */
	if (version != KVM_API_VERSION)
		return log_errno(-ENODEV, KVM_PATH ": not KVM (API version %ld, expected %d)",
				 version, KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (!kvm_has(vm, required[i].cap))
			return log_errno(-EOPNOTSUPP,
					 KVM_PATH
					 ": %s is missing; a Linux 5.10 or newer host has it",
					 required[i].name);
	}
	if (vm->cfg.nr_vcpus > max)
		return log_errno(-EINVAL, "--cpus %u: KVM here allows at most %d vCPUs",
				 vm->cfg.nr_vcpus, max);
	return 0;
}

int kvm_init(struct vm *vm)
{
	long ret;

	vm->vm_fd = -1;
	vm->kvm_fd = open_kvm();
	if (vm->kvm_fd < 0)
		return vm->kvm_fd;
	ret = check_kvm(vm);
	if (ret)
		goto close;
	ret = kvm_ioctl(vm->kvm_fd, KVM_CREATE_VM, NULL);
	if (ret < 0) {
		log_err(KVM_PATH ": cannot create a VM: %s", strerror(-ret));
		goto close;
	}
	vm->vm_fd = ret;
	ret = kvm_ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &(uint64_t){KVM_IDENTITY_MAP_GPA});
	if (!ret)
		ret = kvm_ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, (void *)KVM_TSS_GPA);
	if (!ret)
		return 0;
	log_err(KVM_PATH ": cannot set the TSS address: %s", strerror(-ret));
close:
	kvm_fini(vm);
	return ret;
}

void kvm_fini(struct vm *vm)
{
	close_fd(vm->vm_fd);
	close_fd(vm->kvm_fd);
	vm->vm_fd = -1;
	vm->kvm_fd = -1;
}

int kvm_add_memory(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->mem.nr; i++) {
		const struct mem_region *r = &vm->mem.region[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->hva,
		};
		long ret = kvm_ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &slot);

		if (ret)
			return log_errno(
				ret,
				"--mem %llu MiB: KVM refuses memory at %#llx: %s; ask for less",
				(unsigned long long)vm->mem.size >> 20, (unsigned long long)r->gpa,
				strerror(-ret));
	}
	return 0;
}
