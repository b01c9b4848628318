#include "runtime/net/netif.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/strbuf.h"

/* ---- one value ----------------------------------------------------------------------------------- */

/* Stricter than the kernel, which takes what our own text could not hold. */
static const char *unfit_name(const char *name)
{
	if (strlen(name) >= LINK_NAME_SIZE)
		return "it is longer than the 15 characters that the kernel takes";
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return "the kernel takes no such name";
	if (*name == '-')
		return "programs take it for an option";
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return "it is made of letters, digits, \".\", \"_\" and \"-\"";
	return NULL;
}

static const char *unfit_inside(const char *name)
{
	if (!*name)
		return "it is missing";
	if (!strcmp(name, "lo") || !strcmp(name, "venet0"))
		return "this interface has another purpose in a VE";
	return unfit_name(name);
}

static const char *parse_mac(const char *text, uint8_t mac[LINK_MAC_SIZE])
{
	static const uint8_t none[LINK_MAC_SIZE];
	size_t at = 0;
	if (strlen(text) != LINK_MAC_SIZE * 3 - 1)
		return "it is six bytes in hexadecimal, as in 02:00:00:12:34:56";
	for (; at < LINK_MAC_SIZE; at++, text += 3) {
		bool good = isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]) &&
			    text[2] == (at + 1 < LINK_MAC_SIZE ? ':' : 0);
		if (!good)
			return "it is six bytes in hexadecimal, as in 02:00:00:12:34:56";
		mac[at] = (uint8_t)strtoul(text, NULL, 16);
	}
	if (mac[0] & 1)
		return "this is an address of a group";
	return memcmp(mac, none, sizeof(none)) ? NULL : "this is no address of anybody";
}

static const char *set_name(char to[LINK_NAME_SIZE], const char *value, const char *why)
{
	if (!why)
		memcpy(to, value, strlen(value) + 1);
	return why;
}

static const char *set_mac(uint8_t to[LINK_MAC_SIZE], const char *value)
{
	uint8_t mac[LINK_MAC_SIZE] = { 0 };
	const char *why = *value ? parse_mac(value, mac) : NULL;
	if (!why)
		memcpy(to, mac, sizeof(mac));
	return why;
}

static const char *set_filter(struct netif *netif, const char *value)
{
	netif->mac_filter = !*value || !strcmp(value, "on");
	return netif->mac_filter || !strcmp(value, "off") ? NULL : "it is on or off";
}

int netif_set(struct netif *netif, const char *key, const char *value, struct error *err)
{
	const char *why;
	if (!strcmp(key, "ifname"))
		why = set_name(netif->ifname, value, unfit_inside(value));
	else if (!strcmp(key, "host_ifname"))
		why = set_name(netif->host_ifname, value, unfit_name(value));
	else if (!strcmp(key, "bridge"))
		why = set_name(netif->bridge, value, unfit_name(value));
	else if (!strcmp(key, "mac"))
		why = set_mac(netif->mac, value);
	else if (!strcmp(key, "host_mac"))
		why = set_mac(netif->host_mac, value);
	else if (!strcmp(key, "mac_filter"))
		why = set_filter(netif, value);
	else
		why = "there is no such setting of an interface";
	return why ? error_set(err, ERROR_VALUE, "%s cannot be \"%s\": %s", key, value, why) : 0;
}

int netif_parse(const char *text, struct netif *ret, struct error *err)
{
	static const char *const keys[] = { "ifname", "mac", "host_ifname", "host_mac", "bridge" };
	enum { KEYS = sizeof(keys) / sizeof(*keys) };
	autofree char *copy = xstrdup(text);
	char *rest = copy;
	size_t count = 0;
	*ret = (struct netif){ .mac_filter = true };
	for (char *word; (word = strsep(&rest, ",")); count++) {
		if (count == KEYS)
			return error_set(err, ERROR_VALUE, "\"%s\" has more than %d parts", text,
					 (int)KEYS);
		if (netif_set(ret, keys[count], word, err) < 0)
			return error_wrap(err, "the interface \"%s\"", text);
	}
	return 0;
}

/* ---- all of a VE ---------------------------------------------------------------------------------- */

struct netif *netifs_find(const struct netifs *netifs, const char *ifname)
{
	for (size_t i = 0; i < netifs->count; i++)
		if (!strcmp(netifs->items[i].ifname, ifname))
			return &netifs->items[i];
	return NULL;
}

void netifs_add(struct netifs *netifs, const struct netif *one)
{
	netifs->items =
		xgrow(netifs->items, netifs->count, &netifs->capacity, sizeof(*netifs->items));
	netifs->items[netifs->count++] = *one;
}

void netifs_remove(struct netifs *netifs, const char *ifname)
{
	struct netif *one = netifs_find(netifs, ifname);
	if (!one)
		return;
	size_t after = netifs->count - 1 - (size_t)(one - netifs->items);
	memmove(one, one + 1, after * sizeof(*one));
	netifs->count--;
}

bool netif_equal(const struct netif *a, const struct netif *b)
{
	return !strcmp(a->ifname, b->ifname) && !strcmp(a->host_ifname, b->host_ifname) &&
	       !strcmp(a->bridge, b->bridge) && !memcmp(a->mac, b->mac, sizeof(a->mac)) &&
	       !memcmp(a->host_mac, b->host_mac, sizeof(a->host_mac)) &&
	       a->mac_filter == b->mac_filter;
}

