#include "runtime/net/venet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/net/guard.h"
#include "runtime/net/link.h"
#include "runtime/net/netlink.h"

#define INSIDE "venet0"

static size_t address_size(const struct address *address)
{
	return address->family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}

static uint8_t whole_prefix(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* ---- settings of the host for one device ----------------------------------------------------------------- */

static const struct {
	int family;
	const char *name, *value;
	bool needed;
} settings[] = {
	{ 4, "rp_filter", "1", true },         { 4, "forwarding", "1", true },
	{ 4, "proxy_arp", "0", true },         { 4, "send_redirects", "0", true },
	{ 4, "accept_redirects", "0", true },  { 4, "accept_source_route", "0", true },
	{ 6, "accept_ra", "0", false },        { 6, "accept_redirects", "0", false },
	{ 6, "forwarding", "1", false },       { 6, "autoconf", "0", false },
	{ 6, "force_forwarding", "1", false },
};

static int set_settings(const char *name, struct error *err)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (!link_set_setting(settings[i].family, name, settings[i].name,
				      settings[i].value) &&
		    settings[i].needed)
			return error_set(err, ERROR_NETWORK, "setting %s of %s to %s: %s",
					 settings[i].name, name, settings[i].value,
					 strerror(errno));
	return 0;
}

/* ---- the pair ------------------------------------------------------------------------------------------------ */

/* Locally administered, not multicast (IEEE 802). */
static int random_mac(uint8_t mac[LINK_MAC_SIZE], struct error *err)
{
	if (getrandom(mac, LINK_MAC_SIZE, 0) != LINK_MAC_SIZE)
		return error_errno(err, errno, "getting random bytes");
	mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02);
	return 0;
}

/* Both ends have one MAC and no ARP: without it the kernel writes its own MAC as the destination. */
int venet_create(const char *name, int netns, struct error *err)
{
	uint8_t mac[LINK_MAC_SIZE];
	const struct link_end here = { name, mac }, there = { INSIDE, mac };
	autoclose int socket = netlink_open(err);
	if (socket < 0 || random_mac(mac, err) < 0 ||
	    link_create_pair(socket, &here, &there, netns, IFF_NOARP, err) < 0)
		return -1;
	/* Guarded before it is up, so that no packet passes in between. */
	if (guard_set(socket, (int)if_nametoindex(name), NULL, 0, err) == 0 &&
	    set_settings(name, err) == 0 && link_up(socket, name, false, err) == 0)
		return 0;
	link_remove(name, NULL);
	return -1;
}

/* ---- routes and addresses -------------------------------------------------------------------------------------- */

static int change_route(int socket, uint16_t type, const struct address *address, int device,
			uint8_t scope)
{
	struct netlink_request request;
	struct rtmsg body = {
		.rtm_family = (uint8_t)address->family,
		.rtm_dst_len = whole_prefix(address->family),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = scope,
		.rtm_type = RTN_UNICAST,
	};
	netlink_begin(&request, type, type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		      &body, sizeof(body));
	netlink_add(&request, RTA_DST, &address->v6, address_size(address));
	netlink_add_u32(&request, RTA_OIF, (uint32_t)device);
	return netlink_ask(socket, &request);
}

/* Addresses that a dump has found. */
struct found {
	int device;
	struct address *items;
	size_t count, capacity;
};

static void found_add(struct found *found, int family, const void *bytes, size_t size)
{
	struct address address = { .family = family, .prefix = whole_prefix(family) };
	if (size != address_size(&address))
		return;
	memcpy(&address.v6, bytes, size);
	found->items = xgrow(found->items, found->count, &found->capacity, sizeof(*found->items));
	found->items[found->count++] = address;
}

static int keep_route(const struct nlmsghdr *message, void *data)
{
	struct found *found = data;
	struct rtmsg body;
	size_t size, device_size;
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const void *to = netlink_find(message, sizeof(body), RTA_DST, &size);
	const void *device = netlink_find(message, sizeof(body), RTA_OIF, &device_size);
	int number = 0;
	if (!to || !device || body.rtm_table != RT_TABLE_MAIN || body.rtm_type != RTN_UNICAST ||
	    body.rtm_dst_len != whole_prefix(body.rtm_family))
		return 0;
	memcpy(&number, device, sizeof(number));
	if (number == found->device)
		found_add(found, body.rtm_family, to, size);
	return 0;
}

