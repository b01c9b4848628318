/*
 * How a VE's addresses can be reached from networks that the host is in: on devices of the host, the kernel answers for them who asks
 * who has them (proxy entries of ARP and of IPv6's neighbour discovery, ip-neighbour(8)), and announcements tell those who have
 * remembered somebody else.
 *
 * An entry is written DEVICE/ADDRESS. It goes when its device goes down. Errors are ERROR_NETWORK.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/net/address.h"

/* OpenVZ's NEIGHBOUR_DEVS. */
enum neighbour_mode {
	NEIGHBOUR_DETECT, /* "detect": devices with a network that the address is of */
	NEIGHBOUR_ALL, /* "all": all that ask, which are not ports of a bridge */
	NEIGHBOUR_LIST /* "list:eth0 eth1" */
};

struct neighbour_devs {
	enum neighbour_mode mode;
	struct strvec names; /* NEIGHBOUR_LIST */
};

#define NEIGHBOUR_DEVS_INIT ((struct neighbour_devs){ NEIGHBOUR_DETECT, STRVEC_INIT })

/* ERROR_VALUE. */
int neighbour_devs_parse(const char *text, struct neighbour_devs *ret, struct error *err);
void neighbour_devs_release(struct neighbour_devs *devs);

/* Appends the entries that there should be, on devices that are up. */
int neighbour_find(const struct neighbour_devs *devs, const struct address *addresses, size_t count,
		   struct strvec *entries, struct error *err);

/* Appends those that the kernel has, whoever made them. */
int neighbour_list(struct strvec *entries, struct error *err);

/* Makes the entry, switches proxy_ndp on if it is an IPv6 address, and announces it. */
int neighbour_add(const char *entry, struct error *err);

/* One that is not there, or whose device is not, is success. */
int neighbour_remove(const char *entry, struct error *err);
