#include "runtime/net/neighbour.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/net/announce.h"
#include "runtime/net/link.h"
#include "runtime/net/netlink.h"

int neighbour_devs_parse(const char *text, struct neighbour_devs *ret, struct error *err)
{
	static const char list[] = "list:";
	*ret = NEIGHBOUR_DEVS_INIT;
	if (!strcmp(text, "detect"))
		return 0;
	ret->mode = NEIGHBOUR_ALL;
	if (!strcmp(text, "all"))
		return 0;
	ret->mode = NEIGHBOUR_LIST;
	if (!strncmp(text, list, strlen(list))) {
		strvec_split(&ret->names, text + strlen(list));
		return 0;
	}
	return error_set(err, ERROR_VALUE,
			 "this is neither detect, nor all, nor list: and names of devices");
}

void neighbour_devs_release(struct neighbour_devs *devs)
{
	strvec_release(&devs->names);
}

/* ---- which there should be ------------------------------------------------------------------------- */

/* While the host's devices and their networks are looked through for one address. */
struct search {
	const struct neighbour_devs *devs;
	const struct address *address;
	struct strvec *entries;
};

static void add_entry(const struct search *search, unsigned device)
{
	char name[IF_NAMESIZE];
	if (!if_indextoname(device, name))
		return;
	autofree char *text = address_text(search->address);
	/* Of a VE's address the prefix has no meaning. */
	text[strcspn(text, "/")] = 0;
	autofree char *entry = xasprintf("%s/%s", name, text);
	if (!strvec_contains(search->entries, entry))
		strvec_push(search->entries, entry);
}

static int try_device(const struct nlmsghdr *message, void *data)
{
	const struct search *search = data;
	struct ifinfomsg body;
	size_t size;
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const char *name = netlink_find(message, sizeof(body), IFLA_IFNAME, &size);
	bool asks = (body.ifi_flags & IFF_UP) &&
		    !(body.ifi_flags & (IFF_LOOPBACK | IFF_NOARP | IFF_POINTOPOINT));
	if (!name || !asks)
		return 0;
	bool wanted = search->devs->mode == NEIGHBOUR_LIST
			      ? strvec_contains(&search->devs->names, name)
			      : !netlink_find(message, sizeof(body), IFLA_MASTER, &size);
	if (wanted)
		add_entry(search, (unsigned)body.ifi_index);
	return 0;
}

static bool same_network(const void *a, const void *b, unsigned prefix)
{
	const unsigned char *one = a, *other = b;
	unsigned rest = prefix % 8;
	return !memcmp(one, other, prefix / 8) &&
	       (!rest || (one[prefix / 8] ^ other[prefix / 8]) >> (8 - rest) == 0);
}

/* A network of one host is none: venet's own addresses, and those of a loopback. */
static int try_network(const struct nlmsghdr *message, void *data)
{
	const struct search *search = data;
	unsigned whole = search->address->family == AF_INET ? 32 : 128;
	struct ifaddrmsg body;
	size_t size;
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const void *local = netlink_find(message, sizeof(body), IFA_LOCAL, &size);
	if (!local)
		local = netlink_find(message, sizeof(body), IFA_ADDRESS, &size);
	if (!local || body.ifa_family != search->address->family || size * 8 != whole ||
	    body.ifa_prefixlen >= whole || body.ifa_scope == RT_SCOPE_HOST)
		return 0;
	if (same_network(local, &search->address->v6, body.ifa_prefixlen))
		add_entry(search, body.ifa_index);
	return 0;
}

int neighbour_find(const struct neighbour_devs *devs, const struct address *addresses, size_t count,
		   struct strvec *entries, struct error *err)
{
	autoclose int socket = netlink_open(err);
	int result = socket < 0 ? -1 : 0;
	for (size_t i = 0; i < count && result == 0; i++) {
		struct netlink_request request;
		struct search search = { devs, &addresses[i], entries };
		struct ifaddrmsg networks = { .ifa_family = (uint8_t)addresses[i].family };
		struct ifinfomsg devices = { .ifi_family = AF_UNSPEC };
		bool detect = devs->mode == NEIGHBOUR_DETECT;
		if (detect)
			netlink_begin(&request, RTM_GETADDR, 0, &networks, sizeof(networks));
		else
			netlink_begin(&request, RTM_GETLINK, 0, &devices, sizeof(devices));
		result = netlink_dump(socket, &request, detect ? try_network : try_device, &search,
				      err);
	}
	return result;
}

