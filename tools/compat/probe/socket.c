// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which sockets there are: of each family and type, with the protocols that can be had, and
 * the algorithms of AF_ALG.  Making a socket is what has a module loaded, so that shows all
 * that the kernel would offer.
 */
#include "probe.h"
#include <linux/if_alg.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const char family_names[] =
	"UNIX INET AX25 IPX APPLETALK NETROM BRIDGE ATMPVC X25 INET6 ROSE DECnet NETBEUI "
	"SECURITY KEY NETLINK PACKET ASH ECONET ATMSVC RDS SNA IRDA PPPOX WANPIPE LLC IB MPLS "
	"CAN TIPC BLUETOOTH IUCV RXRPC ISDN PHONET IEEE802154 CAIF ALG NFC VSOCK KCM QIPCRTR "
	"SMC XDP MCTP";

static const struct call calls[] = {
	{"socket/INET-STREAM-SCTP", 0, SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}},
	{"socket/INET-SEQPACKET-SCTP", 0, SYS_socket, {AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP}},
	{"socket/INET-STREAM-MPTCP", 0, SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_MPTCP}},
	{"socket/INET-DGRAM-UDPLITE", 0, SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE}},
	{"socket/INET6-DGRAM-UDPLITE", 0, SYS_socket, {AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE}},
	{"socket/INET-DCCP", 0, SYS_socket, {AF_INET, 6 /* SOCK_DCCP */, IPPROTO_DCCP}},
	{"socket/INET-DGRAM-ICMP", 0, SYS_socket, {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}},
	{"socket/INET6-DGRAM-ICMPV6", 0, SYS_socket, {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6}},
	{"socket/INET-RAW-ICMP", 0, SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
	{"socket/INET-RAW-RAW", 0, SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_RAW}},
	{"socket/INET6-RAW-ICMPV6", 0, SYS_socket, {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}},
	{"socket/PACKET-RAW-ALL", 0, SYS_socket, {AF_PACKET, SOCK_RAW, 0x0300}},
	{"socket/PACKET-DGRAM-ALL", 0, SYS_socket, {AF_PACKET, SOCK_DGRAM, 0x0300}},
	{"socket/CAN-RAW-RAW", 0, SYS_socket, {AF_CAN, SOCK_RAW, 1}},
	{"socket/CAN-DGRAM-BCM", 0, SYS_socket, {AF_CAN, SOCK_DGRAM, 2}},
};

static const struct sockaddr_alg algs[] = {
	{AF_ALG, "hash", 0, 0, "sha256"},	{AF_ALG, "hash", 0, 0, "hmac(sha256)"},
	{AF_ALG, "hash", 0, 0, "crc32c"},	{AF_ALG, "skcipher", 0, 0, "cbc(aes)"},
	{AF_ALG, "skcipher", 0, 0, "xts(aes)"}, {AF_ALG, "skcipher", 0, 0, "chacha20"},
	{AF_ALG, "aead", 0, 0, "gcm(aes)"},	{AF_ALG, "rng", 0, 0, "stdrng"},
};

static int alg_bind(long alg, long unused)
{
	int fd = socket(AF_ALG, SOCK_SEQPACKET, 0);

	return err(fd < 0 ? fd : bind(fd, (void *)alg, sizeof(algs[0])));
}

void probe_sockets(void)
{
	static const char *const types[] = {"", "STREAM", "DGRAM", "RAW", "", "SEQPACKET"};
	char *names = strdup(family_names), *save, *name;
	int family, type;
	unsigned int i;

	name = strtok_r(names, " ", &save);
	for (family = 1; name; name = strtok_r(NULL, " ", &save), family++)
		for (type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++)
			if (*types[type])
				CALL(fmt("socket/%s-%s", name, types[type]), 0, SYS_socket, family,
				     type);
	free(names);
	run_calls(calls, ARRAY_SIZE(calls));
	for (i = 0; i <= 22; i++)
		CALL(fmt("socket/NETLINK-RAW-%u", i), 0, SYS_socket, AF_NETLINK, SOCK_RAW, i);
	for (i = 0; i < ARRAY_SIZE(algs); i++)
		probe(fmt("socket/ALG-%s-%s", algs[i].salg_type, algs[i].salg_name), alg_bind,
		      P(&algs[i]), 0);
}
