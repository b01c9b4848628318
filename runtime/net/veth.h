/*
 * The pair of an interface of a VE that is bridged: one end in the VE, where its own software configures it, the other a port of a
 * bridge of the host. Everything on the host is set on the VE's own device and goes with it (link_remove()).
 *
 * All functions need CAP_NET_ADMIN. Errors are ERROR_VETH.
 */
#pragma once

#include "base/error.h"
#include "runtime/net/netif.h"

/* That its bridge is there, and, for one that is to be made, that no device of the host has its name. */
int veth_check(const struct netif *netif, bool is_new, struct error *err);

/* Creates it, with the VE's end, which is down, in the network namespace `netns`. On failure nothing is left. */
int veth_create(const struct netif *netif, int netns, struct error *err);

/* Sets what can be set while the VE uses it: bridge, host_mac, mac_filter. */
int veth_set(const struct netif *netif, struct error *err);
