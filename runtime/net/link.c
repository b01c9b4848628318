#include "runtime/net/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/net/netlink.h"

_Static_assert((int)LINK_NAME_SIZE == (int)IF_NAMESIZE, "the kernel's names");

/* IFF_UP must not be asked for yet. */
static void build_pair(struct netlink_request *request, const struct link_end *here,
		       const struct link_end *there, int netns, unsigned flags)
{
	struct ifinfomsg ends = { .ifi_flags = flags, .ifi_change = flags };
	netlink_begin(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ends, sizeof(ends));
	netlink_add_text(request, IFLA_IFNAME, here->name);
	netlink_add(request, IFLA_ADDRESS, here->mac, LINK_MAC_SIZE);
	struct nlattr *info = netlink_nest(request, IFLA_LINKINFO);
	netlink_add_text(request, IFLA_INFO_KIND, "veth");
	struct nlattr *data = netlink_nest(request, IFLA_INFO_DATA);
	struct nlattr *peer = netlink_nest(request, VETH_INFO_PEER);
	/* The header of the other end stands in front of its attributes. */
	memcpy(request->bytes + request->header.nlmsg_len, &ends, sizeof(ends));
	request->header.nlmsg_len += (uint32_t)NLMSG_ALIGN(sizeof(ends));
	netlink_add_text(request, IFLA_IFNAME, there->name);
	netlink_add(request, IFLA_ADDRESS, there->mac, LINK_MAC_SIZE);
	netlink_add_u32(request, IFLA_NET_NS_FD, (uint32_t)netns);
	netlink_nest_end(request, peer);
	netlink_nest_end(request, data);
	netlink_nest_end(request, info);
}

int link_create_pair(int socket, const struct link_end *here, const struct link_end *there,
		     int netns, unsigned flags, struct error *err)
{
	struct netlink_request request;
	build_pair(&request, here, there, netns, flags);
	int number = netlink_ask(socket, &request);
	if (number == EEXIST)
		return error_set(err, ERROR_EXISTS, "there is a device %s already",
				 if_nametoindex(here->name) ? here->name : there->name);
	return number ? netlink_failed(number, err, "creating the VE's device", here->name) : 0;
}

int link_remove(const char *name, struct error *err)
{
	struct netlink_request request;
	struct ifinfomsg body = { 0 };
	autoclose int socket = netlink_open(err);
	if (socket < 0)
		return -1;
	netlink_begin(&request, RTM_DELLINK, 0, &body, sizeof(body));
	netlink_add_text(&request, IFLA_IFNAME, name);
	int number = netlink_ask(socket, &request);
	return number && number != ENODEV ? netlink_failed(number, err, "removing", name) : 0;
}

/* ---- one device ------------------------------------------------------------------------------------------------ */

static void begin_change_of(struct netlink_request *request, const char *name, unsigned flags,
			    unsigned change)
{
	struct ifinfomsg body = {
		.ifi_index = (int)if_nametoindex(name),
		.ifi_flags = flags,
		.ifi_change = change,
	};
	netlink_begin(request, RTM_NEWLINK, 0, &body, sizeof(body));
}

static void begin_change(struct netlink_request *request, const char *name, unsigned flags)
{
	begin_change_of(request, name, flags, flags);
}

static void add_no_link_local(struct netlink_request *request)
{
	uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	struct nlattr *spec = netlink_nest(request, IFLA_AF_SPEC);
	struct nlattr *inet6 = netlink_nest(request, AF_INET6);
	netlink_add(request, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	netlink_nest_end(request, inet6);
	netlink_nest_end(request, spec);
}

int link_up(int socket, const char *name, bool link_local, struct error *err)
{
	struct netlink_request request;
	begin_change(&request, name, IFF_UP);
	if (!link_local)
		add_no_link_local(&request);
	int number = netlink_ask(socket, &request);
	if (!number)
		return 0;
	/* A host without IPv6 knows no such mode. */
	begin_change(&request, name, IFF_UP);
	number = netlink_ask(socket, &request);
	return number ? netlink_failed(number, err, "bringing up", name) : 0;
}

int link_down(int socket, const char *name, struct error *err)
{
	struct netlink_request request;
	begin_change_of(&request, name, 0, IFF_UP);
	int number = netlink_ask(socket, &request);
	return number ? netlink_failed(number, err, "taking down", name) : 0;
}

int link_set_mac(int socket, const char *name, const uint8_t *mac, struct error *err)
{
	struct netlink_request request;
	begin_change(&request, name, 0);
	netlink_add(&request, IFLA_ADDRESS, mac, LINK_MAC_SIZE);
	int number = netlink_ask(socket, &request);
	return number ? netlink_failed(number, err, "setting the MAC address of", name) : 0;
}

int link_set_master(int socket, const char *name, int bridge, struct error *err)
{
	struct netlink_request request;
	begin_change(&request, name, 0);
	netlink_add_u32(&request, IFLA_MASTER, (uint32_t)bridge);
	int number = netlink_ask(socket, &request);
	return number ? netlink_failed(number, err, "changing the bridge of", name) : 0;
}

struct looked {
	const char *name;
	int found; /* as of link_find_bridge() */
};

static int look(const struct nlmsghdr *message, void *data)
{
	struct looked *looked = data;
	struct ifinfomsg body;
	size_t size, kind_size = 0;
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const char *name = netlink_find(message, sizeof(body), IFLA_IFNAME, &size);
	if (!name || strncmp(name, looked->name, size) != 0)
		return 0;
	const void *info = netlink_find(message, sizeof(body), IFLA_LINKINFO, &size);
	const char *kind = info ? netlink_find_in(info, size, IFLA_INFO_KIND, &kind_size) : NULL;
	looked->found = kind && !strncmp(kind, "bridge", kind_size) ? body.ifi_index : -1;
	return 1;
}

int link_find_bridge(int socket, const char *name, struct error *err)
{
	struct netlink_request request;
	struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
	struct looked looked = { .name = name };
	netlink_begin(&request, RTM_GETLINK, 0, &body, sizeof(body));
	if (netlink_dump(socket, &request, look, &looked, err) < 0)
		return -1;
	if (looked.found < 0)
		error_set(err, ERROR_NETWORK, "%s is no bridge", name);
	return looked.found;
}

bool link_set_setting(int family, const char *name, const char *setting, const char *value)
{
	/* As a path, since in a sysctl's name the "." of a device's name would be one of its own. */
	autofree char *path = xasprintf("/proc/sys/net/ipv%d/conf/%s/%s", family, name, setting);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
}
