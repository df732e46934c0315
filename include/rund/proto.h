/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol between rund-agent (host) and rund-init (PID 1 of the guest).
 *
 * rund-init connects to the host (CID 2) over vsock; rund-vmm forwards each
 * connection to a Unix socket of the agent named after the port.
 *
 *   port RUND_PORT_CONTROL   messages, both ways, framed as below
 *   port RUND_PORT_STDIN     raw bytes host -> guest; end of stream is end of file
 *   port RUND_PORT_STDOUT    raw bytes guest -> host (with a tty: both streams)
 *   port RUND_PORT_STDERR    raw bytes guest -> host (unused with a tty)
 *
 *   guest                                host
 *     |---- connect CONTROL, HELLO ------->|
 *     |<--- CONFIG ------------------------|
 *     |     mounts, overlay, pivot_root    |
 *     |---- connect STDIN/OUT/ERR -------->|
 *     |---- STARTED or ERROR ------------->|
 *     |<--- SIGNAL, WINSIZE (any time) ----|
 *     |---- (output ends) EXIT ----------->|
 *     |<--- reads STDOUT/ERR to their end, |
 *     |     closes them, closes CONTROL ---|
 *     |     powers off                     |
 *
 * What a VMM still holds when the guest resets is lost.  So rund-init shuts
 * STDOUT and STDERR down for writing, sends EXIT, and powers off when the host
 * closes CONTROL (or two seconds after it has closed both streams).  After ERROR
 * the host closes CONTROL, too.
 *
 * A message is struct rund_msg followed by len bytes.  All integers are
 * little-endian (both ends are x86-64).  Bytes from the guest are hostile: the
 * agent checks type and length before it reads a payload and treats a message
 * it does not expect as a broken guest.
 */
#ifndef RUND_PROTO_H
#define RUND_PROTO_H

#include <stdint.h>

#define RUND_PROTO_VERSION 1

#define RUND_PORT_CONTROL  1024
#define RUND_PORT_STDIN	   1025
#define RUND_PORT_STDOUT   1026
#define RUND_PORT_STDERR   1027

/* Payload limits, bytes. The guest to host direction is kept small on purpose. */
#define RUND_MSG_MAX_TO_GUEST (1U << 20)
#define RUND_MSG_MAX_TO_HOST  1024U

struct rund_msg {
	uint32_t type; /* enum rund_msg_type */
	uint32_t len;  /* bytes that follow */
};

enum rund_msg_type {
	/* guest to host */
	RUND_MSG_HELLO = 1,   /* struct rund_hello */
	RUND_MSG_STARTED = 2, /* no payload: the command was exec'ed */
	RUND_MSG_ERROR = 3,   /* struct rund_error: it could not be; the guest powers off */
	RUND_MSG_EXIT = 4,    /* struct rund_exit: it ended; the guest powers off */
	/* host to guest */
	RUND_MSG_CONFIG = 16,  /* struct rund_config */
	RUND_MSG_SIGNAL = 17,  /* struct rund_signal */
	RUND_MSG_WINSIZE = 18, /* struct rund_winsize */
};

struct rund_hello {
	uint32_t version; /* RUND_PROTO_VERSION */
	uint32_t reserved;
};

struct rund_error {
	uint32_t exit_code; /* what launch exits with: 125, 126 or 127 */
	uint32_t err;	    /* errno value, 0 if none */
	char text[512];	    /* NUL-terminated, names the object */
};

struct rund_exit {
	uint32_t code;	 /* exit status when signal is 0 */
	uint32_t signal; /* the signal that killed the command, or 0 */
	/* Monotonic nanoseconds since guest kernel start, for the timeline. */
	uint64_t t_init;   /* rund-init's first instruction */
	uint64_t t_mounts; /* root file system in place */
	uint64_t t_exec;   /* command exec'ed */
	uint64_t t_exit;   /* command reaped */
};

#define RUND_CONFIG_TTY	  (1U << 0) /* give the command a pseudo-terminal */
#define RUND_CONFIG_STDIN (1U << 1) /* connect stdin; else it is /dev/null */

#define RUND_SEED_LEN	  64
#define RUND_MAX_STRINGS  4096 /* in one string table */
#define RUND_MAX_RLIMITS  16

struct rund_rlimit {
	uint32_t resource; /* RLIMIT_* of the Linux ABI */
	uint32_t reserved;
	uint64_t soft, hard;
};

struct rund_winsize {
	uint16_t rows, cols, xpixel, ypixel;
};

struct rund_signal {
	int32_t signo; /* sent to the command's process */
};

/*
 * CONFIG: this struct, then `strings_len` bytes holding NUL-terminated strings
 * one after the other: the hostname (may be empty: keep "rund"), the working directory (may be
 * empty: "/"), the user ("", "name", "uid", "name:group" or "uid:gid", looked up in the container's
 * /etc/passwd and /etc/group), then nr_args arguments, then nr_env "KEY=VALUE" entries.
 */
struct rund_config {
	uint32_t version;	     /* RUND_PROTO_VERSION */
	uint32_t flags;		     /* RUND_CONFIG_* */
	uint8_t seed[RUND_SEED_LEN]; /* for the CRNG, fresh for every start */
	uint64_t realtime_ns;	     /* CLOCK_REALTIME of the host when sent */
	struct rund_winsize winsize;
	uint32_t nr_rlimits;
	uint32_t nr_args; /* at least 1 */
	uint32_t nr_env;
	uint32_t strings_len;
	struct rund_rlimit rlimit[RUND_MAX_RLIMITS];
};

/* Names fixed between the agent (which tells the VMM) and rund-init. */
#define RUND_FS_TAG_LOWER "lower"    /* virtio-fs: read-only layer */
#define RUND_BLK_UPPER	  "/dev/vda" /* virtio-blk: pre-formatted ext4, writable layer */

#endif
