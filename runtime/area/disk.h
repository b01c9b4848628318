/*
 * What a VE's own files are on, and what limits them (config/ve_disk.h). All kinds have one shape: a folder that has in it `upper` and `work` of an
 * overlay VE, or `fs` of a simfs one.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/report.h"
#include "runtime/area/image.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_disk.h"

struct disk {
	enum disk_kind kind;
	unsigned project;
	int folder; /* as it is on the host: with `image`, or with the files */
	int dir; /* with the files */
	struct image image;
};

#define DISK_INIT ((struct disk){ .folder = -1, .dir = -1, .image = IMAGE_INIT })

/* "upper" or "fs" */
const char *disk_own_part(enum ve_layout layout);

/* Opens that of a VE in its private area. An image is mounted, if `files`; else `dir` is not there. */
int disk_open(int private_area, const struct ve_disk *which, bool files, struct disk *ret,
	      struct error *err);
void disk_release(struct disk *disk);

/* A mount of `dir`, in no place. In the mount namespace that the disk was opened in. */
int disk_mount(const struct disk *disk, struct error *err);

struct disk_make {
	int parent;
	const char *name; /* of its folder */
	enum disk_kind kind;
	unsigned project;
	const struct disk_limits *limits; /* NULL: none */
};

/* Makes an empty one. Nothing of it is left after a failure. */
int disk_make(const struct disk_make *make, struct disk *ret, struct error *err);

/* Makes one with what another has in it, in which nobody changes anything meanwhile; `frozen` (image_freeze()) if it is in use. Cheap where the
 * file system can share contents. The other one's `dir` need not be there if both are images. */
int disk_copy(const struct disk *from, enum ve_layout layout, bool frozen,
	      const struct disk_make *make, struct error *err);

/* Removes what disk_make() made under that name; a missing one is success. */
int disk_remove(int parent, const char *name, struct error *err);

/* Sets the limits of one that can change them at any time: project, qgroup. */
int disk_limit(const struct disk *disk, const struct disk_limits *limits, struct error *err);

/* Whether a kind can hold limits of that sort. */
bool disk_can_hold(enum disk_kind kind, const struct disk_limits *limits);

struct disk_choice {
	int private_area;
	unsigned ctid;
	const struct ve_disk *before; /* of the VE; that of its first one is VE_DISK_INIT */
	enum disk_kind wanted; /* may be DISK_AUTO */
	const struct disk_limits *limits;

	/* disk_choose_copy() alone */
	const struct disk *from;
	enum ve_layout layout;
};

/* Makes a new one that is to take the place of the one before, by the first kind that works. ERROR_QUOTA if none does, and why. *which is released by the
 * caller. */
int disk_choose(const struct disk_choice *choice, struct ve_disk *which, struct disk *ret,
		struct error *err);

/* The same with what another one has in it (disk_copy()), which is not in use. */
int disk_choose_copy(const struct disk_choice *choice, struct ve_disk *which, struct error *err);
