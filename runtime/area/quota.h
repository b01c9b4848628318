/*
 * What users and groups in an image have, and their limits in it: quotactl(2) and quotactl_fd(2), ids as in the image. Only of one for which
 * image_has_quotas().
 */
#pragma once

#include "runtime/area/image.h"
#include "runtime/config/ve_quota.h"

struct quota_use {
	struct quota limits;
	uint64_t space; /* bytes */
	uint64_t inodes;
	/* Over a soft limit: when it becomes the hard one, in seconds since 1970; else 0. */
	int64_t space_until, inodes_until;
};

struct quota_uses {
	struct quota_use *items;
	size_t count, capacity;
};

#define QUOTA_USES_INIT ((struct quota_uses){ 0 })

/* Whoever has something or a limit, by id. ERROR_QUOTA. */
int quota_read(const struct image *image, enum quota_kind kind, struct quota_uses *ret,
	       struct error *err);
void quota_uses_release(struct quota_uses *uses);

/* These are the limits then, and there are no others. ERROR_QUOTA. */
int quota_limit(const struct image *image, enum quota_kind kind, const struct quotas *limits,
		struct error *err);
