/* IP addresses of VEs, as people write them: "10.0.0.5", "2001:db8::5", also with a prefix length. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"

struct address {
	int family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	unsigned prefix; /* as given, else 32 or 128 */
};

/* Refused (ERROR_USAGE, with the reason): no address at all, unspecified, multicast, loopback, link-local
 * (v6), broadcast, v4-mapped v6, a prefix out of range. */
int address_parse(const char *text, struct address *ret, struct error *err);

/* The canonical text, without the prefix if it is that of one host. To be freed. */
char *address_text(const struct address *address);

/* The same host, whatever the prefixes are. */
bool address_equal(const struct address *a, const struct address *b);
