/*
 * Addresses of repositories that have moved since: Fedora's archive, CentOS's vault, Debian's archive, Ubuntu's old releases. For
 * vzpkg/import/ only.
 */
#pragma once

#include <stdbool.h>

#include "vzpkg/import/import.h"

struct address {
	char *repository; /* a line of `repositories`, or NULL */
	char *list; /* a line of `mirrorlist`, or NULL */
	char *guest; /* a line of `guest-repositories`; NULL if nobody else can reach it */
	const char *moved; /* where it is today ("CentOS's vault"), or NULL */
};

#define ADDRESS_INIT ((struct address){ 0 })

/*
 * Old variables: yum's $releasever, $basearch, $arch; those of OpenVZ's files.in, @@OSVERSION@@ and @@OSARCH@@; those of vztt's
 * url.map. "$basearch" remains. NULL with the unknown name in *unknown (to be freed).
 */
char *address_expand(const struct import *import, const char *text, char **unknown);

/* Each takes text that was expanded, and gives what stands in one of our files. */
void address_rpm(const struct import *import, const char *url, struct address *ret);
void address_list(const struct import *import, const char *url, struct address *ret);

/* "URL SUITE COMPONENT…". false: it is to be left, and *why says so. */
bool address_deb(const char *line, struct address *ret, const char **why);

void address_release(struct address *address);
