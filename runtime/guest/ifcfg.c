/* ifcfg files of Red Hat's initscripts, as in the sysconfig.txt of that package, from Fedora Core 4 to CentOS 7. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/guest/edit.h"
#include "runtime/guest/kind.h"

#define FOLDER "/etc/sysconfig/network-scripts"
#define DEVICE_FILE "ifcfg-venet0"
#define ALIAS_PREFIX DEVICE_FILE ":"
#define ROUTE6_FILE "route6-venet0"
#define MARK "# Written by vzctl at each start of the VE.\n"

static bool is_there(int root)
{
	return guest_has(root, FOLDER "/.") &&
	       (guest_has(root, "/sbin/ifup") || guest_has(root, "/usr/sbin/ifup"));
}

static int write_own(int root, const char *name, const struct strbuf *text, struct error *err)
{
	autofree char *path = xasprintf(FOLDER "/%s", name);
	return guest_write(root, path, text, err);
}

/* A file of that name without our first line is the tenant's. */
static int remove_own(int root, const char *name, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf(FOLDER "/%s", name);
	if (!guest_read(root, path, &text) || strncmp(text.text, MARK, strlen(MARK)) != 0)
		return 0;
	return guest_remove(root, path, err);
}

/* Nobody on venet0 answers ARP, so nobody is to be asked whether an address is in use. */
static void add_device(struct strbuf *text, const char *device, const char *v4)
{
	strbuf_addf(text,
		    MARK "DEVICE=%s\nONBOOT=yes\nBOOTPROTO=none\nNM_CONTROLLED=no\nARPCHECK=no\n",
		    device);
	if (v4)
		strbuf_addf(text, "IPADDR=%s\nNETMASK=255.255.255.255\n", v4);
}

/* The addresses of a family, without prefix lengths. */
static void list(const struct guest_settings *settings, int family, struct strvec *ret)
{
	for (size_t i = 0; i < settings->address_count; i++) {
		if (settings->addresses[i].family != family)
			continue;
		char *one = address_text(&settings->addresses[i]);
		one[strcspn(one, "/")] = 0;
		strvec_take(ret, one);
	}
}

/*
 * The kernel has the addresses before init starts: ifup looks whether IPADDR is there, and says of the others that
 * they exist, but goes on. The default route is that of GATEWAYDEV, in /etc/sysconfig/network; SRCADDR is its source.
 */
static int write_device(int root, const struct strvec *v4, const struct strvec *v6,
			struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	add_device(&text, "venet0", v4->count ? v4->items[0] : NULL);
	if (v4->count)
		strbuf_addf(&text, "SRCADDR=%s\n", v4->items[0]);
	strbuf_adds(&text, "NOZEROCONF=yes\n"); /* no route for 169.254.0.0/16 */
	if (v6->count)
		strbuf_addf(&text, "IPV6INIT=yes\nIPV6_AUTOCONF=no\nIPV6ADDR=%s/128\n",
			    v6->items[0]);
	for (size_t i = 1; i < v6->count; i++)
		strbuf_addf(&text, "%s%s/128%s", i == 1 ? "IPV6ADDR_SECONDARIES=\"" : " ",
			    v6->items[i], i + 1 == v6->count ? "\"\n" : "");
	return write_own(root, DEVICE_FILE, &text, err);
}

/* ifup takes IPV6_DEFAULTDEV only for devices that are point-to-point to the kernel, which venet0 is not. */
static int write_route6(int root, const char *source, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_addf(&text, MARK "default dev venet0 src %s\n", source);
	return write_own(root, ROUTE6_FILE, &text, err);
}

/* An alias for each address after the first: old releases know no other way. */
static int write_aliases(int root, const struct strvec *v4, struct strvec *written,
			 struct error *err)
{
	for (size_t i = 1; i < v4->count; i++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		autofree char *device = xasprintf("venet0:%zu", i - 1);
		strvec_pushf(written, "ifcfg-%s", device);
		add_device(&text, device, v4->items[i]);
		if (write_own(root, written->items[i - 1], &text, err) < 0)
			return -1;
	}
	return 0;
}

/* Those of addresses that are gone; ifup would bring them back. */
static int remove_aliases(int root, const struct strvec *written, struct error *err)
{
	autoclose int fd = open_in_root(root, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "opening %s in the VE", FOLDER);
	steal_fd(&fd);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (!strncmp(entry->d_name, ALIAS_PREFIX, strlen(ALIAS_PREFIX)) &&
		    !strvec_contains(written, entry->d_name) &&
		    remove_own(root, entry->d_name, err) < 0)
			return -1;
	return 0;
}

static int write_settings(int root, const struct guest_settings *settings, struct error *err)
{
	AUTO(strvec_release) struct strvec v4 = STRVEC_INIT, v6 = STRVEC_INIT;
	AUTO(strvec_release) struct strvec written = STRVEC_INIT;
	list(settings, AF_INET, &v4);
	list(settings, AF_INET6, &v6);
	int result = settings->address_count ? write_device(root, &v4, &v6, err)
					     : remove_own(root, DEVICE_FILE, err);
	if (result == 0)
		result = v6.count ? write_route6(root, v6.items[0], err)
				  : remove_own(root, ROUTE6_FILE, err);
	if (result == 0)
		result = write_aliases(root, &v4, &written, err);
	return result < 0 ? -1 : remove_aliases(root, &written, err);
}

const struct guest_kind guest_ifcfg = {
	.name = "redhat-ifcfg",
	.is_there = is_there,
	.write = write_settings,
};
