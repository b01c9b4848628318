/*
 * Making one generation of a template's cache, from nothing or from the one before: what create-cache and
 * update-cache have in common. The stages are called in the order in which they stand here; cache_build_release()
 * takes away what a build that was not published has left.
 */
#pragma once

#include <stdbool.h>

#include "base/background.h"
#include "base/worker.h"
#include "image/pack.h"
#include "image/precompress.h"
#include "vzpkg/app.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/build_lock.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/resolve/difference.h"

struct cache_build {
	struct app *app;
	const struct template *template;
	bool gzip_single;
	bool gate; /* publish it only if it works: gate.h */
	struct app_plan solved;
	struct packages packages;
	struct workdir workdir;
	int tree; /* in the work folder */
	bool tried; /* the gate has tried the tree, and taken it for its layer */
	struct generation_draft draft;
	struct image_packed image;
	unsigned keep; /* generations */
	/* Of scripts; 0: install_apply() knows. */
	unsigned timeout_s, processes, memory_mb;
	int64_t epoch; /* no file time in the tarball is later than this, Unix seconds */
	bool epoch_given; /* by the caller, in SOURCE_DATE_EPOCH */
	struct member_cache *members; /* compressed already */
	struct workers *meanwhile; /* what goes on while a VE is at work */
	struct precompress precompress;
	struct background removal; /* of the tree that has been packed, if nobody needs it */
	unsigned refreshes; /* of this one since the last that was made from nothing */
	bool unowned_wanted; /* of a build from nothing, too */
	struct strvec unowned; /* what no package owns; see install/ownership.h */
};

#define CACHE_BUILD_INIT                                  \
	((struct cache_build){ .packages = PACKAGES_INIT, \
			       .workdir = WORKDIR_INIT,   \
			       .tree = -1,                \
			       .draft = GENERATION_DRAFT_INIT })

/* Takes the template's lock, and removes what runs that were killed have left. */
int cache_build_lock(struct build_lock *lock, struct app *app, const struct template *template,
		     struct error *err);

/* The settings of the host's files and the environment. ERROR_ARCH if the host cannot run the template. */
int cache_build_open(struct cache_build *build, struct app *app, const struct template *template,
		     struct error *err);
void cache_build_release(struct cache_build *build);

/* From the plan in build->solved to a tree: all of its packages, */
int cache_build_from_nothing(struct cache_build *build, struct error *err);

/*
 * … or those of a difference, which are applied to the tree of the current generation, whose manifest is given. ERROR_GATE if the
 * result is not beyond doubt what a build from nothing would give.
 */
int cache_build_from_before(struct cache_build *build, const json_t *manifest,
			    const struct difference *difference, struct error *err);

/* The tree becomes the tarball in build->draft. With `gate` the tree is tried meanwhile, if that can be; ERROR_GATE if it does not work. */
int cache_build_pack(struct cache_build *build, struct error *err);

/* What was written is read back, and the draft becomes the current generation. With `gate`, ERROR_GATE if it does not work. */
int cache_build_publish(struct cache_build *build, struct error *err);

/* Files in messages are mostly named from TEMPLATE on, and whose disk is full wants to know which disk. Returns -1. */
int cache_build_failed(const struct app *app, struct error *err);
