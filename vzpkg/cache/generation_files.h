/*
 * Where generations are. Inside of cache/ only.
 *
 *	cache/NAME.tar.gz			hard link of the current generation's
 *	cache/.generations/NAME/lock		held while one is being made or removed
 *	cache/.generations/NAME/.draft/		being written
 *	cache/.generations/NAME/.dropped/	being removed
 *	cache/.generations/NAME/7/NAME.tar.gz	complete
 *	cache/.generations/NAME/7/incremental	it is a refresh of the one before; else it was built from nothing
 *	cache/.generations/NAME/7/pinned	it is not collected
 *	cache/.generations/NAME/7/published	it was the current one once, and may be above it since a rollback
 *	cache/.generations/NAME/pinned		the template is not refreshed
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/lock.h"

#define GENERATION_DRAFT ".draft"
#define GENERATION_DROPPED ".dropped"
#define GENERATION_LOCK "lock"

/* Marks: empty files. */
#define GENERATION_INCREMENTAL_MARK "incremental"
#define GENERATION_PINNED_MARK "pinned"
#define GENERATION_PUBLISHED_MARK "published"

/* The tarball comes first: its rename is the switch. */
enum { SUFFIX_TARBALL, SUFFIX_MANIFEST, SUFFIX_SUM, SUFFIX_COUNT };
extern const char *const generation_suffixes[SUFFIX_COUNT];

int generation_cache_open(const char *template_dir, bool create, struct error *err);

/* .generations/NAME */
int generation_parent_open(int cache, const char *name, bool create, struct error *err);

/* Opens .generations/NAME, creating it, and locks it: at most `timeout_s` seconds. */
int generation_parent_lock(int cache, const char *name, unsigned timeout_s, struct lock *lock,
			   int *ret_parent, struct error *err);

/* true if cache/NAME.tar.gz exists. */
bool generation_visible(int cache, const char *name);

/* The numbers of the generations in `parent`, ascending; to be freed. */
unsigned *generation_numbers(int parent, size_t *ret_count);

/* The generation whose tarball the visible one is, or 0. */
unsigned generation_current_number(int cache, int parent, const char *name);

/* Makes the visible files those of that generation; on a full disk, none of them. */
int generation_switch(int cache, int parent, unsigned number, const char *name, struct error *err);

/* What a switch that was interrupted has left. */
void generation_drop_temporaries(int cache, const char *name);

/* As a whole: who is killed in the middle leaves no generation that lacks something. */
void generation_drop(int parent, unsigned number);

/* Marks of a generation, or with number 0 of the template. Setting and taking away may be repeated. */
bool generation_marked(int parent, unsigned number, const char *mark);
int generation_mark(int parent, unsigned number, const char *mark, struct error *err);
int generation_unmark(int parent, unsigned number, const char *mark, struct error *err);

/* Drops those that were never switched to: their run was killed. They are above the current one, and have no mark. */
void generation_drop_unpublished(int parent, unsigned current);

/*
 * Those beyond the `keep` (at least 1) that are kept: `first` (0: none), `second` (0: none), then the highest. Neither a
 * pinned one is among them, nor the highest, from which the next gets its number. To be freed.
 */
unsigned *generation_surplus(int parent, unsigned keep, unsigned first, unsigned second,
			     size_t *ret_count);

/* Removes .generations/NAME with all generations and the lock, which is held exclusively. */
void generation_clear(int cache, int parent, const char *name, struct lock *lock);
