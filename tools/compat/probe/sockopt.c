// SPDX-License-Identifier: GPL-2.0-only
/*
 * What sockets can do.  Most options are set on a new socket, and that is all: whether the
 * kernel knows them takes no peer.  Connected pairs pass a byte, since a socket that can be
 * made is not yet one that works.
 */
#include "probe.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif

static const struct sockopt {
	const char *name;
	short family, type, proto;
	int level, opt;
	const void *val;
	socklen_t len;
} sockopts[] = {
#define T4     AF_INET, SOCK_STREAM, 0
#define U4     AF_INET, SOCK_DGRAM, 0
#define U6     AF_INET6, SOCK_DGRAM, 0
#define PK     AF_PACKET, SOCK_RAW, 0x0300
#define INT(v) &(const int){v}, sizeof(int)
#define STR(s) s, sizeof(s) - 1
	{"SO_REUSEADDR", T4, SOL_SOCKET, SO_REUSEADDR, INT(1)},
	{"SO_REUSEPORT", T4, SOL_SOCKET, SO_REUSEPORT, INT(1)},
	{"SO_KEEPALIVE", T4, SOL_SOCKET, SO_KEEPALIVE, INT(1)},
	{"SO_ATTACH_FILTER", U4, SOL_SOCKET, SO_ATTACH_FILTER, &accept_prog, sizeof(accept_prog)},
	{"SO_BINDTODEVICE", T4, SOL_SOCKET, SO_BINDTODEVICE, STR("lo")},
	{"SO_MARK", T4, SOL_SOCKET, SO_MARK, INT(1)},
	{"SO_PRIORITY", T4, SOL_SOCKET, SO_PRIORITY, INT(6)},
	{"SO_RCVBUFFORCE", T4, SOL_SOCKET, SO_RCVBUFFORCE, INT(1 << 20)},
	{"SO_TIMESTAMP", U4, SOL_SOCKET, SO_TIMESTAMP, INT(1)},
	{"SO_TIMESTAMPING", U4, SOL_SOCKET, SO_TIMESTAMPING,
	 INT(SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE)},
	{"SO_TIMESTAMPING-tx", U4, SOL_SOCKET, SO_TIMESTAMPING,
	 INT(SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_OPT_ID)},
	{"SO_TXTIME", U4, SOL_SOCKET, SO_TXTIME, OBJ(struct sock_txtime, CLOCK_MONOTONIC, 0)},
	{"SO_BUSY_POLL", U4, SOL_SOCKET, SO_BUSY_POLL, INT(1)},
	{"SO_PREFER_BUSY_POLL", U4, SOL_SOCKET, SO_PREFER_BUSY_POLL, INT(1)},
	{"SO_ZEROCOPY", T4, SOL_SOCKET, SO_ZEROCOPY, INT(1)},
	{"SO_INCOMING_CPU", T4, SOL_SOCKET, SO_INCOMING_CPU, INT(0)},
	{"SO_MAX_PACING_RATE", T4, SOL_SOCKET, SO_MAX_PACING_RATE, INT(1 << 20)},
	{"SO_RXQ_OVFL", U4, SOL_SOCKET, SO_RXQ_OVFL, INT(1)},
	{"SO_WIFI_STATUS", U4, SOL_SOCKET, SO_WIFI_STATUS, INT(1)},
	{"SO_PASSCRED", AF_UNIX, SOCK_DGRAM, 0, SOL_SOCKET, SO_PASSCRED, INT(1)},
	{"SO_PASSSEC", AF_UNIX, SOCK_DGRAM, 0, SOL_SOCKET, SO_PASSSEC, INT(1)},
	{"SO_PASSPIDFD", AF_UNIX, SOCK_DGRAM, 0, SOL_SOCKET, SO_PASSPIDFD, INT(1)},
	{"TCP_CONGESTION-cubic", T4, SOL_TCP, TCP_CONGESTION, STR("cubic")},
	{"TCP_CONGESTION-reno", T4, SOL_TCP, TCP_CONGESTION, STR("reno")},
	{"TCP_CONGESTION-bbr", T4, SOL_TCP, TCP_CONGESTION, STR("bbr")},
	{"TCP_CONGESTION-dctcp", T4, SOL_TCP, TCP_CONGESTION, STR("dctcp")},
	{"TCP_FASTOPEN", T4, SOL_TCP, TCP_FASTOPEN, INT(5)},
	{"TCP_FASTOPEN_CONNECT", T4, SOL_TCP, TCP_FASTOPEN_CONNECT, INT(1)},
	{"TCP_DEFER_ACCEPT", T4, SOL_TCP, TCP_DEFER_ACCEPT, INT(1)},
	{"TCP_USER_TIMEOUT", T4, SOL_TCP, TCP_USER_TIMEOUT, INT(1000)},
	{"TCP_REPAIR", T4, SOL_TCP, TCP_REPAIR, INT(1)},
	{"TCP_MD5SIG", T4, SOL_TCP, TCP_MD5SIG,
	 OBJ(struct tcp_md5sig, .tcpm_addr = {.ss_family = AF_INET}, .tcpm_keylen = 3,
	     .tcpm_key = "key")},
	{"IP_TRANSPARENT", T4, SOL_IP, IP_TRANSPARENT, INT(1)},
	{"IP_FREEBIND", T4, SOL_IP, IP_FREEBIND, INT(1)},
	{"IP_RECVERR", U4, SOL_IP, IP_RECVERR, INT(1)},
	{"IP_PKTINFO", U4, SOL_IP, IP_PKTINFO, INT(1)},
	{"IP_MTU_DISCOVER", U4, SOL_IP, IP_MTU_DISCOVER, INT(IP_PMTUDISC_DO)},
	{"IP_ADD_MEMBERSHIP", U4, SOL_IP, IP_ADD_MEMBERSHIP,
	 OBJ(struct ip_mreqn, .imr_multiaddr = {0x010101e1}, .imr_ifindex = 1)},
	{"MRT_INIT", AF_INET, SOCK_RAW, IPPROTO_IGMP, SOL_IP, 200, INT(1)},
	{"IPV6_V6ONLY", U6, SOL_IPV6, IPV6_V6ONLY, INT(1)},
	{"IPV6_RECVPKTINFO", U6, SOL_IPV6, IPV6_RECVPKTINFO, INT(1)},
	{"IPV6_TRANSPARENT", U6, SOL_IPV6, IPV6_TRANSPARENT, INT(1)},
	{"IPV6_JOIN_GROUP", U6, SOL_IPV6, IPV6_JOIN_GROUP,
	 OBJ(struct ipv6_mreq, .ipv6mr_multiaddr.s6_addr = {0xff, 2, [15] = 0x77},
	     .ipv6mr_interface = 1)},
	{"UDP_SEGMENT", U4, SOL_UDP, UDP_SEGMENT, INT(1000)},
	{"UDP_GRO", U4, SOL_UDP, UDP_GRO, INT(1)},
	{"UDP_ENCAP-espinudp", U4, SOL_UDP, UDP_ENCAP, INT(UDP_ENCAP_ESPINUDP)},
	{"PACKET_RX_RING", PK, SOL_PACKET, PACKET_RX_RING,
	 OBJ(struct tpacket_req, 4096, 1, 2048, 2)},
	{"PACKET_TX_RING", PK, SOL_PACKET, PACKET_TX_RING,
	 OBJ(struct tpacket_req, 4096, 1, 2048, 2)},
	{"PACKET_FANOUT", PK, SOL_PACKET, PACKET_FANOUT, INT(1)},
	{"PACKET_AUXDATA", PK, SOL_PACKET, PACKET_AUXDATA, INT(1)},
	{"PACKET_VNET_HDR", PK, SOL_PACKET, PACKET_VNET_HDR, INT(1)},
};

