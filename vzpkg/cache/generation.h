/*
 * Template caches on disk. What users see are NAME.tar.gz, NAME.manifest.json and NAME.tar.gz.sha256
 * in TEMPLATE/cache; each generation has them in a folder of its own, .generations/NAME/N, of which
 * the visible files are hard links. The switch is the rename of NAME.tar.gz; if a run dies between it
 * and the two beside it, the next one puts them right from the generation that NAME.tar.gz is of.
 *
 * Numbers only grow: who says NAME@5 means the same one for ever. After a rollback the newer ones stay.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/lock.h"
#include "base/strvec.h"

/* How many generations are kept, if KEEP_GENERATIONS does not say. */
enum { GENERATIONS_KEPT = 3 };

struct generation_draft {
	int parent; /* .generations/NAME */
	int dir; /* the draft's folder, in .generations/NAME, under a temporary name */
	char *temporary;
	int fd; /* NAME.tar.gz in it, open for reading and writing */
	char *name; /* NAME */
	int cache; /* TEMPLATE/cache */
	struct lock lock; /* of the generations of NAME */
	bool incremental; /* for the caller to set: it is a refresh of the current one */
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
 * generations beyond `keep`, which are this one, the one that was current until now, and the newest.
 */
int generation_publish(struct generation_draft *draft, const json_t *manifest,
		       const char *gzip_sha256, unsigned keep, struct error *err);

/* A further file of the draft, NAME.SUFFIX, which stays with the generation; and that of the current generation, to
 * be json_decref'ed, or NULL if it has none. */
int generation_note(const struct generation_draft *draft, const char *suffix, const json_t *note,
		    struct error *err);
json_t *generation_current_note(const struct generation_draft *draft, const char *suffix);

/* Drops it; nothing happened. Also to be called after publishing (it then only closes). */
void generation_abandon(struct generation_draft *draft);

/* true if there is a cache of that name. The manifest (to be json_decref'ed) may be NULL. */
bool generation_current(const char *template_dir, const char *name, json_t **ret_manifest);

/* All names that have a cache. */
int generation_names(const char *template_dir, struct strvec *names, struct error *err);

/* true if the cache of that name is a generation; a tarball that somebody else has put there is none. */
bool generation_is_ours(const char *template_dir, const char *name);

/* Removes the visible files and all generations. ERROR_NOT_CACHED if there are none, ERROR_LOCKED if
 * one is being made for more than a minute. */
int generation_remove(const char *template_dir, const char *name, struct error *err);

/* ---- those that are kept --------------------------------------------------------------------- */

struct generation {
	unsigned number;
	bool current;
	bool pinned; /* never collected */
	bool incremental; /* a refresh of the one before; else built from nothing */
	int64_t time; /* when it was made, Unix seconds */
	uint64_t size; /* bytes of its tarball */
};

/* All of them, oldest first, to be freed. ERROR_NOT_CACHED if there is no cache of that name; one that
 * vzpkg did not make has none. */
int generation_list(const char *template_dir, const char *name, struct generation **ret,
		    size_t *ret_count, struct error *err);

/* The manifest of one of them (0: of the visible files), to be json_decref'ed. ERROR_NOT_CACHED if there is none of that
 * number, ERROR_NO_FILE without a manifest, ERROR_TRUST for what is none of ours. */
int generation_manifest(const char *template_dir, const char *name, unsigned number, json_t **ret,
			struct error *err);

/* What every reader of a manifest relies on; ERROR_TRUST if it is not so. `file` is for the message, `name` the template. */
int generation_manifest_check(const json_t *manifest, const char *file, const char *name,
			      struct error *err);

/* A descriptor of the folder with its three files (0: of TEMPLATE/cache itself), or -1 as above. */
int generation_folder(const char *template_dir, const char *name, unsigned number,
		      struct error *err);

/*
 * Makes number `to` the current one (0: the one before the current), which is *ret_to then; it was *ret_from. The others stay, those
 * that are newer too, and the next one that is published has a number above all. ERROR_NOT_CACHED if there is none such.
 */
int generation_rollback(const char *template_dir, const char *name, unsigned to, unsigned *ret_from,
			unsigned *ret_to, struct error *err);

/* Pins a generation, or with number 0 the template, or takes the pin away. Returns 1 if that changed something. */
int generation_pin(const char *template_dir, const char *name, unsigned number, bool pinned,
		   struct error *err);

/* true if no refresh is to touch the template. */
bool generation_template_pinned(const char *template_dir, const char *name);

/*
 * Mends what a killed run left: half-switched names, temporary folders. What somebody is at work on is
 * left alone. A complete generation that was never switched to is dropped: its run did not succeed.
 */
int generation_repair(const char *template_dir, struct error *err);
