/*
 * Bridged interfaces of a VE, as its configuration has them (OpenVZ's NETIF):
 *
 *	ifname=eth0,mac=02:…,host_ifname=veth101.0,host_mac=fe:…,bridge=br0;ifname=eth1,…
 *
 * ifname is the interface in the VE, host_ifname the other end of the pair (veth(4)). Only ifname has to be given.
 * mac_filter=off lets frames with another sender than `mac` out of the VE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/net/link.h"

struct netif {
	char ifname[LINK_NAME_SIZE];
	char host_ifname[LINK_NAME_SIZE]; /* "": not given */
	char bridge[LINK_NAME_SIZE]; /* "": it is the port of none */
	uint8_t mac[LINK_MAC_SIZE], host_mac[LINK_MAC_SIZE]; /* all 0: not given */
	bool mac_filter;
};

struct netifs {
	struct netif *items; /* with different names, both in the VE and on the host */
	size_t count, capacity;
};

#define NETIFS_INIT ((struct netifs){ NULL, 0, 0 })

/* How a value is called that is to be one of those below, for messages. */
#define NETIFS_FORM "interfaces as in \"ifname=eth0,bridge=br0;ifname=eth1\""

/* Sets what `key` names in the text above; "" is as if it were not given. ERROR_VALUE. */
int netif_set(struct netif *netif, const char *key, const char *value, struct error *err);

/* NAME[,MAC,HOST_IFNAME,HOST_MAC,BRIDGE], where each but the first may be empty. ERROR_VALUE. */
int netif_parse(const char *text, struct netif *ret, struct error *err);

/* The text above. ERROR_VALUE; then *ret is empty. */
int netifs_parse(const char *text, struct netifs *ret, struct error *err);

/* The same back, to be freed; "" for none. */
char *netifs_text(const struct netifs *netifs);

/*
 * Fills in what was not given: the host's name is vethCTID.N. MAC addresses are locally administered and the same each time for
 * this host, `place` (where its configuration is), VE and name; the host's is higher than others, since a bridge takes the lowest
 * of its ports for its own, which should not change with a VE.
 */
void netifs_complete(struct netifs *netifs, unsigned ctid, const char *place);

struct netif *netifs_find(const struct netifs *netifs, const char *ifname); /* NULL: none */
void netifs_add(struct netifs *netifs, const struct netif *one);
void netifs_remove(struct netifs *netifs, const char *ifname); /* if it is there */
bool netif_equal(const struct netif *a, const struct netif *b);
void netifs_release(struct netifs *netifs);