static int find_routes(int socket, struct found *found, struct error *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < 2; i++) {
		struct netlink_request request;
		struct rtmsg body = { .rtm_family = families[i], .rtm_table = RT_TABLE_MAIN };
		netlink_begin(&request, RTM_GETROUTE, 0, &body, sizeof(body));
		if (netlink_dump(socket, &request, keep_route, found, err) < 0)
			return -1;
	}
	return 0;
}

static bool contains(const struct address *addresses, size_t count, const struct address *one)
{
	for (size_t i = 0; i < count; i++)
		if (address_equal(&addresses[i], one))
			return true;
	return false;
}

static int set_routes(int socket, int device, const char *name, const struct address *addresses,
		      size_t count, struct error *err)
{
	struct found there = { .device = device };
	int result = find_routes(socket, &there, err);
	for (size_t i = 0; i < there.count && result == 0; i++)
		if (!contains(addresses, count, &there.items[i]))
			change_route(socket, RTM_DELROUTE, &there.items[i], device, RT_SCOPE_LINK);
	for (size_t i = 0; i < count && result == 0; i++) {
		int number =
			change_route(socket, RTM_NEWROUTE, &addresses[i], device, RT_SCOPE_LINK);
		autofree char *text = address_text(&addresses[i]);
		if (number)
			result = error_set(err, ERROR_NETWORK, "setting the route to %s by %s: %s",
					   text, name, strerror(number));
	}
	free(there.items);
	return result;
}

int venet_allow(const char *name, const struct address *addresses, size_t count, struct error *err)
{
	autoclose int socket = netlink_open(err);
	int device = (int)if_nametoindex(name);
	if (socket < 0)
		return -1;
	if (!device)
		return netlink_failed(errno, err, "finding the VE's device", name);
	if (guard_set(socket, device, addresses, count, err) < 0)
		return -1;
	return set_routes(socket, device, name, addresses, count, err);
}

/* ---- in the VE ------------------------------------------------------------------------------------------------------ */

static int change_address(int socket, uint16_t type, const struct address *address, int device)
{
	struct netlink_request request;
	struct ifaddrmsg body = {
		.ifa_family = (uint8_t)address->family,
		.ifa_prefixlen = whole_prefix(address->family),
		.ifa_index = (unsigned)device,
	};
	netlink_begin(&request, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_REPLACE : 0, &body,
		      sizeof(body));
	netlink_add(&request, IFA_LOCAL, &address->v6, address_size(address));
	netlink_add(&request, IFA_ADDRESS, &address->v6, address_size(address));
	/* There is nobody on this link who could have it too. */
	if (address->family == AF_INET6)
		netlink_add_u32(&request, IFA_FLAGS, IFA_F_NODAD);
	return netlink_ask(socket, &request);
}

static int keep_address(const struct nlmsghdr *message, void *data)
{
	struct found *found = data;
	struct ifaddrmsg body;
	size_t size;
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const void *local = netlink_find(message, sizeof(body), IFA_LOCAL, &size);
	if (!local)
		local = netlink_find(message, sizeof(body), IFA_ADDRESS, &size);
	if (local && (!found->device || (int)body.ifa_index == found->device))
		found_add(found, body.ifa_family, local, size);
	return 0;
}

static int find_addresses(int socket, struct found *found, struct error *err)
{
	struct netlink_request request;
	struct ifaddrmsg body = { .ifa_family = AF_UNSPEC };
	netlink_begin(&request, RTM_GETADDR, 0, &body, sizeof(body));
	return netlink_dump(socket, &request, keep_address, found, err);
}

static int set_addresses(int socket, int device, const struct address *addresses, size_t count,
			 struct error *err)
{
	struct found there = { .device = device };
	int result = find_addresses(socket, &there, err);
	for (size_t i = 0; i < there.count && result == 0; i++)
		if (!contains(addresses, count, &there.items[i]))
			change_address(socket, RTM_DELADDR, &there.items[i], device);
	for (size_t i = 0; i < count && result == 0; i++) {
		autofree char *text = address_text(&addresses[i]);
		int number = change_address(socket, RTM_NEWADDR, &addresses[i], device);
		if (number)
			result = netlink_failed(number, err, "giving the VE the address", text);
	}
	free(there.items);
	return result;
}

