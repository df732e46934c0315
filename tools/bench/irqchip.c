// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to set up a VM, by interrupt controllers and by the order of
 * steps.  Nothing runs in the VMs: only the ioctls that build and destroy them
 * are timed, so that any KVM will do.  JSON, one object a variant, times in
 * microseconds, medians over the rounds.
 *
 *	gcc -O2 -o irqchip tools/bench/irqchip.c && ./irqchip [ROUNDS]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define RAM	   (128UL << 20)
#define VCPUS	   2
#define NOTIFIERS  4 /* ioeventfds and irqfds */
#define NOTIFY_GPA 0xd0000050UL
#define MAX_ROUNDS 1000

enum chip { SPLIT, KERNEL, KERNEL_PIT };
enum phase { CREATE, CHIP, SLOT, VCPU, IRQFD, IOEVENTFD, TOTAL, TEARDOWN, NR_PHASES };

static const char *const phase_name[NR_PHASES] = {"create", "irqchip",	  "memslot", "vcpus",
						  "irqfds", "ioeventfds", "total",   "teardown"};

static const struct variant {
	const char *name;
	enum chip chip;
	bool slot_first;
} variants[] = {
	{"split, memslot first", SPLIT, true},
	{"split, memslot last", SPLIT, false},
	{"kernel, memslot first", KERNEL, true},
	{"kernel, memslot last", KERNEL, false},
	{"kernel+PIT, memslot first", KERNEL_PIT, true},
	{"kernel+PIT, memslot last", KERNEL_PIT, false},
};

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static int must(int ret, const char *what)
{
	if (ret >= 0)
		return ret;
	fprintf(stderr, "irqchip: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void add_chip(int vm, enum chip chip)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};

	if (chip == SPLIT) {
		must(ioctl(vm, KVM_ENABLE_CAP, &cap), "KVM_CAP_SPLIT_IRQCHIP");
		return;
	}
	must(ioctl(vm, KVM_CREATE_IRQCHIP), "KVM_CREATE_IRQCHIP");
	if (chip == KERNEL_PIT)
		must(ioctl(vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
}

static void add_slot(int vm, void *ram)
{
	struct kvm_userspace_memory_region r = {.memory_size = RAM,
						.userspace_addr = (uintptr_t)ram};

	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r), "KVM_SET_USER_MEMORY_REGION");
}

static double lap(double *last)
{
	double t = now_us(), d = t - *last;

	*last = t;
	return d;
}

/* One VM from nothing to ready, and back. */
static void round_trip(int kvm, const struct variant *v, void *ram, double *us)
{
	int vcpu[VCPUS], efd[NOTIFIERS];
	double begin, last;
	int vm;

	for (int i = 0; i < NOTIFIERS; i++)
		efd[i] = must(eventfd(0, EFD_CLOEXEC), "eventfd");
	begin = last = now_us();
	vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	us[CREATE] = lap(&last);
	if (v->slot_first) {
		add_slot(vm, ram);
		us[SLOT] = lap(&last);
	}
	add_chip(vm, v->chip);
	us[CHIP] = lap(&last);
	for (int i = 0; i < VCPUS; i++)
		vcpu[i] = must(ioctl(vm, KVM_CREATE_VCPU, i), "KVM_CREATE_VCPU");
	us[VCPU] = lap(&last);
	if (!v->slot_first) {
		add_slot(vm, ram);
		us[SLOT] = lap(&last);
	}
	for (int i = 0; i < NOTIFIERS; i++) {
		struct kvm_irqfd irq = {.fd = efd[i], .gsi = 5 + i};

		must(ioctl(vm, KVM_IRQFD, &irq), "KVM_IRQFD");
	}
	us[IRQFD] = lap(&last);
	for (int i = 0; i < NOTIFIERS; i++) {
		struct kvm_ioeventfd io = {
			.addr = NOTIFY_GPA + i * 0x1000UL, .len = 4, .fd = efd[i]};

		must(ioctl(vm, KVM_IOEVENTFD, &io), "KVM_IOEVENTFD");
	}
	us[IOEVENTFD] = lap(&last);
	us[TOTAL] = last - begin;
	for (int i = 0; i < VCPUS; i++)
		close(vcpu[i]);
	close(vm);
	us[TEARDOWN] = lap(&last);
	for (int i = 0; i < NOTIFIERS; i++)
		close(efd[i]);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(int kvm, const struct variant *v, void *ram, int rounds)
{
	static double us[NR_PHASES][MAX_ROUNDS];

	for (int i = 0; i < rounds; i++) {
		double one[NR_PHASES];

		round_trip(kvm, v, ram, one);
		for (int p = 0; p < NR_PHASES; p++)
			us[p][i] = one[p];
	}
	printf("{\"variant\":\"%s\",\"rounds\":%d", v->name, rounds);
	for (int p = 0; p < NR_PHASES; p++) {
		qsort(us[p], rounds, sizeof(double), compare);
		printf(",\"%s\":%.0f", phase_name[p], us[p][rounds / 2]);
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 50;
	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	void *ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (ram == MAP_FAILED || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: irqchip [ROUNDS, at most %d]\n", MAX_ROUNDS);
		return 1;
	}
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		measure(kvm, &variants[i], ram, rounds);
	return 0;
}