static int do_sockopt(long opt, long unused)
{
	const struct sockopt *o = (const struct sockopt *)opt;
	int fd, ret = netns();

	if (ret)
		return ret;
	fd = socket(o->family, o->type, o->proto);
	return err(fd < 0 ? fd : setsockopt(fd, o->level, o->opt, o->val, o->len));
}

/* A connected pair over loopback; the server's socket is sv[1]. */
static int connected(int sv[2], int family, int type, int proto)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_vm vm;
		struct sockaddr_un un;
	} addr = {.sa.sa_family = family};
	socklen_t len = sizeof(sa_family_t);
	int ret = netns();

	if (ret)
		return ret;
	switch (family) {
	case AF_INET:
		addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		len = sizeof(addr.in);
		break;
	case AF_INET6:
		addr.in6.sin6_addr = in6addr_loopback;
		len = sizeof(addr.in6);
		break;
	case AF_VSOCK:
		addr.vm.svm_cid = VMADDR_CID_LOCAL;
		addr.vm.svm_port = VMADDR_PORT_ANY;
		len = sizeof(addr.vm);
		break;
	}
	sv[0] = socket(family, type, proto);
	sv[1] = socket(family, type, proto);
	if (sv[0] < 0 || sv[1] < 0 || bind(sv[1], &addr.sa, len))
		return -errno;
	len = sizeof(addr);
	if ((type != SOCK_DGRAM && listen(sv[1], 1)) || getsockname(sv[1], &addr.sa, &len) ||
	    connect(sv[0], &addr.sa, len))
		return -errno;
	if (type != SOCK_DGRAM)
		sv[1] = accept(sv[1], NULL, NULL);
	return err(sv[1]);
}

static int exchange(long family, long type_proto)
{
	int sv[2], ret = connected(sv, family, type_proto & 0xff, type_proto >> 8);
	char c = 'x';

	if (ret)
		return ret;
	if (send(sv[0], &c, 1, 0) != 1 || recv(sv[1], &c, 1, 0) != 1)
		return -errno;
	return 0;
}

