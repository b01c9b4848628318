/* Telling a network where an address is now: gratuitous ARP (RFC 5227, 2.3), an unsolicited neighbour advertisement (RFC 4861, 7.2.6). */
#pragma once

#include "base/error.h"
#include "runtime/net/address.h"

/* To all on the network of that device of the host; needs CAP_NET_RAW. Nobody confirms it. ERROR_NETWORK. */
int announce(const char *device, const struct address *address, struct error *err);
