/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command's environment: what was asked for, plus the few variables that
 * every container has.
 */
#ifndef RUND_GUEST_ENV_H
#define RUND_GUEST_ENV_H

/**
 * env_get() - the value of a variable
 * Return: NULL when it is not set; the last setting wins.
 */
const char *env_get(char *const envp[], const char *key);

/**
 * env_build() - add the defaults for what is not set
 * @asked: "KEY=VALUE" entries, NULL-terminated; kept by reference
 * @home: HOME
 * @hostname: HOSTNAME
 * @term: TERM, or NULL to set none
 *
 * A variable asked for twice is given once, with its last value: programs
 * differ in which of two they believe.
 *
 * Return: a vector to be released with env_free(), NULL when memory is short.
 */
char **env_build(char *const asked[], const char *home, const char *hostname, const char *term);

/**
 * env_free() - release what env_build() returned
 * @env: may be NULL
 */
void env_free(char **env);

#endif