static int tcp_ulp(long name, long unused)
{
	int sv[2], ret = connected(sv, AF_INET, SOCK_STREAM, 0);

	return ret ? ret
		   : err(setsockopt(sv[0], SOL_TCP, TCP_ULP, (void *)name, strlen((char *)name)));
}

static int scm_rights(long type, long unused)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} c = {.h = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, sizeof(c), 0};
	int sv[2];

	if (socketpair(AF_UNIX, type, 0, sv))
		return -errno;
	memcpy(CMSG_DATA(&c.h), &sv[0], sizeof(int));
	if (sendmsg(sv[0], &msg, 0) != 1)
		return -errno;
	memset(&c, 0, sizeof(c));
	if (recvmsg(sv[1], &msg, 0) != 1)
		return -errno;
	return c.h.cmsg_type == SCM_RIGHTS ? 0 : -ENOMSG;
}

static int peer(long opt, long unused)
{
	socklen_t len = sizeof(longs);
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		return -errno;
	return err(getsockopt(sv[0], SOL_SOCKET, opt, longs, &len));
}

/* *_SO_GET_INFO of {ip,ip6,arp,eb}tables, each with the size its structure has. */
static int xtables(long table, long what)
{
	static const struct {
		int family, level, opt;
		socklen_t len;
	} kinds[] = {
		{AF_INET, SOL_IP, 64, 84},
		{AF_INET6, SOL_IPV6, 64, 84},
		{AF_INET, SOL_IP, 96, 68},
		{AF_INET, SOL_IP, 128, 120},
	};
	char info[128] = "";
	socklen_t len = kinds[what].len;
	int fd, ret = netns();

	if (ret)
		return ret;
	strcpy(info, (char *)table);
	fd = socket(kinds[what].family, SOCK_RAW, IPPROTO_RAW);
	return err(fd < 0 ? fd : getsockopt(fd, kinds[what].level, kinds[what].opt, info, &len));
}

static const struct test tests[] = {
	{"sockopt/tcp4", exchange, AF_INET, SOCK_STREAM},
	{"sockopt/tcp6", exchange, AF_INET6, SOCK_STREAM},
	{"sockopt/udp4", exchange, AF_INET, SOCK_DGRAM},
	{"sockopt/udp6", exchange, AF_INET6, SOCK_DGRAM},
	{"sockopt/mptcp4", exchange, AF_INET, SOCK_STREAM | IPPROTO_MPTCP << 8},
	{"sockopt/sctp4", exchange, AF_INET, SOCK_STREAM | IPPROTO_SCTP << 8},
	{"sockopt/unix-stream", exchange, AF_UNIX, SOCK_STREAM},
	{"sockopt/unix-dgram", exchange, AF_UNIX, SOCK_DGRAM},
	{"sockopt/unix-seqpacket", exchange, AF_UNIX, SOCK_SEQPACKET},
	{"sockopt/vsock-local", exchange, AF_VSOCK, SOCK_STREAM},
	{"sockopt/SCM_RIGHTS-stream", scm_rights, SOCK_STREAM, 0},
	{"sockopt/SCM_RIGHTS-dgram", scm_rights, SOCK_DGRAM, 0},
	{"sockopt/SCM_RIGHTS-seqpacket", scm_rights, SOCK_SEQPACKET, 0},
	{"sockopt/SO_PEERCRED", peer, SO_PEERCRED, 0},
	{"sockopt/SO_PEERGROUPS", peer, SO_PEERGROUPS, 0},
	{"sockopt/SO_PEERSEC", peer, SO_PEERSEC, 0},
	{"sockopt/SO_PEERPIDFD", peer, SO_PEERPIDFD, 0},
	{"sockopt/TCP_ULP-tls", tcp_ulp, P("tls"), 0},
	{"sockopt/TCP_ULP-mptcp", tcp_ulp, P("mptcp"), 0},
	{"sockopt/iptables-filter", xtables, P("filter"), 0},
	{"sockopt/iptables-nat", xtables, P("nat"), 0},
	{"sockopt/iptables-mangle", xtables, P("mangle"), 0},
	{"sockopt/iptables-raw", xtables, P("raw"), 0},
	{"sockopt/ip6tables-filter", xtables, P("filter"), 1},
	{"sockopt/ip6tables-nat", xtables, P("nat"), 1},
	{"sockopt/arptables-filter", xtables, P("filter"), 2},
	{"sockopt/ebtables-filter", xtables, P("filter"), 3},
};

void probe_sockopts(enum pass pass)
{
	unsigned int i;

	if (pass == TESTS)
		run_tests(tests, ARRAY_SIZE(tests));
	if (pass != FIRST)
		return;
	for (i = 0; i < ARRAY_SIZE(sockopts); i++)
		probe(fmt("sockopt/%s", sockopts[i].name), do_sockopt, P(&sockopts[i]), 0);
}
