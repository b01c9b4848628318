/*
 * A VE's files in an ext4 in a file, of which the size is the limit: "image" in the folder of its disk. It is sparse, and what is freed in it
 * is freed on the host. It is mounted in no place of the host's: who uses it has a descriptor, and with the last of these it is detached.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/config/ve_disk.h"
#include "runtime/loop.h"

struct image {
	int file;
	struct loop loop;
	int top; /* the folder that all is in */
};

#define IMAGE_INIT ((struct image){ .file = -1, .loop = LOOP_INIT, .top = -1 })

/* Makes one in the folder, of which df shows the hard limits. Its limit of inodes needs one of space. ERROR_VALUE if these cannot be;
 * ERROR_EXEC without mke2fs(8). */
int image_make(int folder, const struct disk_limits *limits, struct error *err);

/* Mounts it, or the same once more. ERROR_DISK. */
int image_open(int folder, struct image *ret, struct error *err);
void image_release(struct image *image);

/* Whether users and groups are counted in it, and can be limited (quota.h). */
bool image_has_quotas(const struct image *image);

/* Another mount of it, in no place. */
int image_mount(const struct image *image, struct error *err);

/* How its limits compare with those: of space (rounded to MB) less than 0 if it is smaller, and more if it is larger; of inodes, whether they
 * are the same. */
int image_compare_space(const struct image *image, uint64_t space);
bool image_has_inodes(const struct image *image, uint64_t inodes);

/* Makes it larger, also while it is in use elsewhere; what it has for inodes grows with it. 1 if this host can only do that by making
 * another one. */
int image_grow(const struct image *image, uint64_t space, struct error *err);

/* Nothing in it is written from then on, and all that was written is in the file; until image_thaw(), which one that was
 * killed in between has left undone. Writers wait. */
int image_freeze(const struct image *image, struct error *err);
void image_thaw(const struct image *image);

/* Copies it into another folder, of any file system. It is frozen, or not in use; a use that is at its end is waited for. Contents are shared where
 * the file system can do that. */
int image_copy(int from, int to, bool frozen, struct error *err);
