/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Logging to stderr.  Whoever first sees a failure reports it once, naming the
 * object and the remedy; callers only pass the error code on.
 */
#ifndef RUND_LIB_LOG_H
#define RUND_LIB_LOG_H

enum log_level {
	LOG_LEVEL_NONE = -1,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/**
 * log_init() - name the program in front of each line and set what is shown
 * @prog: program name; the string must outlive the process
 * @level: the least important level that is still written
 */
void log_init(const char *prog, enum log_level level);

/**
 * log_printf() - write one line, atomically with respect to other threads
 * @level: its level; dropped when less important than log_init() said
 * @fmt: printf format, without a newline
 */
void log_printf(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)   log_printf(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_printf(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_printf(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_printf(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Report a failure and evaluate to @err, so that callers write
 * `return log_errno(-ENOENT, "image %s: ...", name)`. */
#define log_errno(err, ...)           \
	({                            \
		int _e = (err);       \
		log_err(__VA_ARGS__); \
		_e;                   \
	})

#endif
