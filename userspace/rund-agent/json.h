/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading JSON that may be anything: every getter checks the type and the
 * range, and a text is one whole object or it is refused.
 */
#ifndef RUND_AGENT_JSON_H
#define RUND_AGENT_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * ra_json_parse() - parse exactly one JSON object
 * Return: a new object, or NULL.
 */
struct json_object *ra_json_parse(const char *text, size_t len);

/**
 * ra_json_str() - copy a string member
 * Return: 0, -EBADMSG when missing, not a string, too long or holding a NUL.
 */
int ra_json_str(struct json_object *o, const char *key, char *buf, size_t len);

/**
 * ra_json_int() - an integer member between two bounds
 * Return: 0 or -EBADMSG.
 */
int ra_json_int(struct json_object *o, const char *key, int64_t min, int64_t max, int64_t *out);

/**
 * ra_json_bool() - a boolean member
 * Return: 0 or -EBADMSG.
 */
int ra_json_bool(struct json_object *o, const char *key, bool *out);

/**
 * ra_json_line() - an object as one line of text with its newline
 * @o: the object; its reference is consumed
 *
 * Return: a malloc()ed string, or NULL.
 */
char *ra_json_line(struct json_object *o);

#endif
