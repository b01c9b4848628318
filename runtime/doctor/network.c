/*
 * What the host's own network has to let through. A VE's packets come from a device of its own and go out by an uplink: a device
 * that a default route of the host leads to.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "runtime/doctor/doctor.h"

enum {
	STRICT =
		1, /* rp_filter: what comes by another device than the answer would go by is dropped */
	LOOSE = 2,
	ACCEPT_RA = 1, /* accept_ra: unless the device forwards … */
	ACCEPT_RA_ALWAYS = 2, /* … and even then */
	BY_ANNOUNCEMENT = 0x40000, /* linux/ipv6_route.h: RTF_ADDRCONF */
};

/* The host's uplinks, without those that it has twice. */
struct uplinks {
	struct strvec v4, v6;
	struct strvec
		v6_announced; /* by which it has its default route from a router's announcements */
	struct strvec v6_global; /* which have an address that is valid beyond their link */
};

static void uplinks_release(struct uplinks *uplinks)
{
	strvec_release(&uplinks->v4);
	strvec_release(&uplinks->v6);
	strvec_release(&uplinks->v6_announced);
	strvec_release(&uplinks->v6_global);
}

static void add_device(struct strvec *devices, const char *name)
{
	if (strcmp(name, "lo") && !strvec_contains(devices, name))
		strvec_push(devices, name);
}

/* /proc/net/route: DEVICE DESTINATION GATEWAY FLAGS REFS USE METRIC MASK */
static void take_route(const char *line, struct uplinks *uplinks)
{
	char device[64];
	unsigned destination, mask;
	if (sscanf(line, "%63s %x %*x %*x %*d %*u %*d %x", device, &destination, &mask) == 3 &&
	    !destination && !mask)
		add_device(&uplinks->v4, device);
}

/* /proc/net/ipv6_route: DESTINATION LENGTH SOURCE LENGTH NEXT METRIC REFS USE FLAGS DEVICE */
static void take_route6(const char *line, struct uplinks *uplinks)
{
	char device[64];
	unsigned length, flags;
	if (sscanf(line, "%*32[0-9a-f] %x %*32[0-9a-f] %*x %*32[0-9a-f] %*x %*x %*x %x %63s",
		   &length, &flags, device) != 3 ||
	    length)
		return;
	add_device(&uplinks->v6, device);
	if (flags & BY_ANNOUNCEMENT)
		add_device(&uplinks->v6_announced, device);
}

/* /proc/net/if_inet6: ADDRESS INDEX LENGTH SCOPE FLAGS DEVICE; a VE's address is on no device of the host. */
static void take_address6(const char *line, struct uplinks *uplinks)
{
	char device[64];
	unsigned scope;
	if (sscanf(line, "%*32[0-9a-f] %*x %*x %x %*x %63s", &scope, device) == 2 && !scope)
		add_device(&uplinks->v6_global, device);
}

static void read_lines(const struct doctor *doctor, const char *path,
		       void (*take)(const char *, struct uplinks *), struct uplinks *uplinks)
{
	char line[512];
	autofree char *whole = xasprintf("%s%s", doctor->root, path);
	autofclose FILE *file = fopen(whole, "re");
	while (file && fgets(line, sizeof(line), file))
		take(line, uplinks);
}

/* sysctl(8) has dots between the parts of a name, so one within a part is a slash. */
static char *device_sysctl(const char *family, const char *device, const char *setting)
{
	char *name = xasprintf("net.%s.conf.%s.%s", family, device, setting);
	char *part = name + strlen("net..conf.") + strlen(family);
	for (char *c = part; c < part + strlen(device); c++)
		if (*c == '.')
			*c = '/';
	return name;
}

/* A line for a device's setting; takes `means` over. */
static void warn_device(struct doctor *doctor, const char *sysctl, uint64_t found, uint64_t wanted,
			char *means)
{
	doctor_add(doctor, DOCTOR_WARN, "uplink", xasprintf("%s is %" PRIu64, sysctl, found), means,
		   doctor_assignment(sysctl, wanted));
}

