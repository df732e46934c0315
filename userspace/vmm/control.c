// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket.  All of it runs on the main loop's thread.
 */
#include "vmm/control.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

/* Longest line, and deepest nesting, that is looked at. */
#define LINE_MAX_LEN 4096
#define JSON_DEPTH   8

struct control {
	struct vm *vm;
	struct loop_watch listener; /* fd -1: the descriptor given is a connection */
	struct loop_watch peer;	    /* fd -1: nobody is connected */
	size_t len;
	bool skip; /* the rest of a line that was too long */
	char line[LINE_MAX_LEN];
};

static void disconnect(struct control *c)
{
	if (c->peer.fd < 0)
		return;
	loop_del(&c->vm->loop, &c->peer);
	shutdown(c->peer.fd, SHUT_RDWR);
	/* A descriptor from the command line stays its owner's. */
	if (c->peer.fd != c->vm->cfg.control_fd)
		close_fd(c->peer.fd);
	c->peer.fd = -1;
	c->len = 0;
	c->skip = false;
}

/* Consumes @obj. */
static void send_json(struct control *c, struct json_object *obj)
{
	const char *text = json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN);
	char buf[LINE_MAX_LEN];
	int n = snprintf(buf, sizeof(buf), "%s\n", text);

	json_object_put(obj);
	if (c->peer.fd < 0 || n < 0 || n >= sizeof(buf))
		return;
	if (send(c->peer.fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		disconnect(c);
}

static void send_error(struct control *c, const char *why)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "ok", json_object_new_boolean(false));
	json_object_object_add(obj, "error", json_object_new_string(why));
	send_json(c, obj);
}

static void cmd_status(struct control *c)
{
	struct json_object *obj = json_object_new_object();
	struct vm *vm = c->vm;

	json_object_object_add(obj, "ok", json_object_new_boolean(true));
	json_object_object_add(obj, "name", json_object_new_string(vm->cfg.name));
	json_object_object_add(obj, "pid", json_object_new_int(getpid()));
	json_object_object_add(obj, "state", json_object_new_string(vm_exit_name(vm->exit)));
	json_object_object_add(obj, "vcpus", json_object_new_int(vm->cfg.nr_vcpus));
	json_object_object_add(obj, "mem", json_object_new_int64(vm->mem.size));
	json_object_object_add(obj, "exits", json_object_new_int64(vcpu_exits(vm)));
	send_json(c, obj);
}

static void cmd_stop(struct control *c)
{
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "ok", json_object_new_boolean(true));
	send_json(c, obj);
	vm_stop(c->vm, VM_EXIT_STOPPED);
}

static const struct {
	const char *name;
	void (*fn)(struct control *c);
} commands[] = {
	{"status", cmd_status},
	{"stop", cmd_stop},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static struct json_object *parse(const char *line, size_t len)
{
	struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *obj = NULL;

	if (!tok)
		return NULL;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, line, len);
	/* Anything behind the object but white space makes the line malformed. */
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    strspn(line + json_tokener_get_parse_end(tok), " \t\r") !=
		    len - json_tokener_get_parse_end(tok)) {
		json_object_put(obj);
		obj = NULL;
	}
	json_tokener_free(tok);
	return obj;
}

/* @line is NUL-terminated and @len bytes long, but may hold further NULs. */
static void handle_line(struct control *c, const char *line, size_t len)
{
	struct json_object *obj = parse(line, len);
	struct json_object *cmd;

	if (!obj || !json_object_is_type(obj, json_type_object)) {
		send_error(c, "not a JSON object");
	} else if (!json_object_object_get_ex(obj, "cmd", &cmd) ||
		   !json_object_is_type(cmd, json_type_string)) {
		send_error(c, "no \"cmd\" string");
	} else {
		size_t i = 0;

		while (i < NR_COMMANDS && strcmp(commands[i].name, json_object_get_string(cmd)))
			i++;
		if (i < NR_COMMANDS)
			commands[i].fn(c);
		else
			send_error(c, "unknown cmd; there are status and stop");
	}
	json_object_put(obj);
}

/* Cut what arrived into lines. */
static void consume(struct control *c)
{
	char *nl;

	while (c->peer.fd >= 0 && (nl = memchr(c->line, '\n', c->len))) {
		char line[LINE_MAX_LEN];
		size_t n = nl - c->line;

		memcpy(line, c->line, n);
		line[n] = '\0';
		c->len -= n + 1;
		memmove(c->line, nl + 1, c->len);
		if (!c->skip)
			handle_line(c, line, n);
		c->skip = false;
	}
	if (c->len == sizeof(c->line)) {
		if (!c->skip)
			send_error(c, "line too long");
		c->len = 0;
		c->skip = true;
	}
}

static void peer_event(struct loop_watch *w, uint32_t events)
{
	struct control *c = w->data;
	ssize_t n = recv(w->fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		disconnect(c);
		return;
	}
	c->len += n;
	consume(c);
}

static int add_peer(struct control *c, int fd)
{
	c->peer = (struct loop_watch){.fd = fd, .events = EPOLLIN, .fn = peer_event, .data = c};
	return loop_add(&c->vm->loop, &c->peer);
}

static void listener_event(struct loop_watch *w, uint32_t events)
{
	struct control *c = w->data;
	__cleanup_fd int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);

	/* One at a time; a newcomer replaces whoever was there. */
	if (fd < 0)
		return;
	disconnect(c);
	if (!add_peer(c, fd))
		take_fd(&fd);
	else
		c->peer.fd = -1;
}

int control_init(struct vm *vm)
{
	struct control *c;
	int listening = 0;
	int ret;

	if (vm->cfg.control_fd < 0)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return log_errno(-ENOMEM, "control: out of memory");
	c->vm = vm;
	c->peer.fd = -1;
	c->listener = (struct loop_watch){
		.fd = vm->cfg.control_fd, .events = EPOLLIN, .fn = listener_event, .data = c};
	ret = getsockopt(vm->cfg.control_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
			 &(socklen_t){sizeof(listening)});
	if (ret)
		ret = -errno;
	else if (listening)
		ret = loop_add(&vm->loop, &c->listener);
	else
		ret = add_peer(c, vm->cfg.control_fd);
	if (ret) {
		free(c);
		return log_errno(ret, "--control fd %d: %s; give a stream socket",
				 vm->cfg.control_fd, strerror(-ret));
	}
	vm->control = c;
	return 0;
}

void control_fini(struct vm *vm)
{
	if (!vm->control)
		return;
	disconnect(vm->control);
	free(vm->control);
	vm->control = NULL;
}

void control_event_started(struct vm *vm)
{
	struct json_object *obj;

	if (!vm->control)
		return;
	obj = json_object_new_object();
	json_object_object_add(obj, "event", json_object_new_string("started"));
	json_object_object_add(obj, "setup_us", json_object_new_int64(vm->setup_us));
	send_json(vm->control, obj);
}

void control_event_exit(struct vm *vm)
{
	struct json_object *obj;

	if (!vm->control)
		return;
	obj = json_object_new_object();
	json_object_object_add(obj, "event", json_object_new_string("exit"));
	json_object_object_add(obj, "reason", json_object_new_string(vm_exit_name(vm->exit)));
	json_object_object_add(obj, "exits", json_object_new_int64(vcpu_exits(vm)));
	send_json(vm->control, obj);
}
