#include "runtime/net/announce.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { ADVERTISEMENT_HOPS = 255 }; /* others are ignored: RFC 4861, 7.1.2 */

static int failed(const char *device, struct error *err)
{
	return error_set(err, ERROR_NETWORK, "announcing the VE's address on %s: %s", device,
			 strerror(errno));
}

static int find_mac(int socket, const char *device, uint8_t mac[ETH_ALEN])
{
	struct ifreq request;
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, device, strnlen(device, IF_NAMESIZE - 1));
	if (ioctl(socket, SIOCGIFHWADDR, &request) < 0)
		return -1;
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	return 0;
}

/* A question that the asker answers himself: everybody who knows the address notes where it is. */
static int announce_v4(const char *device, const struct in_addr *address, struct error *err)
{
	struct ether_arp packet = {
		.ea_hdr = {
			.ar_hrd = htons(ARPHRD_ETHER),
			.ar_pro = htons(ETHERTYPE_IP),
			.ar_hln = ETH_ALEN,
			.ar_pln = sizeof(*address),
			.ar_op = htons(ARPOP_REQUEST),
		},
	};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_ARP),
		.sll_ifindex = (int)if_nametoindex(device),
		.sll_halen = ETH_ALEN,
	};
	autoclose int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || find_mac(fd, device, packet.arp_sha) < 0)
		return failed(device, err);
	memset(to.sll_addr, 0xff, ETH_ALEN);
	memcpy(packet.arp_spa, address, sizeof(packet.arp_spa));
	memcpy(packet.arp_tpa, address, sizeof(packet.arp_tpa));
	if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return failed(device, err);
	return 0;
}

/* The kernel adds the checksum of a raw ICMPv6 socket. */
static int announce_v6(const char *device, const struct in6_addr *address, struct error *err)
{
	struct {
		struct nd_neighbor_advert advert;
		struct nd_opt_hdr option;
		uint8_t mac[ETH_ALEN];
	} packet;
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_addr = { .s6_addr = { 0xff, 0x02, [15] = 1 } }, /* all nodes of the link */
		.sin6_scope_id = if_nametoindex(device),
	};
	int hops = ADVERTISEMENT_HOPS;
	autoclose int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	memset(&packet, 0, sizeof(packet));
	packet.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
	packet.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	packet.advert.nd_na_target = *address;
	packet.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
	packet.option.nd_opt_len = 1; /* of 8 bytes */
	if (fd < 0 || find_mac(fd, device, packet.mac) < 0 ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return failed(device, err);
	return 0;
}

int announce(const char *device, const struct address *address, struct error *err)
{
	return address->family == AF_INET ? announce_v4(device, &address->v4, err)
					  : announce_v6(device, &address->v6, err);
}
