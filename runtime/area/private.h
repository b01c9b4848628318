/*
 * The private area of a VE: what is its own on disk.
 *
 *	overlay		VE_PRIVATE/{upper,work} over a layer; ids on disk are those in the VE
 *	simfs		VE_PRIVATE/fs, the whole tree; ids on disk are those in the VE
 *	simfs, shifted	the same with the VE's ids on the host, for file systems that cannot show ids mapped
 *
 * A VE with limits has these in VE_PRIVATE/disk.N, or in what is there (disk.h).
 *
 * A mount that has to be seen by a VE is made in a mount namespace of the caller's own.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "runtime/area/disk.h"
#include "runtime/area/layer.h"
#include "runtime/config/ve_config.h"

struct private_area {
	enum ve_layout layout;
	bool ids_shifted;
	int dir; /* VE_PRIVATE */
	struct disk disk;
	int tree; /* simfs: fs; else -1 */
	int saved; /* private_save(): holds the copy; else -1 */
	struct layer layer; /* overlay */
};

#define PRIVATE_AREA_INIT       \
	((struct private_area){ \
		.dir = -1, .disk = DISK_INIT, .tree = -1, .saved = -1, .layer = LAYER_INIT })

/* With the VE's lock. What somebody has saved who was killed before his change was complete is put back. ERROR_NO_PRIVATE if it or its layer is
 * not there. */
int private_open(const struct host_config *host, const struct ve_config *config,
		 struct private_area *ret, struct error *err);
void private_release(struct private_area *area);

/* What a snapshot has, from its folder and its info (snapshot.h), as if it were a VE's. It is not to be changed. ERROR_NO_PRIVATE, ERROR_VALUE: its info has
 * a mistake. */
int private_open_snapshot(const struct host_config *host, int folder, const struct conf *info,
			  struct private_area *ret, struct error *err);

/*
 * Keeps upper or fs as it is (saved.h), while it is not mounted; then one of the others ends that. What is neither put back nor forgotten is put back
 * by whoever opens the area next. private_put_back(): it must not be mounted any more.
 */
int private_save(struct private_area *area, struct error *err);
int private_put_back(struct private_area *area, struct error *err);
int private_forget(struct private_area *area, struct error *err);

/* Makes upper and work for the layer in the folder `dir`, ids as on any disk. */
int private_make_overlay(int dir, const struct layer *layer, struct error *err);

/* Copies of the mounts that its folders are on, with ids mapped; taken in the mount namespace that they are in. */
struct private_copies {
	int tree; /* simfs; or what has upper and work */
	const char *below; /* simfs: where in it the tree is; else NULL */
	int lower; /* overlay: the layer; else -1 */
};

#define PRIVATE_COPIES_INIT ((struct private_copies){ -1, NULL, -1 })

/* With `userns` -1, ids are as on disk. ERROR_CONTAINER: this file system cannot show ids mapped. */
int private_copy(const struct private_area *area, int userns, struct private_copies *ret,
		 struct error *err);
void private_copies_release(struct private_copies *copies);

/*
 * Mounts it as the VE with the ids from `base` on is to see it, in the mount namespace of the calling process, which
 * is one of its own; `scratch` is a folder of the host that nothing in this process needs. Returns a
 * descriptor of the mount, nodev, not in any place. ERROR_CONTAINER: the kernel cannot do that here.
 */
int private_mount(const struct private_copies *copies, unsigned base, const char *scratch,
		  struct error *err);

/*
 * overlay copies a folder into the upper layer for the sake of something that is made in it, and leaves it there when that is
 * gone. Takes such folders away, of `folder` (relative to the VE's root) and of those that it is in: they are empty, and
 * the layer's are the same. While it is not mounted.
 */
void private_tidy(const struct private_area *area, const char *folder);

/* Tries both in a child: 0 if it works here. */
int private_try(const struct private_area *area, int userns, unsigned base, const char *scratch,
		struct error *err);

/* A mount of it as the host is to see it (ids as on disk), nodev, nosuid, not in any place. In a process of its own, which gets a mount
 * namespace of its own; `scratch` as above. */
int private_show(const struct private_area *area, bool read_only, const char *scratch,
		 struct error *err);

/* The same from any process. */
int private_show_apart(const struct private_area *area, bool read_only, const char *scratch,
		       struct error *err);

/* The same at `target`, which others see too. */
int private_mount_host(const struct private_area *area, const char *target, struct error *err);

/* Removes what a command that was killed has left beside what the configuration names, if that is whole. For the holder of the VE's
 * lock. What cannot be removed is left. */
void private_sweep(const struct ve_config *config);

/* Removes all of it; `path` need not be there. */
int private_remove(const char *path, struct error *err);
