/*
 * Security advisories of rpm-md repositories (updateinfo.xml): which version of a package ends a vulnerability. Those of other types
 * (bugfix, enhancement, …), and those that were retracted, are left out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vzpkg/metadata/metadata.h"

struct advisory {
	char *id; /* "RHSA-2024:1234" */
	char *severity; /* "Important"; NULL: not said */
};

/* A package that an advisory names. */
struct advisory_package {
	char *name, *version; /* version: with its epoch, unless that is 0 */
	char *arch; /* NULL: any */
	size_t advisory; /* index into advisories.items */
};

struct advisories {
	struct advisory *items;
	size_t count, capacity;
	struct advisory_package *packages; /* by name, once they are loaded */
	size_t package_count, package_capacity;
	bool known; /* a repository has a list of them: if none has, nothing can be said of any package */
};

#define ADVISORIES_INIT ((struct advisories){ 0 })

/* Of all repositories; what is not there yet is downloaded (ERROR_NO_METADATA if that may not be). A repository need not have any. */
int advisories_load(const struct metadata *metadata, struct advisories *ret, struct error *err);
void advisories_release(struct advisories *advisories);

/* The packages of that name, *count of them; borrowed. */
const struct advisory_package *advisories_of(const struct advisories *advisories, const char *name,
					     size_t *count);

/* The words of Red Hat, Fedora and SUSE for it as a number, the more severe the higher; 0: not said, or another word. */
int advisory_severity(const struct advisory *advisory);

/* An updateinfo.xml, to be added to `advisories` (in no order); a parser for index_read(). */
int advisories_parse(int fd, const char *name, void *advisories, uint64_t *total,
		     struct error *err);
