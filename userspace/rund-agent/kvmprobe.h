/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether this host's KVM runs guest kernels on the processor.
 */
#ifndef RUND_AGENT_KVMPROBE_H
#define RUND_AGENT_KVMPROBE_H

/*
 * A loop of register instructions takes well under 1 ns each on hardware, some ns
 * under a binary translator, and hundreds where KVM emulates each instruction.
 */
#define RA_KVM_NATIVE_NS 100.0

/**
 * ra_kvm_probe() - run a tiny 64-bit guest in ring 0 and time it
 * @ns_per_insn: receives the time of one instruction
 * @what: receives what failed
 *
 * Return: 0 or -errno; unreported.
 */
int ra_kvm_probe(double *ns_per_insn, const char **what);

#endif
