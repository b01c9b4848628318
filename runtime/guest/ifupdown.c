/* interfaces(5) of Debian. */
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/guest/edit.h"
#include "runtime/guest/kind.h"

#define INTERFACES "/etc/network/interfaces"
#define OWN_FOLDER "/etc/network/interfaces.d"
#define OWN_FILE OWN_FOLDER "/venet0"

static bool is_there(int root)
{
	return guest_has(root, "/etc/network") &&
	       (guest_has(root, "/sbin/ifup") || guest_has(root, "/usr/sbin/ifup"));
}

/*
 * The kernel has the addresses before init starts, and ifup's own "static" would fail over that (ip address add says
 * that the file exists). "replace" is content with what is there.
 */
static void add_ip(struct strbuf *text, const struct guest_settings *settings)
{
	const struct address *first[2] = { NULL, NULL };
	strbuf_adds(text, "auto venet0\niface venet0 inet manual\n"
			  "\tup ip link set dev venet0 up\n");
	for (size_t i = 0; i < settings->address_count; i++) {
		const struct address *address = &settings->addresses[i];
		bool six = address->family == AF_INET6;
		autofree char *one = address_text(address);
		one[strcspn(one, "/")] = 0;
		strbuf_addf(text, "\tup ip %saddress replace %s/%d dev venet0%s\n",
			    six ? "-6 " : "", one, six ? 128 : 32, six ? " nodad" : "");
		first[six] = first[six] ?: address;
	}
	for (int six = 0; six < 2; six++) {
		if (!first[six])
			continue;
		autofree char *one = address_text(first[six]);
		one[strcspn(one, "/")] = 0;
		strbuf_addf(text, "\tup ip %sroute replace default dev venet0 src %s\n",
			    six ? "-6 " : "", one);
	}
}

/* Of a Debian before iproute2 was everywhere. Each address after the first has a device of its own, an alias. */
static void add_ifconfig(struct strbuf *text, const struct guest_settings *settings)
{
	unsigned count = 0;
	for (size_t i = 0; i < settings->address_count; i++) {
		const struct address *address = &settings->addresses[i];
		autofree char *one = address_text(address);
		one[strcspn(one, "/")] = 0;
		if (address->family != AF_INET)
			continue;
		autofree char *device =
			count ? xasprintf("venet0:%u", count - 1) : xstrdup("venet0");
		strbuf_addf(text,
			    "auto %s\niface %s inet static\n\taddress %s\n"
			    "\tnetmask 255.255.255.255\n",
			    device, device, one);
		if (!count++)
			strbuf_adds(text, "\tup route add default dev venet0 || true\n");
	}
}

static bool sources_folder(int root)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (!guest_has(root, OWN_FOLDER) || !guest_read(root, INTERFACES, &text))
		return false;
	for (const char *line = text.text; line; line = strchr(line, '\n')) {
		line += strspn(line, "\n \t");
		if ((!strncmp(line, "source ", 7) || !strncmp(line, "source-directory ", 17)) &&
		    strstr(line, "interfaces.d") &&
		    strcspn(line, "\n") > (size_t)(strstr(line, "interfaces.d") - line))
			return true;
	}
	return false;
}

static int write_settings(int root, const struct guest_settings *settings, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	bool has_ip = guest_has(root, "/sbin/ip") || guest_has(root, "/usr/sbin/ip") ||
		      guest_has(root, "/bin/ip");
	if (settings->address_count && has_ip)
		add_ip(&text, settings);
	else if (settings->address_count)
		add_ifconfig(&text, settings);
	if (!sources_folder(root))
		return guest_write_block(root, INTERFACES, text.text, err);
	/* It may have been the other way before. */
	if (guest_write_block(root, INTERFACES, "", err) < 0)
		return -1;
	if (!text.length)
		return guest_remove(root, OWN_FILE, err);
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	strbuf_addf(&file, "# Written by vzctl at each start of the VE.\n%s", text.text);
	return guest_write(root, OWN_FILE, &file, err);
}

const struct guest_kind guest_ifupdown = {
	.name = "debian-ifupdown",
	.is_there = is_there,
	.write = write_settings,
};
