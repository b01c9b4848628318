/* btrfs: subvolumes, and the limits of their quota groups. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* ERROR_TECHNOLOGY: the folder is not on btrfs. */
int subvolume_make(int folder, const char *name, struct error *err);

/* A copy of the subvolume `from` as it is at this moment, which shares what neither changes. */
int subvolume_snapshot(int from, int folder, const char *name, struct error *err);

/* Bytes that it may refer to; 0: any number. ERROR_QUOTA: quotas are not enabled. */
int subvolume_limit(int subvolume, uint64_t bytes, struct error *err);

/* false if it is none, or cannot be removed as one. */
bool subvolume_remove(int folder, const char *name);