/* The first address of a family is what packets leave with. */
static int set_default(int socket, int family, int device, const struct address *addresses,
		       size_t count, struct error *err)
{
	struct netlink_request request;
	struct rtmsg body = {
		.rtm_family = (uint8_t)family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_scope = RT_SCOPE_LINK,
		.rtm_type = RTN_UNICAST,
	};
	const struct address *first = NULL;
	for (size_t i = count; i-- > 0;)
		if (addresses[i].family == family)
			first = &addresses[i];
	if (!first)
		return 0;
	netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
	netlink_add_u32(&request, RTA_OIF, (uint32_t)device);
	netlink_add(&request, RTA_PREFSRC, &first->v6, address_size(first));
	int number = netlink_ask(socket, &request);
	return number ? netlink_failed(number, err, "setting the default route by", INSIDE) : 0;
}

int venet_configure_inside(const struct address *addresses, size_t count, struct error *err)
{
	autoclose int socket = netlink_open(err);
	int device = (int)if_nametoindex(INSIDE);
	if (socket < 0 || link_up(socket, "lo", false, err) < 0)
		return -1;
	if (!device)
		return count ? error_set(err, ERROR_NETWORK, "the VE has no device " INSIDE) : 0;
	if (link_up(socket, INSIDE, false, err) < 0 ||
	    set_addresses(socket, device, addresses, count, err) < 0 ||
	    set_default(socket, AF_INET, device, addresses, count, err) < 0)
		return -1;
	return set_default(socket, AF_INET6, device, addresses, count, err);
}

/* ---- what is in use --------------------------------------------------------------------------------------------------- */

struct wanted {
	const struct address *address;
	const char *own_name;
	char *where;
};

static int is_hosts(const struct nlmsghdr *message, void *data)
{
	struct wanted *wanted = data;
	struct found one = { 0 };
	struct ifaddrmsg body;
	char name[IF_NAMESIZE] = "?";
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	keep_address(message, &one);
	bool same = one.count && address_equal(&one.items[0], wanted->address);
	free(one.items);
	if (!same)
		return 0;
	wanted->where = xasprintf("it is the host's own, on %s",
				  if_indextoname(body.ifa_index, name) ?: "?");
	return 1;
}

static int is_routed(const struct nlmsghdr *message, void *data)
{
	struct wanted *wanted = data;
	struct found one = { 0 };
	struct rtmsg body;
	size_t size;
	char name[IF_NAMESIZE];
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const void *device = netlink_find(message, sizeof(body), RTA_OIF, &size);
	if (!device)
		return 0;
	memcpy(&one.device, device, sizeof(one.device));
	keep_route(message, &one);
	bool same = one.count && address_equal(&one.items[0], wanted->address);
	free(one.items);
	if (!same || !if_indextoname((unsigned)one.device, name) ||
	    (wanted->own_name && !strcmp(name, wanted->own_name)))
		return 0;
	wanted->where = xasprintf("the host has a route to it by %s", name);
	return 1;
}

int venet_address_used(const struct address *address, const char *own_name, char **where,
		       struct error *err)
{
	struct netlink_request request;
	struct wanted wanted = { .address = address, .own_name = own_name };
	struct ifaddrmsg addresses = { .ifa_family = (uint8_t)address->family };
	struct rtmsg routes = { .rtm_family = (uint8_t)address->family };
	autoclose int socket = netlink_open(err);
	if (socket < 0)
		return -1;
	netlink_begin(&request, RTM_GETADDR, 0, &addresses, sizeof(addresses));
	int used = netlink_dump(socket, &request, is_hosts, &wanted, err);
	if (used == 0) {
		netlink_begin(&request, RTM_GETROUTE, 0, &routes, sizeof(routes));
		used = netlink_dump(socket, &request, is_routed, &wanted, err);
	}
	*where = wanted.where;
	return used;
}

bool venet_host_forwards(int family)
{
	char value = '0';
	autoclose int fd = open(family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
						  : "/proc/sys/net/ipv6/conf/all/forwarding",
				O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &value, 1) == 1 && value != '0';
}
