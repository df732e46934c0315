// SPDX-License-Identifier: GPL-2.0-only
/*
 * What netlink sets up or tells: links, rules, routes and qdiscs, the parts of netfilter, and
 * what dumps sockets.  The messages are made here, so that no library has a say in them.  All
 * is added to the one network namespace; links and qdiscs, which would be in each other's way,
 * are removed at once.
 */
#include "probe.h"
#include <linux/fib_rules.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct request {
	struct nlmsghdr h;
	char body[1024];
};

static void *put(struct request *r, const void *data, size_t len)
{
	char *at = (char *)r + NLMSG_ALIGN(r->h.nlmsg_len);

	if (len)
		memcpy(at, data, len);
	r->h.nlmsg_len = at + len - (char *)r;
	return at;
}

static struct nlattr *put_attr(struct request *r, int type, const void *data, size_t len)
{
	struct nlattr a = {NLA_HDRLEN + len, type}, *at = put(r, &a, sizeof(a));

	put(r, data, len);
	return at;
}

static void end_nest(struct request *r, struct nlattr *nest)
{
	nest->nla_len = (char *)r + r->h.nlmsg_len - (char *)nest;
}

#define REQUEST(type, flags)                                               \
	{                                                                  \
		.h = { NLMSG_HDRLEN, type, NLM_F_REQUEST | (flags), 1, 0 } \
	}

