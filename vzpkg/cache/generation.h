/*
 * Template caches on disk. What users see are NAME.tar.gz, NAME.manifest.json and NAME.tar.gz.sha256
 * in TEMPLATE/cache; each generation has them in a folder of its own, .generations/NAME/N, of which
 * the visible files are hard links. The switch is the rename of NAME.tar.gz; if a run dies between it
 * and the two beside it, the next one puts them right from the generation that NAME.tar.gz is of.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/strvec.h"

struct generation_draft {
	int parent; /* .generations/NAME */
	int dir; /* the draft's folder, in .generations/NAME, under a temporary name */
	char *temporary;
	int fd; /* NAME.tar.gz in it, open for reading and writing */
	char *name; /* NAME */
	int cache; /* TEMPLATE/cache */
	struct lock lock; /* of the generations of NAME */
};

#define GENERATION_DRAFT_INIT       \
	((struct generation_draft){ \
		.parent = -1, .dir = -1, .fd = -1, .cache = -1, .lock = LOCK_INIT })

/*
 * Begins a new generation of template NAME. Waits a minute at most for another one of that name that is
 * being made or removed (ERROR_LOCKED). generation_abandon() is due in any case, also after a failure.
 */
int generation_begin(struct generation_draft *draft, const char *template_dir, const char *name,
		     struct error *err);

/*
 * The tarball in draft->fd is complete and verified: writes the manifest and the checksum beside it,
 * fsyncs, gives the folder its number, switches the visible files over, and drops the oldest
 * generations beyond `keep`.
 */
int generation_publish(struct generation_draft *draft, const json_t *manifest,
		       const char *gzip_sha256, unsigned keep, struct error *err);

/* Drops it; nothing happened. Also to be called after publishing (it then only closes). */
void generation_abandon(struct generation_draft *draft);

/* true if there is a cache of that name. The manifest (to be json_decref'ed) may be NULL. */
bool generation_current(const char *template_dir, const char *name, json_t **ret_manifest);

/* All names that have a cache. */
int generation_names(const char *template_dir, struct strvec *names, struct error *err);

/* Removes the visible files and all generations. ERROR_NOT_CACHED if there are none, ERROR_LOCKED if
 * one is being made for more than a minute. */
int generation_remove(const char *template_dir, const char *name, struct error *err);

/*
 * Mends what a killed run left: half-switched names, temporary folders. What somebody is at work on is
 * left alone. A complete generation that was not switched to is dropped: its run did not succeed.
 */
int generation_repair(const char *template_dir, struct error *err);
