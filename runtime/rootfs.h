/*
 * What a VE sees as its files. The runtime prepares mounts as descriptors with the rights of the host
 * (the tree with mapped ids, device nodes, binds), hands them to the new process, and that one puts
 * them together in its own mount namespace, where every path already resolves inside the new root.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/ve.h"

enum { ROOTFS_HOST_MAX = 8 };

struct rootfs {
	int tree; /* with mapped ids, nodev */
	int dev; /* tmpfs with its nodes */
	int *binds; /* in the order of the specification */
	size_t bind_count;

	/* VE_ROOT_HOST_TOOLS: folders and files of the host, by index into a table of rootfs.c */
	int host[ROOTFS_HOST_MAX];

	/* What was made in the tree to mount on, to be removed again: deepest last. */
	struct strvec made;
	unsigned base; /* VE_ROOT_MOUNT: of the ids that it was made with; else 0 */
};

#define ROOTFS_INIT                                                   \
	((struct rootfs){ .tree = -1,                                 \
			  .dev = -1,                                  \
			  .host = { -1, -1, -1, -1, -1, -1, -1, -1 }, \
			  .made = STRVEC_INIT })

/* Of the runtime: `base` is the host's id of the VE's root. */
int rootfs_prepare(const struct ve_spec *spec, int userns, unsigned base, struct rootfs *root,
		   struct error *err);

/* Removes from the tree what was made there, if it is still empty. */
int rootfs_clean(struct rootfs *root, int tree, struct error *err);
void rootfs_release(struct rootfs *root);

/* In the VE's first process: makes it the root, and leaves nothing else of the host. */
int rootfs_enter(const struct ve_spec *spec, const struct rootfs *root, struct error *err);
