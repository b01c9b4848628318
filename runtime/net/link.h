/*
 * Network devices of the kernel: veth pairs, and what is set of one device (rtnetlink(7), linux/if_link.h). All need
 * CAP_NET_ADMIN in the network namespace that the socket is of; errors are ERROR_NETWORK unless said otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum {
	LINK_NAME_SIZE = 16, /* with the 0 at its end: IFNAMSIZ */
	LINK_MAC_SIZE = 6
};

struct link_end {
	const char *name;
	const uint8_t *mac; /* LINK_MAC_SIZE bytes */
};

/* Creates a pair of which both ends are down: one here, the other in the network namespace `netns`. `flags` (IFF_…) are of both.
 * ERROR_EXISTS if either name is taken. */
int link_create_pair(int socket, const struct link_end *here, const struct link_end *there,
		     int netns, unsigned flags, struct error *err);

/* With the other end of its pair. A missing one is success. */
int link_remove(const char *name, struct error *err);

/* Also sets that the kernel gives it no fe80:: address if `link_local` is false. */
int link_up(int socket, const char *name, bool link_local, struct error *err);
int link_down(int socket, const char *name, struct error *err);
int link_set_mac(int socket, const char *name, const uint8_t *mac, struct error *err);

/* Makes it a port of that bridge; 0: of none. */
int link_set_master(int socket, const char *name, int bridge, struct error *err);

/* Its number if it is a bridge, 0 if there is no such device, -1 if it is another one or with *err. */
int link_find_bridge(int socket, const char *name, struct error *err);

/* net.ipvFAMILY.conf.NAME.SETTING, with FAMILY 4 or 6. false with errno. */
bool link_set_setting(int family, const char *name, const char *setting, const char *value);
