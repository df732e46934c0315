// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checked access to JSON.
 */
#include "json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Nothing the agent reads nests deeper than an object with an array in it. */
#define JSON_DEPTH 8

struct json_object *ra_json_parse(const char *text, size_t len)
{
	struct json_tokener *tok;
	struct json_object *o;

	if (len > INT32_MAX)
		return NULL;
	tok = json_tokener_new_ex(JSON_DEPTH);
	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	o = json_tokener_parse_ex(tok, text, len);
	if (o && (json_tokener_get_error(tok) != json_tokener_success ||
		  !json_object_is_type(o, json_type_object))) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tok);
	return o;
}

static struct json_object *member(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, type))
		return NULL;
	return v;
}

int ra_json_str(struct json_object *o, const char *key, char *buf, size_t len)
{
	struct json_object *v = member(o, key, json_type_string);
	const char *s;
	size_t n;

	if (!v)
		return -EBADMSG;
	s = json_object_get_string(v);
	n = json_object_get_string_len(v);
	if (n >= len || strlen(s) != n)
		return -EBADMSG;
	memcpy(buf, s, n + 1);
	return 0;
}

int ra_json_int(struct json_object *o, const char *key, int64_t min, int64_t max, int64_t *out)
{
	struct json_object *v = member(o, key, json_type_int);
	int64_t n;

	if (!v)
		return -EBADMSG;
	errno = 0;
	n = json_object_get_int64(v);
	if (errno || n < min || n > max)
		return -EBADMSG;
	*out = n;
	return 0;
}

int ra_json_bool(struct json_object *o, const char *key, bool *out)
{
	struct json_object *v = member(o, key, json_type_boolean);

	if (!v)
		return -EBADMSG;
	*out = json_object_get_boolean(v);
	return 0;
}

char *ra_json_line(struct json_object *o)
{
	const char *text;
	char *line = NULL;

	if (!o)
		return NULL;
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
							 JSON_C_TO_STRING_NOSLASHESCAPE);
	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	json_object_put(o);
	return line;
}
