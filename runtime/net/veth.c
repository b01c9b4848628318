#include "runtime/net/veth.h"

#include <net/if.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/net/guard.h"
#include "runtime/net/netlink.h"

/* 0: it has none. */
static int find_bridge(int socket, const struct netif *netif, int *ret, struct error *err)
{
	*ret = 0;
	if (!*netif->bridge)
		return 0;
	*ret = link_find_bridge(socket, netif->bridge, err);
	if (*ret > 0)
		return 0;
	if (*ret == 0) {
		error_set(err, ERROR_VETH, "there is no bridge %s", netif->bridge);
		error_hint(err,
			   "create it (ip link add %s type bridge; ip link set %s up), or "
			   "choose another with --ifname %s --bridge",
			   netif->bridge, netif->bridge, netif->ifname);
	}
	return -1;
}

static int fail(const struct netif *netif, struct error *err)
{
	if (err)
		err->kind = ERROR_VETH;
	return error_wrap(err, "the interface %s", netif->ifname);
}

int veth_check(const struct netif *netif, bool is_new, struct error *err)
{
	int bridge;
	autoclose int socket = netlink_open(err);
	if (socket < 0 || find_bridge(socket, netif, &bridge, err) < 0)
		return fail(netif, err);
	if (!is_new || !if_nametoindex(netif->host_ifname))
		return 0;
	error_set(err, ERROR_VETH, "the host has a device %s already", netif->host_ifname);
	error_hint(err, "choose another name with --ifname %s --host_ifname", netif->ifname);
	return fail(netif, err);
}

static int set(int socket, const struct netif *netif, struct error *err)
{
	const char *name = netif->host_ifname;
	int bridge, device = (int)if_nametoindex(name);
	if (find_bridge(socket, netif, &bridge, err) < 0 ||
	    guard_set_mac(socket, device, netif->mac_filter ? netif->mac : NULL, err) < 0 ||
	    link_set_mac(socket, name, netif->host_mac, err) < 0)
		return -1;
	return link_set_master(socket, name, bridge, err);
}

int veth_set(const struct netif *netif, struct error *err)
{
	autoclose int socket = netlink_open(err);
	return socket < 0 || set(socket, netif, err) < 0 ? fail(netif, err) : 0;
}

/* What VEs announce on the bridge is not for the host to believe. */
static void distrust(const char *name)
{
	static const char *const settings[] = { "accept_ra", "autoconf", "accept_redirects" };
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		link_set_setting(6, name, settings[i], "0");
}

int veth_create(const struct netif *netif, int netns, struct error *err)
{
	const char *name = netif->host_ifname;
	const struct link_end here = { name, netif->host_mac },
			      there = { netif->ifname, netif->mac };
	autoclose int socket = netlink_open(err);
	if (socket < 0 || link_create_pair(socket, &here, &there, netns, 0, err) < 0)
		return fail(netif, err);
	distrust(name);
	if (set(socket, netif, err) == 0 && link_up(socket, name, !*netif->bridge, err) == 0)
		return 0;
	link_remove(name, NULL);
	return fail(netif, err);
}