static bool has_host_name(const struct netifs *netifs, const char *name)
{
	for (size_t i = 0; i < netifs->count; i++)
		if (!strcmp(netifs->items[i].host_ifname, name))
			return true;
	return false;
}

static int parse_one(char *text, struct netif *ret, struct error *err)
{
	*ret = (struct netif){ .mac_filter = true };
	for (char *word; (word = strsep(&text, ","));) {
		char *equals = strchr(word, '=');
		if (!equals)
			return error_set(err, ERROR_VALUE, "\"%s\" is no setting of an interface",
					 word);
		*equals = 0;
		if (netif_set(ret, word, equals + 1, err) < 0)
			return -1;
	}
	return *ret->ifname ? 0 : error_set(err, ERROR_VALUE, "an interface has no ifname");
}

static int parse_all(char *text, struct netifs *ret, struct error *err)
{
	for (char *part; (part = strsep(&text, ";"));) {
		struct netif one;
		if (!*part)
			continue;
		if (parse_one(part, &one, err) < 0)
			return -1;
		if (netifs_find(ret, one.ifname))
			return error_set(err, ERROR_VALUE, "there are two interfaces %s",
					 one.ifname);
		if (*one.host_ifname && has_host_name(ret, one.host_ifname))
			return error_set(err, ERROR_VALUE,
					 "two interfaces are called %s on the host",
					 one.host_ifname);
		netifs_add(ret, &one);
	}
	return 0;
}

int netifs_parse(const char *text, struct netifs *ret, struct error *err)
{
	autofree char *copy = xstrdup(text);
	*ret = NETIFS_INIT;
	if (parse_all(copy, ret, err) == 0)
		return 0;
	netifs_release(ret);
	return -1;
}

static void add_mac(struct strbuf *text, const char *key, const uint8_t mac[LINK_MAC_SIZE])
{
	static const uint8_t none[LINK_MAC_SIZE];
	if (memcmp(mac, none, sizeof(none)) != 0)
		strbuf_addf(text, ",%s=%02x:%02x:%02x:%02x:%02x:%02x", key, mac[0], mac[1], mac[2],
			    mac[3], mac[4], mac[5]);
}

char *netifs_text(const struct netifs *netifs)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	for (size_t i = 0; i < netifs->count; i++) {
		const struct netif *one = &netifs->items[i];
		strbuf_addf(&text, "%sifname=%s", i ? ";" : "", one->ifname);
		add_mac(&text, "mac", one->mac);
		if (*one->host_ifname)
			strbuf_addf(&text, ",host_ifname=%s", one->host_ifname);
		add_mac(&text, "host_mac", one->host_mac);
		if (*one->bridge)
			strbuf_addf(&text, ",bridge=%s", one->bridge);
		if (!one->mac_filter)
			strbuf_adds(&text, ",mac_filter=off");
	}
	return strbuf_detach(&text);
}

void netifs_release(struct netifs *netifs)
{
	free(netifs->items);
	*netifs = NETIFS_INIT;
}

/* ---- what was not given ----------------------------------------------------------------------------- */

/* vethCTID.N, with the number of the name in the VE if no other one has it; a CTID of ten digits leaves no room for all of it. */
static void name_host_end(const struct netifs *netifs, struct netif *one, unsigned ctid)
{
	const char *digits = one->ifname + strlen(one->ifname);
	while (digits > one->ifname && isdigit((unsigned char)digits[-1]))
		digits--;
	unsigned long number = strtoul(digits, NULL, 10) % 1000;
	for (;; number = (number + 1) % 1000) {
		char name[64];
		snprintf(name, sizeof(name), "veth%u.%lu", ctid, number);
		if (strlen(name) >= LINK_NAME_SIZE)
			snprintf(name, sizeof(name), "v%u.%lu", ctid, number);
		if (has_host_name(netifs, name))
			continue;
		memcpy(one->host_ifname, name, strlen(name) + 1);
		return;
	}
}

static void make_mac(uint8_t mac[LINK_MAC_SIZE], const char *seed, const char *end, uint8_t keep,
		     uint8_t set)
{
	static const uint8_t none[LINK_MAC_SIZE];
	struct digest digest;
	autofree char *text = xasprintf("%s\n%s", seed, end);
	if (memcmp(mac, none, sizeof(none)) != 0)
		return;
	digest_data(DIGEST_SHA256, text, strlen(text), &digest);
	memcpy(mac, digest.bytes, LINK_MAC_SIZE);
	mac[0] = (uint8_t)((mac[0] & keep) | set);
}

void netifs_complete(struct netifs *netifs, unsigned ctid, const char *place)
{
	AUTO(strbuf_release) struct strbuf machine = STRBUF_INIT;
	if (netifs->count)
		file_read(AT_FDCWD, "/etc/machine-id", 4096, &machine, NULL);
	for (size_t i = 0; i < netifs->count; i++) {
		struct netif *one = &netifs->items[i];
		autofree char *seed =
			xasprintf("%s\n%s\n%u\n%s", machine.text, place, ctid, one->ifname);
		if (!*one->host_ifname)
			name_host_end(netifs, one, ctid);
		/* Locally administered, and of one station: IEEE 802, clause 8. */
		make_mac(one->mac, seed, "inside", 0xfc, 0x02);
		make_mac(one->host_mac, seed, "outside", 0x00, 0xfe);
	}
}
