/*
 * A private area's own part, `upper` or `fs`, kept as it is while a change is tried. In VE_PRIVATE there are
 *
 *	.saving		the copy while it is made: of no use
 *	.saved.N	the copy, complete and on disk. While the own part is the inode N a change is under way; if it is another
 *			one, the copy has taken its place already, and this is what was changed
 *	.dropped.N	what nobody needs any more
 *
 * each locked (flock) while its maker lives. What a maker that was killed leaves is put right by whoever opens the area next with the
 * VE's lock: the change is undone.
 */
#pragma once

#include "base/error.h"

/* `name`: of the own part in the folder `dir`. Returns a descriptor that holds the copy's lock: to be closed at the end. On disk, of the size
 * of the own part. -1: nothing is left of it. */
int saved_make(int dir, const char *name, struct error *err);

/* The copy takes the place of the own part, which is not mounted any more, in one step. */
int saved_put_back(int dir, const char *name, struct error *err);

/* The change stays. */
int saved_drop(int dir, const char *name, struct error *err);

/* For the holder of the VE's lock, while it is not mounted. What is only to be removed and cannot be is left. */
int saved_reconcile(int dir, const char *name, struct error *err);