/* Before the host begins to forward: the kernel then takes routes away that came by announcements. */
static char *forwarding_advice(const char *sysctl, const char *family,
			       const struct uplinks *uplinks)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *itself = doctor_assignment(sysctl, 1);
	for (size_t i = 0; !strcmp(family, "ipv6") && i < uplinks->v6_announced.count; i++) {
		autofree char *name =
			device_sysctl(family, uplinks->v6_announced.items[i], "accept_ra");
		strbuf_addf(&text, "sysctl -w %s=%d first, or the host loses its route; ", name,
			    ACCEPT_RA_ALWAYS);
	}
	strbuf_addf(&text, "%s", itself);
	return strbuf_detach(&text);
}

/* Without forwarding on the device itself, the host does not answer there for VEs' addresses either. */
static void check_uplinks_forward(struct doctor *doctor, const char *family,
				  const struct strvec *devices)
{
	for (size_t i = 0; i < devices->count; i++) {
		const char *device = devices->items[i];
		autofree char *name = device_sysctl(family, device, "forwarding");
		uint64_t value;
		if (doctor_sysctl(doctor, name, &value) && !value)
			warn_device(doctor, name, value, 1,
				    xasprintf("nothing from %s reaches VEs, and nobody there is "
					      "told where they are",
					      device));
	}
}

static void check_forwarding(struct doctor *doctor, const struct uplinks *uplinks)
{
	const struct {
		const char *name, *family, *called;
		const struct strvec *devices;
	} rows[] = {
		{ "net.ipv4.ip_forward", "ipv4", "IPv4", &uplinks->v4 },
		{ "net.ipv6.conf.all.forwarding", "ipv6", "IPv6", &uplinks->v6 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t value;
		if (!doctor_sysctl(doctor, rows[i].name, &value))
			continue;
		doctor_add(doctor, value ? DOCTOR_OK : DOCTOR_WARN, rows[i].name,
			   xasprintf("%" PRIu64, value),
			   value ? NULL
				 : xasprintf("by %s, VEs reach the host and nothing beyond it",
					     rows[i].called),
			   value ? NULL : forwarding_advice(rows[i].name, rows[i].family, uplinks));
		if (value)
			check_uplinks_forward(doctor, rows[i].family, rows[i].devices);
	}
}

/* ip-sysctl: the higher one of the device's own and that of all. With one uplink there is no other way to come in. */
static void check_rp_filter(struct doctor *doctor, const struct uplinks *uplinks)
{
	uint64_t all = 0;
	doctor_sysctl(doctor, "net.ipv4.conf.all.rp_filter", &all);
	for (size_t i = 0; uplinks->v4.count > 1 && i < uplinks->v4.count; i++) {
		const char *device = uplinks->v4.items[i];
		autofree char *name = device_sysctl("ipv4", device, "rp_filter");
		uint64_t value;
		if (doctor_sysctl(doctor, name, &value) && (value > all ? value : all) == STRICT)
			warn_device(doctor, name, value, LOOSE,
				    xasprintf("what comes to VEs by %s is dropped when the answer "
					      "would go by another of the %zu uplinks",
					      device, uplinks->v4.count));
	}
}

/* A host that forwards takes no route from a router unless it is told to. */
static void check_announcements(struct doctor *doctor, const struct uplinks *uplinks)
{
	uint64_t forwards, value;
	for (size_t i = 0; !uplinks->v6.count && i < uplinks->v6_global.count; i++) {
		const char *device = uplinks->v6_global.items[i];
		autofree char *forwarding = device_sysctl("ipv6", device, "forwarding");
		autofree char *name = device_sysctl("ipv6", device, "accept_ra");
		if (doctor_sysctl(doctor, forwarding, &forwards) && forwards &&
		    doctor_sysctl(doctor, name, &value) && value == ACCEPT_RA)
			warn_device(doctor, name, value, ACCEPT_RA_ALWAYS,
				    xasprintf("the host has no IPv6 route to the world and takes "
					      "none from routers at %s, since it forwards",
					      device));
	}
}

void doctor_network(struct doctor *doctor)
{
	AUTO(uplinks_release) struct uplinks uplinks = { 0 };
	read_lines(doctor, "/proc/net/route", take_route, &uplinks);
	read_lines(doctor, "/proc/net/ipv6_route", take_route6, &uplinks);
	read_lines(doctor, "/proc/net/if_inet6", take_address6, &uplinks);
	check_forwarding(doctor, &uplinks);
	check_rp_filter(doctor, &uplinks);
	check_announcements(doctor, &uplinks);
}
