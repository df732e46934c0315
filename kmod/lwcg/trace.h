/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: events/lwcg in tracefs.  "pool" is the cgroup id of the pool's
 * parent, "slot" the id in LWCG_ACQUIRE, and times are in nanoseconds.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lwcg

#if !defined(LWCG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LWCG_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(lwcg_lease,

	TP_PROTO(u64 pool, u64 slot, const char *name, u64 ns, int ret),

	TP_ARGS(pool, slot, name, ns, ret),

	TP_STRUCT__entry(
		__field(u64, pool)
		__field(u64, slot)
		__string(name, name)
		__field(u64, ns)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->pool = pool;
		__entry->slot = slot;
		__assign_str(name);
		__entry->ns = ns;
		__entry->ret = ret;
	),

	TP_printk("pool=%llu slot=%llu name=%s ns=%llu ret=%d", __entry->pool, __entry->slot,
		  __get_str(name), __entry->ns, __entry->ret)
);

/* LWCG_ACQUIRE returns; slot is 0 if none was ready */
DEFINE_EVENT(lwcg_lease, lwcg_acquire,
	TP_PROTO(u64 pool, u64 slot, const char *name, u64 ns, int ret),
	TP_ARGS(pool, slot, name, ns, ret)
);

/* LWCG_ADOPT returns; slot is 0 if no orphan was taken */
DEFINE_EVENT(lwcg_lease, lwcg_adopt,
	TP_PROTO(u64 pool, u64 slot, const char *name, u64 ns, int ret),
	TP_ARGS(pool, slot, name, ns, ret)
);

/* a lease has ended, by LWCG_RELEASE, close(2) or LWCG_DRAIN; its name is free */
DEFINE_EVENT(lwcg_lease, lwcg_release,
	TP_PROTO(u64 pool, u64 slot, const char *name, u64 ns, int ret),
	TP_ARGS(pool, slot, name, ns, ret)
);

DECLARE_EVENT_CLASS(lwcg_after,

	TP_PROTO(u64 pool, u64 slot, u64 ns, int ret),

	TP_ARGS(pool, slot, ns, ret),

	TP_STRUCT__entry(
		__field(u64, pool)
		__field(u64, slot)
		__field(u64, ns)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->pool = pool;
		__entry->slot = slot;
		__entry->ns = ns;
		__entry->ret = ret;
	),

	TP_printk("pool=%llu slot=%llu ns=%llu ret=%d", __entry->pool, __entry->slot,
		  __entry->ns, __entry->ret)
);

/* a slot is ready again; ns since the end of its lease */
DEFINE_EVENT(lwcg_after, lwcg_recycled,
	TP_PROTO(u64 pool, u64 slot, u64 ns, int ret),
	TP_ARGS(pool, slot, ns, ret)
);

/*
 * a slot was removed; ns since the end of its lease; ret says why: -EAGAIN something
 * was still in use, -EBUSY or -EOPNOTSUPP something could not be undone, 0 it was
 * not needed
 */
DEFINE_EVENT(lwcg_after, lwcg_retired,
	TP_PROTO(u64 pool, u64 slot, u64 ns, int ret),
	TP_ARGS(pool, slot, ns, ret)
);

/* slots were made, in the background or by LWCG_POOL */
TRACE_EVENT(lwcg_refill,

	TP_PROTO(u64 pool, u32 made, u64 ns, int ret),

	TP_ARGS(pool, made, ns, ret),

	TP_STRUCT__entry(
		__field(u64, pool)
		__field(u32, made)
		__field(u64, ns)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->pool = pool;
		__entry->made = made;
		__entry->ns = ns;
		__entry->ret = ret;
	),

	TP_printk("pool=%llu made=%u ns=%llu ret=%d", __entry->pool, __entry->made, __entry->ns,
		  __entry->ret)
);

#endif /* LWCG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
