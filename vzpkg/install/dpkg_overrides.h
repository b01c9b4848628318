/*
 * Diversions and stat overrides of a tree: what dpkg-divert(1) and dpkg-statoverride(1) have recorded.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct stat_override {
	char *path; /* without the first "/" */
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

struct diversion {
	char *from, *to; /* without the first "/" */
	char *package; /* whose own files stay at `from`; ":" for a local diversion */
};

struct dpkg_overrides {
	struct stat_override *stats;
	size_t stat_count;
	struct diversion *diversions;
	size_t diversion_count;
};

#define DPKG_OVERRIDES_INIT ((struct dpkg_overrides){ 0 })

/* Reads both lists; names of users and groups are looked up in the tree's own /etc. */
int dpkg_overrides_read(struct dpkg_overrides *overrides, int tree, struct error *err);
void dpkg_overrides_release(struct dpkg_overrides *overrides);

/* For a path without its first "/", NULL if nothing is recorded; `overrides` may be NULL. */
const struct stat_override *dpkg_stat_override(const struct dpkg_overrides *overrides,
					       const char *path);
const char *dpkg_diverted(const struct dpkg_overrides *overrides, const char *path,
			  const char *package);
