/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The name under which ps(1) shows this process.
 */
#ifndef RUND_AGENT_TITLE_H
#define RUND_AGENT_TITLE_H

/**
 * ra_title_init() - remember where the kernel keeps the arguments
 *
 * Arguments and environment are moved away, so that ra_title_set() may overwrite
 * the originals while the program goes on using argv and environ.
 */
void ra_title_init(int argc, char **argv);

/**
 * ra_title_set() - show "rund-agent: @what" instead of the command line
 *
 * Cut to what the originals had room for; does nothing before
 * ra_title_init().
 */
void ra_title_set(const char *what);

#endif
