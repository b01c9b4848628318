/*
 * venet: a VE's point-to-point link to its host, routed, never bridged. A veth pair, both ends with one MAC
 * and NOARP, so that nobody has to be asked for an address; in the VE the device is "venet0" and its default
 * routes go there; on the host each address of the VE is a host route to the VE's device.
 *
 * The host lets nothing out of the VE's device but packets from the VE's own addresses, IPv4 and IPv6
 * (a classifier on that device, and rp_filter), and forwards between VEs. Everything set on the host is set on
 * the VE's own device, so all of it goes when the device goes (link_remove()), which is when the VE's network
 * namespace goes. The host's other devices, routes, rules and firewall are not touched (but see neighbour.h).
 *
 * All functions need CAP_NET_ADMIN; errors are ERROR_SYSTEM unless said otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "runtime/net/address.h"

/* Creates the pair: `name` here (ERROR_EXISTS if there is such a device), "venet0" in the network namespace
 * `netns`; the host's end is up and guarded (nothing passes before venet_allow()). */
int venet_create(const char *name, int netns, struct error *err);

/* Sets which addresses may come out of it (replacing those before), adds the host routes that are missing
 * and removes those of addresses that are not in the list. */
int venet_allow(const char *name, const struct address *addresses, size_t count, struct error *err);

/* To be called by a process in the VE's network namespace, as its root: brings lo and venet0 up, gives
 * venet0 exactly these addresses (/32, /128), default routes for the families that are there, with the first
 * address of each as the preferred source. */
int venet_configure_inside(const struct address *addresses, size_t count, struct error *err);

/* true if that address is in use already: it is one of the host's own, or a host route to it leads to another
 * device than `own_name` (may be NULL). *where says by whom ("the host's eth0", "a route to vz102"); to be
 * freed. -1 with *err on failure, else 0 or 1. */
int venet_address_used(const struct address *address, const char *own_name, char **where,
		       struct error *err);

/* Does the host forward packets of that family at all (net.ipv4.ip_forward, net.ipv6.conf.all.forwarding)? */
bool venet_host_forwards(int family);
