// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tests of leases, below a parent on cgroup v1.
 */
#define LWCG_V1
#include "../lwcg/test_lease.c"
