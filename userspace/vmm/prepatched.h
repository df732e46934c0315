/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pre-patched kernel images: reading the note, proving the file whole, and
 * comparing the CPU it was made for with this one.  The file is hostile.
 */
#ifndef RUND_VMM_PREPATCHED_H
#define RUND_VMM_PREPATCHED_H

#include <elf.h>
#include <stdint.h>

#include "rund/prepatch.h"

struct vm;

/**
 * prepatched_read() - the note of an ELF kernel
 * @fd: the file
 * @path: its name, for messages
 * @eh: its header, and
 * @ph: its program headers
 * @out: receives a malloc()ed copy, or NULL when this is an ordinary kernel
 *
 * Return: 0, -ENOEXEC (damaged, or of another version) or -errno; logs.
 */
int prepatched_read(int fd, const char *path, const Elf64_Ehdr *eh, const Elf64_Phdr *ph,
		    struct rund_prepatch **out);

/**
 * prepatched_crc() - what p->crc has to be: CRC-64 (ECMA-182, reflected) of the ELF header,
 * the program headers, the note with its crc as 0, and the PT_LOAD segments as
 * they are in the file, in order
 * @segment: for each program header the p_filesz bytes; ignored unless PT_LOAD
 *
 * Return: the checksum.
 */
uint64_t prepatched_crc(const Elf64_Ehdr *eh, const Elf64_Phdr *ph, const struct rund_prepatch *p,
			const void *const *segment);

/**
 * prepatched_cpu_words() - CPUID as vCPU 0 of @vm sees it, names empty
 * @word: RUND_PREPATCH_WORDS of them
 * Return: how many were filled, or -errno; logs.
 */
int prepatched_cpu_words(const struct vm *vm, struct rund_cpu_word *word);

/**
 * prepatched_compare() - the CPU that an image was made for, and another
 * @p: its note, as prepatched_read() gave it
 * @here: what prepatched_cpu_words() says of the other; @nr of them
 * Return: 0, or -ENOEXEC, logged with the features that differ.
 */
int prepatched_compare(const char *path, const struct rund_prepatch *p,
		       const struct rund_cpu_word *here, unsigned int nr);

/**
 * prepatched_check_cpu() - refuse an image that was made for another CPU
 * Return: 0, -ENOEXEC naming the features that differ, or -errno; logs.
 */
int prepatched_check_cpu(const struct vm *vm, const char *path, const struct rund_prepatch *p);

#endif
