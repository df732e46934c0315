/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket: one JSON object a line, both ways.  The peer is not
 * trusted: lines are bounded, and a peer that does not read is disconnected.
 *
 *   {"cmd":"status"}  ->  {"ok":true,"name":...,"pid":...,"state":...,"vcpus":...,
 *                          "mem":bytes,"exits":count}
 *   {"cmd":"stop"}    ->  {"ok":true}, then the machine stops
 *   anything else     ->  {"ok":false,"error":"..."}
 *   events            ->  {"event":"started","setup_us":microseconds it took to build the machine}
 *                         {"event":"exit","reason":"reset|shutdown|triple-fault|stopped|internal-error",
 *                          "exits":count}
 *
 * The end of a connection does not end the machine.
 */
#ifndef RUND_VMM_CONTROL_H
#define RUND_VMM_CONTROL_H

struct vm;

int control_init(struct vm *vm);
void control_fini(struct vm *vm);
void control_event_started(struct vm *vm);
void control_event_exit(struct vm *vm);

#endif
