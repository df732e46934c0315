/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text inside of HTML and SVG.
 */
#ifndef RUND_PREPATCH_HTML_H
#define RUND_PREPATCH_HTML_H

#include <stdio.h>

/* Write a text so that it is one, in an element or a quoted attribute. */
static inline void html_text(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p == '&' || *p == '<' || *p == '>' || *p == '"' || *p == '\'')
			fprintf(out, "&#%d;", *p);
		else
			fputc(*p, out);
	}
}

#endif
