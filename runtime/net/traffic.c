#include "runtime/net/traffic.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/net/netlink.h"

enum { ANSWER = 16 << 10 };

int traffic_read(const char *name, struct traffic *ret, int *index, struct error *err)
{
	_Alignas(struct nlmsghdr) char answer[ANSWER];
	struct netlink_request request;
	struct ifinfomsg body = { .ifi_family = AF_UNSPEC };
	struct rtnl_link_stats64 stats;
	size_t size;
	autoclose int socket = netlink_open(err);
	if (socket < 0)
		return -1;
	netlink_begin(&request, RTM_GETLINK, 0, &body, sizeof(body));
	netlink_add_text(&request, IFLA_IFNAME, name);
	int failed = netlink_get(socket, &request, answer, sizeof(answer));
	if (failed == ENODEV)
		return 0;
	if (failed)
		return error_errno(err, failed, "reading the counters of %s", name);
	const struct nlmsghdr *message = (const void *)answer;
	const void *found = netlink_find(message, sizeof(body), IFLA_STATS64, &size);
	if (!found || size < offsetof(struct rtnl_link_stats64, rx_errors))
		return error_errno(err, EPROTO, "reading the counters of %s", name);
	memcpy(&stats, found, size < sizeof(stats) ? size : sizeof(stats));
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	*index = body.ifi_index;
	/* What the host's end receives the VE has sent. */
	*ret = (struct traffic){
		.in_bytes = stats.tx_bytes,
		.in_packets = stats.tx_packets,
		.out_bytes = stats.rx_bytes,
		.out_packets = stats.rx_packets,
	};
	return 1;
}

void traffic_add(struct traffic *sum, const struct traffic *more)
{
	sum->in_bytes += more->in_bytes;
	sum->in_packets += more->in_packets;
	sum->out_bytes += more->out_bytes;
	sum->out_packets += more->out_packets;
}
