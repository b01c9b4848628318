/*
 * What is written inside a VE so that its own software knows its name, addresses and resolvers, in the way of
 * its distribution. Which way is found by looking at what is installed (a table, guest.c), not by
 * the template's name: Debian's ifupdown, systemd-networkd, Red Hat's ifcfg files, and none (then the addresses
 * that the host has set on venet0 are all there is).
 *
 * The tree is a tenant's and may be hostile: everything is done by openat2 in `root`, regular files only, never
 * blocking on a FIFO, never following a link out; a file is replaced by rename, keeping its owner and mode.
 * Only the parts between marker lines, or files of our own, are touched in files that tenants edit too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/net/address.h"

struct guest_settings {
	const char *hostname; /* NULL: left alone */
	const struct address *addresses;
	size_t address_count;
	bool console; /* is to have a login prompt: console.h */
	bool network; /* false: addresses are left alone, else written (none at all: removed) */
	const struct strvec *nameservers, *searchdomains; /* NULL: left alone */
};

/* Writes /etc/hostname, /etc/hosts, /etc/sysconfig/network of Red Hat's, the network configuration and the
 * resolver's. Called as root of the VE, in its namespaces, with its root. Writing what is there already changes no
 * file. */
int guest_configure(int root, const struct guest_settings *settings, struct error *err);

/* "debian-ifupdown", "systemd-networkd", "redhat-ifcfg" or "none": which network configuration was recognised. */
const char *guest_network_kind(int root);
