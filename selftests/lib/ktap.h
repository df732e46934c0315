/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KTAP output for the C selftests: a table of named tests, one process.
 *
 *	static int test_open(void) { ... return KTAP_PASS; }
 *
 *	int main(void)
 *	{
 *		static const struct ktap_test tests[] = { T(test_open), ... };
 *
 *		return ktap_run(tests, ARRAY_SIZE(tests));
 *	}
 *
 * A test that returns KTAP_SKIP has called ktap_skip() with the reason.
 */
#ifndef RUND_KTAP_H
#define RUND_KTAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

enum ktap_result { KTAP_PASS = 0, KTAP_FAIL = 1, KTAP_SKIP = 4 };

struct ktap_test {
	const char *name;
	int (*fn)(void);
};

#define T(f)          \
	{             \
#f, f \
	}

static char ktap_reason[256];

/* Leave the test: it cannot run here, and this is why. */
static inline int __attribute__((format(printf, 1, 2))) ktap_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ktap_reason, sizeof(ktap_reason), fmt, ap);
	va_end(ap);
	return KTAP_SKIP;
}

/* A diagnostic line. */
static inline void __attribute__((format(printf, 1, 2))) ktap_diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

/* Fail the test, saying where, unless the condition holds. */
#define EXPECT(cond)                                                                 \
	do {                                                                         \
		if (!(cond)) {                                                       \
			ktap_diag("%s:%d: not true: %s", __FILE__, __LINE__, #cond); \
			return KTAP_FAIL;                                            \
		}                                                                    \
	} while (0)

/* The same for integers, showing both values. */
#define EXPECT_EQ(a, b)                                                                            \
	do {                                                                                       \
		long long _a = (long long)(a), _b = (long long)(b);                                \
		if (_a != _b) {                                                                    \
			ktap_diag("%s:%d: %s is %lld, expected %lld (%s)", __FILE__, __LINE__, #a, \
				  _a, _b, #b);                                                     \
			return KTAP_FAIL;                                                          \
		}                                                                                  \
	} while (0)

/* The debug kernel is several times slower; the runner says so. */
static inline int ktap_slow(void)
{
	const char *s = getenv("RUND_SLOW");

	return s && *s == '1';
}

static inline int ktap_run(const struct ktap_test *tests, unsigned int nr)
{
	unsigned int i, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", nr);
	for (i = 0; i < nr; i++) {
		switch (tests[i].fn()) {
		case KTAP_PASS:
			printf("ok %u %s\n", i + 1, tests[i].name);
			break;
		case KTAP_SKIP:
			printf("ok %u %s # SKIP %s\n", i + 1, tests[i].name, ktap_reason);
			break;
		default:
			printf("not ok %u %s\n", i + 1, tests[i].name);
			failed++;
		}
	}
	return failed ? 1 : 0;
}

#endif