/* Send it, and take the first answer. */
static int talk(int proto, struct request *r)
{
	union {
		struct nlmsghdr h;
		char space[32768];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto), ret = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* Half of NLM_F_DUMP is NLM_F_EXCL. */
	if ((r->h.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP)
		r->h.nlmsg_flags |= NLM_F_ACK;
	n = send(fd, r, r->h.nlmsg_len, 0);
	if (n > 0)
		n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		ret = -errno;
	else if ((answer.h.nlmsg_type == NLMSG_ERROR || answer.h.nlmsg_type == NLMSG_DONE) &&
		 answer.h.nlmsg_len >= NLMSG_LENGTH(sizeof(int)))
		ret = *(int *)NLMSG_DATA(&answer.h);
	close(fd);
	return ret > 0 ? 0 : ret;
}

static int nfnetlink(long type, long flags)
{
	struct request r = REQUEST(type, flags);
	struct nfgenmsg msg = {.nfgen_family = AF_INET};
	int ret = netns();

	put(&r, &msg, sizeof(msg));
	if (type >> 8 == NFNL_SUBSYS_IPSET)
		put_attr(&r, 1, "\7", 1); /* the version of the protocol */
	else if (type >> 8 == 12)
		put_attr(&r, 1, "\0\0\0", 4); /* a hook's number */
	return ret ? ret : talk(NETLINK_NETFILTER, &r);
}

static int sock_diag(long family, long proto)
{
	struct request r = REQUEST(20 /* SOCK_DIAG_BY_FAMILY */, NLM_F_DUMP);
	uint8_t body[56] = {family, proto, 0, 0, 0xff, 0xff, 0xff, 0xff};

	put(&r, body, sizeof(body));
	return talk(NETLINK_SOCK_DIAG, &r);
}

struct link {
	const char *kind;
	bool below; /* needs another link below */
	int attr, len;
	uint32_t value;
};

static const struct link links[] = {
	{"dummy", 0, 0, 0, 0},
	{"veth", 0, 0, 0, 0},
	{"bridge", 0, 0, 0, 0},
	{"vlan", 1, 1, 2, 5},
	{"macvlan", 1, 0, 0, 0},
	{"ipvlan", 1, 0, 0, 0},
	{"macvtap", 1, 0, 0, 0},
	{"ipvtap", 1, 0, 0, 0},
	{"macsec", 1, 0, 0, 0},
	{"vxlan", 0, 1, 4, 5},
	{"geneve", 0, 1, 4, 5},
	{"gre", 0, 7, 4, 0x100000a},
	{"gretap", 0, 7, 4, 0x100000a},
	{"ip6gre", 0, 7, 16, 0x100000a},
	{"ipip", 0, 3, 4, 0x100000a},
	{"sit", 0, 3, 4, 0x100000a},
	{"ip6tnl", 0, 3, 16, 0x100000a},
	{"vti", 0, 5, 4, 0x100000a},
	{"xfrm", 0, 2, 4, 5},
	{"wireguard", 0, 0, 0, 0},
	{"bond", 0, 0, 0, 0},
	{"team", 0, 0, 0, 0},
	{"ifb", 0, 0, 0, 0},
	{"vrf", 0, 1, 4, 5},
	{"nlmon", 0, 0, 0, 0},
	{"vcan", 0, 0, 0, 0},
	{"vsockmon", 0, 0, 0, 0},
	{"netkit", 0, 0, 0, 0},
	{"netdevsim", 0, 0, 0, 0},
};

static int newlink(const struct link *l, const char *name, int below)
{
	struct request r = REQUEST(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg msg = {.ifi_family = AF_UNSPEC};
	const uint32_t value[4] = {l->value};
	struct nlattr *info, *data;

	put(&r, &msg, sizeof(msg));
	put_attr(&r, IFLA_IFNAME, name, strlen(name) + 1);
	if (below)
		put_attr(&r, IFLA_LINK, &below, sizeof(below));
	info = put_attr(&r, IFLA_LINKINFO, NULL, 0);
	put_attr(&r, IFLA_INFO_KIND, l->kind, strlen(l->kind) + 1);
	if (l->attr) {
		data = put_attr(&r, IFLA_INFO_DATA, NULL, 0);
		put_attr(&r, l->attr, value, l->len);
		end_nest(&r, data);
	}
	end_nest(&r, info);
	return talk(NETLINK_ROUTE, &r);
}

static void dellink(const char *name)
{
	struct request r = REQUEST(RTM_DELLINK, 0);
	struct ifinfomsg msg = {.ifi_index = if_nametoindex(name)};

	put(&r, &msg, sizeof(msg));
	if (msg.ifi_index)
		talk(NETLINK_ROUTE, &r);
}

static int add_link(long link, long unused)
{
	const struct link *l = (const struct link *)link;
	char name[IFNAMSIZ];
	int i, ret = netns();

	if (ret)
		return ret;
	snprintf(name, sizeof(name), "p-%s", l->kind);
	/* dummy, veth or bridge, which one the kernel has */
	for (i = 0; l->below && i < 3 && newlink(&links[i], "below", 0); i++)
		;
	ret = newlink(l, name, l->below ? if_nametoindex("below") : 0);
	dellink(name);
	dellink("below");
	return ret;
}

static int tun(long flags, long unused)
{
	struct ifreq ifr = {.ifr_name = "probe0", .ifr_flags = flags};
	int fd, ret = scratch();

	if (!ret)
		ret = netns();
	if (ret)
		return ret;
	fd = open_misc("/dev/net/tun", 200);
	return err(fd < 0 ? fd : ioctl(fd, TUNSETIFF, &ifr));
}

static int add_rule(long family, long unused)
{
	struct request r = REQUEST(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
	struct fib_rule_hdr msg = {.family = family, .table = 100, .action = FR_ACT_TO_TBL};
	int ret = netns();

	put(&r, &msg, sizeof(msg));
	return ret ? ret : talk(NETLINK_ROUTE, &r);
}

static int add_route(long family, long table)
{
	struct request r = REQUEST(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg msg = {.rtm_family = family,
			    .rtm_dst_len = 16,
			    .rtm_protocol = RTPROT_BOOT,
			    .rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
			    .rtm_type = RTN_UNICAST};
	const uint8_t to[16] = {10, 99};
	int lo = 1, ret = netns();

	put(&r, &msg, sizeof(msg));
	put_attr(&r, RTA_DST, to, family == AF_INET ? 4 : 16);
	put_attr(&r, RTA_OIF, &lo, sizeof(lo));
	put_attr(&r, RTA_TABLE, &table, 4);
	return ret ? ret : talk(NETLINK_ROUTE, &r);
}

static const struct qdisc {
	const char *kind;
	uint32_t parent;
	int attr; /* of the options; or they are the data itself */
	const void *data;
	int len;
} qdiscs[] = {
	{"fq_codel", TC_H_ROOT, 0, NULL, 0},
	{"fq", TC_H_ROOT, 0, NULL, 0},
	{"codel", TC_H_ROOT, 0, NULL, 0},
	{"cake", TC_H_ROOT, 0, NULL, 0},
	{"sfq", TC_H_ROOT, 0, NULL, 0},
	{"pfifo", TC_H_ROOT, 0, NULL, 0},
	{"ingress", TC_H_INGRESS, 0, NULL, 0},
	{"clsact", TC_H_CLSACT, 0, NULL, 0},
	{"netem", TC_H_ROOT, 0, OBJ(struct tc_netem_qopt, .latency = 1000, .limit = 100)},
	{"prio", TC_H_ROOT, 0, OBJ(struct tc_prio_qopt, .bands = 3)},
	{"htb", TC_H_ROOT, TCA_HTB_INIT, OBJ(struct tc_htb_glob, .version = 3, .rate2quantum = 10)},
	{"tbf", TC_H_ROOT, TCA_TBF_PARMS,
	 OBJ(struct tc_tbf_qopt, .rate = {.linklayer = TC_LINKLAYER_ETHERNET, .rate = 1000000},
	     .limit = 100000, .buffer = 1000000)},
};

static int add_qdisc(long qdisc, long unused)
{
	struct request r = REQUEST(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
	const struct qdisc *q = (const struct qdisc *)qdisc;
	struct tcmsg msg = {.tcm_ifindex = 1, .tcm_parent = q->parent, .tcm_handle = 0x10000};
	int ret = netns();
	struct nlattr *nest;

	if (q->parent != TC_H_ROOT)
		msg.tcm_handle = 0xffff0000;
	put(&r, &msg, sizeof(msg));
	put_attr(&r, TCA_KIND, q->kind, strlen(q->kind) + 1);
	if (q->attr) {
		nest = put_attr(&r, TCA_OPTIONS, NULL, 0);
		put_attr(&r, q->attr, q->data, q->len);
		end_nest(&r, nest);
	} else if (q->len) {
		put_attr(&r, TCA_OPTIONS, q->data, q->len);
	}
	if (!ret)
		ret = talk(NETLINK_ROUTE, &r);
	if (!ret) {
		r.h.nlmsg_type = RTM_DELQDISC;
		r.h.nlmsg_flags = NLM_F_REQUEST;
		talk(NETLINK_ROUTE, &r);
	}
	return ret;
}

static const struct test tests[] = {
	{"netlink/nf-conntrack", nfnetlink, NFNL_SUBSYS_CTNETLINK << 8 | 1, NLM_F_DUMP},
	{"netlink/nf-conntrack-expect", nfnetlink, NFNL_SUBSYS_CTNETLINK_EXP << 8 | 1, NLM_F_DUMP},
	{"netlink/nf-queue", nfnetlink, NFNL_SUBSYS_QUEUE << 8 | 2, 0},
	{"netlink/nf-log", nfnetlink, NFNL_SUBSYS_ULOG << 8 | 1, 0},
	{"netlink/nf-ipset", nfnetlink, NFNL_SUBSYS_IPSET << 8 | 1, 0},
	{"netlink/nf-acct", nfnetlink, NFNL_SUBSYS_ACCT << 8 | 1, NLM_F_DUMP},
	{"netlink/nf-conntrack-timeout", nfnetlink, NFNL_SUBSYS_CTNETLINK_TIMEOUT << 8 | 1,
	 NLM_F_DUMP},
	{"netlink/nf-conntrack-helper", nfnetlink, NFNL_SUBSYS_CTHELPER << 8 | 1, NLM_F_DUMP},
	{"netlink/nf-tables", nfnetlink, NFNL_SUBSYS_NFTABLES << 8 | 16, 0},
	{"netlink/nf-hook", nfnetlink, 12 << 8, NLM_F_DUMP},
	{"netlink/diag-tcp4", sock_diag, AF_INET, IPPROTO_TCP},
	{"netlink/diag-tcp6", sock_diag, AF_INET6, IPPROTO_TCP},
	{"netlink/diag-udp4", sock_diag, AF_INET, IPPROTO_UDP},
	{"netlink/diag-raw4", sock_diag, AF_INET, IPPROTO_RAW},
	{"netlink/diag-unix", sock_diag, AF_UNIX, 0},
	{"netlink/diag-packet", sock_diag, AF_PACKET, 0},
	{"netlink/diag-netlink", sock_diag, AF_NETLINK, 0},
	{"netlink/diag-vsock", sock_diag, AF_VSOCK, 0},
	{"link/tun", tun, IFF_TUN | IFF_NO_PI, 0},
	{"link/tap", tun, IFF_TAP | IFF_NO_PI, 0},
	{"link/tap-vnet-multiqueue", tun, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE, 0},
	{"link/tap-napi-frags", tun, IFF_TAP | IFF_NO_PI | IFF_NAPI | IFF_NAPI_FRAGS, 0},
	{"rule/ipv4", add_rule, AF_INET, 0},
	{"rule/ipv6", add_rule, AF_INET6, 0},
	{"route/ipv4", add_route, AF_INET, RT_TABLE_MAIN},
	{"route/ipv6", add_route, AF_INET6, RT_TABLE_MAIN},
	{"route/ipv4-table-1000", add_route, AF_INET, 1000},
	{"route/ipv6-table-1000", add_route, AF_INET6, 1000},
};

void probe_netlink(enum pass pass)
{
	unsigned int i;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	if (pass != FIRST)
		return;
	for (i = 0; i < ARRAY_SIZE(links); i++)
		probe(fmt("link/%s", links[i].kind), add_link, P(&links[i]), 0);
	for (i = 0; i < ARRAY_SIZE(qdiscs); i++)
		probe(fmt("qdisc/%s", qdiscs[i].kind), add_qdisc, P(&qdiscs[i]), 0);
}
