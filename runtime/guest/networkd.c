/* systemd.network(5). */
#include <string.h>

#include "base/cleanup.h"
#include "runtime/guest/edit.h"
#include "runtime/guest/kind.h"

#define FILE_PATH "/etc/systemd/network/10-venet0.network"

/* Links of an enabled unit lead to absolute paths, which are there. */
static bool is_there(int root)
{
	static const char *const enabled[] = {
		"/etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
		"/etc/systemd/system/dbus-org.freedesktop.network1.service",
		"/etc/systemd/system/sockets.target.wants/systemd-networkd.socket",
	};
	if (!guest_has(root, "/etc/systemd/network"))
		return false;
	for (size_t i = 0; i < sizeof(enabled) / sizeof(*enabled); i++)
		if (guest_has(root, enabled[i]))
			return true;
	return false;
}

static void add_default(struct strbuf *text, const struct guest_settings *settings, int family)
{
	for (size_t i = 0; i < settings->address_count; i++) {
		if (settings->addresses[i].family != family)
			continue;
		autofree char *one = address_text(&settings->addresses[i]);
		one[strcspn(one, "/")] = 0;
		strbuf_addf(text, "\n[Route]\nDestination=%s\n%sPreferredSource=%s\n",
			    family == AF_INET ? "0.0.0.0/0" : "::/0",
			    family == AF_INET ? "Scope=link\n" : "", one);
		return;
	}
}

static int write_settings(int root, const struct guest_settings *settings, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (!settings->address_count)
		return guest_remove(root, FILE_PATH, err);
	strbuf_adds(&text, "# Written by vzctl at each start of the VE.\n[Match]\nName=venet0\n\n"
			   "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
			   "KeepConfiguration=yes\n");
	for (size_t i = 0; i < settings->address_count; i++) {
		bool six = settings->addresses[i].family == AF_INET6;
		autofree char *one = address_text(&settings->addresses[i]);
		one[strcspn(one, "/")] = 0;
		strbuf_addf(&text, "\n[Address]\nAddress=%s/%d\n%s", one, six ? 128 : 32,
			    six ? "DuplicateAddressDetection=none\n" : "");
	}
	add_default(&text, settings, AF_INET);
	add_default(&text, settings, AF_INET6);
	return guest_write(root, FILE_PATH, &text, err);
}

const struct guest_kind guest_networkd = {
	.name = "systemd-networkd",
	.is_there = is_there,
	.write = write_settings,
};