/* ---- entries of the kernel --------------------------------------------------------------------------- */

static int keep_entry(const struct nlmsghdr *message, void *data)
{
	struct ndmsg body;
	struct address address = { 0 };
	size_t size;
	memcpy(&body, NLMSG_DATA(message), sizeof(body));
	const void *to = netlink_find(message, sizeof(body), NDA_DST, &size);
	if (!(body.ndm_flags & NTF_PROXY) || !to || size > sizeof(address.v6))
		return 0;
	address.family = body.ndm_family;
	address.prefix = address.family == AF_INET ? 32 : 128;
	memcpy(&address.v6, to, size);
	struct search search = { .address = &address, .entries = data };
	add_entry(&search, (unsigned)body.ndm_ifindex);
	return 0;
}

int neighbour_list(struct strvec *entries, struct error *err)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	autoclose int socket = netlink_open(err);
	if (socket < 0)
		return -1;
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		struct netlink_request request;
		struct ndmsg body = { .ndm_family = families[i], .ndm_flags = NTF_PROXY };
		netlink_begin(&request, RTM_GETNEIGH, 0, &body, sizeof(body));
		if (netlink_dump(socket, &request, keep_entry, entries, err) < 0)
			return -1;
	}
	return 0;
}

struct parsed {
	char *device;
	struct address address;
};

static void parsed_release(struct parsed *parsed)
{
	free(parsed->device);
}

static int parse(const char *entry, struct parsed *ret, struct error *err)
{
	const char *slash = strchr(entry, '/');
	ret->device = xstrndup(entry, slash ? (size_t)(slash - entry) : strlen(entry));
	return address_parse(slash ? slash + 1 : "", &ret->address, err);
}

/* 0 or an errno. */
static int change(int socket, uint16_t type, const struct parsed *parsed)
{
	struct netlink_request request;
	struct ndmsg body = {
		.ndm_family = (uint8_t)parsed->address.family,
		.ndm_ifindex = (int)if_nametoindex(parsed->device),
		.ndm_flags = NTF_PROXY,
		.ndm_state = NUD_PERMANENT,
	};
	if (!body.ndm_ifindex)
		return ENODEV;
	netlink_begin(&request, type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0,
		      &body, sizeof(body));
	netlink_add(&request, NDA_DST, &parsed->address.v6,
		    parsed->address.family == AF_INET ? sizeof(parsed->address.v4)
						      : sizeof(parsed->address.v6));
	return netlink_ask(socket, &request);
}

int neighbour_add(const char *entry, struct error *err)
{
	AUTO(parsed_release) struct parsed parsed = { 0 };
	autoclose int socket = netlink_open(err);
	if (socket < 0 || parse(entry, &parsed, err) < 0)
		return -1;
	int number = change(socket, RTM_NEWNEIGH, &parsed);
	if (number)
		return error_set(err, ERROR_NETWORK, "answering for the VE's address: %s: %s",
				 entry, strerror(number));
	/* Without entries this setting has no effect, so it stays. */
	if (parsed.address.family == AF_INET6 &&
	    !link_set_setting(6, parsed.device, "proxy_ndp", "1"))
		return error_set(err, ERROR_NETWORK, "setting proxy_ndp of %s: %s", parsed.device,
				 strerror(errno));
	return announce(parsed.device, &parsed.address, err);
}

int neighbour_remove(const char *entry, struct error *err)
{
	AUTO(parsed_release) struct parsed parsed = { 0 };
	autoclose int socket = netlink_open(err);
	if (socket < 0 || parse(entry, &parsed, err) < 0)
		return -1;
	int number = change(socket, RTM_DELNEIGH, &parsed);
	if (!number || number == ENOENT || number == ENODEV)
		return 0;
	return error_set(err, ERROR_NETWORK, "no more answering for the VE's address: %s: %s",
			 entry, strerror(number));
}
