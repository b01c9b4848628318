/*
 * Compressing a tree in the background while it is still being worked on: most of it will not change any more.
 * What did change is compressed again by image_pack(), which takes the rest over. The tarball is the same
 * with and without it.
 */
#pragma once

#include <stdint.h>

#include "base/background.h"
#include "base/error.h"
#include "image/member_cache.h"

struct precompress {
	struct background child;
};

#define PRECOMPRESS_INIT ((struct precompress){ 0 })

/* Starts a child of low priority that fills `cache` with the members of the tree as it is now. What it
 * cannot read it passes over. Call it from a single-threaded process. */
int precompress_start(struct precompress *precompress, int tree, int64_t epoch,
		      struct member_cache *cache, struct error *err);

/* The same for a tree that is being filled: the child looks again and again at what is new, until it is stopped. */
int precompress_follow(struct precompress *precompress, int tree, int64_t epoch,
		       struct member_cache *cache, struct error *err);

/* Ends the child, wherever it is. */
void precompress_stop(struct precompress *precompress);
