#include "runtime/net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static int refuse(const char *text, const char *why, struct error *err)
{
	error_set(err, ERROR_ADDRESS, "\"%s\" cannot be an address of a VE: %s", text, why);
	error_subject(err, "%s", text);
	return error_hint(err, "addresses are written 10.0.0.5 or 2001:db8::5");
}

static const char *unfit_v4(struct in_addr address)
{
	uint32_t host = ntohl(address.s_addr);
	if (host >> 24 == 0)
		return "it is unspecified";
	if (host >> 24 == 127)
		return "it is of the loopback";
	if (host >> 28 == 14)
		return "it is a multicast address";
	return host >> 28 == 15 ? "it is reserved or a broadcast address" : NULL;
}

static const char *unfit_v6(const struct in6_addr *address)
{
	if (IN6_IS_ADDR_UNSPECIFIED(address))
		return "it is unspecified";
	if (IN6_IS_ADDR_LOOPBACK(address))
		return "it is of the loopback";
	if (IN6_IS_ADDR_MULTICAST(address))
		return "it is a multicast address";
	if (IN6_IS_ADDR_LINKLOCAL(address))
		return "it is link-local";
	return IN6_IS_ADDR_V4MAPPED(address) ? "it is an IPv4 address in disguise" : NULL;
}

static bool parse_prefix(const char *text, unsigned most, unsigned *ret)
{
	if (!isdigit((unsigned char)*text) || strlen(text) > 3 ||
	    text[strspn(text, "0123456789")] != '\0')
		return false;
	*ret = (unsigned)strtoul(text, NULL, 10);
	return *ret <= most;
}

int address_parse(const char *text, struct address *ret, struct error *err)
{
	const char *slash = strchr(text, '/');
	autofree char *host = slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);
	const char *why = NULL;
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &ret->v4) == 1) {
		ret->family = AF_INET;
		ret->prefix = 32;
		why = unfit_v4(ret->v4);
	} else if (inet_pton(AF_INET6, host, &ret->v6) == 1) {
		ret->family = AF_INET6;
		ret->prefix = 128;
		why = unfit_v6(&ret->v6);
	} else {
		why = "it is no IP address";
	}
	if (!why && slash && !parse_prefix(slash + 1, ret->prefix, &ret->prefix))
		why = "its prefix length is out of range";
	return why ? refuse(text, why, err) : 0;
}

char *address_text(const struct address *address)
{
	char text[INET6_ADDRSTRLEN] = "";
	inet_ntop(address->family, &address->v6, text, sizeof(text));
	unsigned whole = address->family == AF_INET ? 32 : 128;
	return address->prefix == whole ? xstrdup(text) : xasprintf("%s/%u", text, address->prefix);
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->family == b->family &&
	       !memcmp(&a->v6, &b->v6, a->family == AF_INET ? sizeof(a->v4) : sizeof(a->v6));
}
