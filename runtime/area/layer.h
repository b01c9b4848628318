/*
 * Layers: a template tarball unpacked once, read-only, shared by all overlay VEs made from it.
 *
 *	TEMPLATE/layer/SHA256-OF-TARBALL/	the tree, ids as in the tarball; never changed
 *	TEMPLATE/layer/.known/…			which file had which digest: device, inode, size, times
 *	TEMPLATE/layer/.unpacking/		what an interrupted run left; swept by the next
 *	TEMPLATE/layer/.dropped-…/		likewise, of layer_collect()
 *	TEMPLATE/layer/.arriving-…/		comes from another host (layer_arrive.h)
 *
 * TEMPLATE/layer is for root alone: the trees in it hold set-user-id programs of other people.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"

struct layer {
	int dir; /* the tree; -1: none. While it is open the layer is not collected */
	char digest[65]; /* hexadecimal */
};

#define LAYER_INIT ((struct layer){ .dir = -1 })

/* The layer of that tarball, unpacked now if it is not there. Two processes unpack one after the other. A
 * tarball that differs from the FILE.sha256 beside it is ERROR_TRUST; one that is no good
 * ERROR_BAD_TEMPLATE. */
int layer_take(const struct host_config *host, const char *tarball, struct report *report,
	       struct layer *ret, struct error *err);

/* Moves a layer that was made elsewhere on this file system, `folder`, named by its digest, to where layers are: that of
 * `tarball`, which the caller knows to be so. If there is one already, that one stays. */
int layer_adopt(const struct host_config *host, const char *folder, const char *tarball,
		struct error *err);

/* Opens the layer of that digest, or ERROR_NO_PRIVATE. */
int layer_open(const struct host_config *host, const char *digest, struct layer *ret,
	       struct error *err);
void layer_release(struct layer *layer);

/* Unpacks a tarball into a folder, by a child with threads. With `userns` (or -1) the files get the ids of that
 * user namespace on disk. Then makes the folders that a VE's own file systems are mounted on. */
int layer_unpack(const char *tarball, int tree, int userns, struct report *report, char digest[65],
		 struct error *err);
