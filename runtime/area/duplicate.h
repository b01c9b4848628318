/*
 * A tree once more, exactly: owners, modes, times, hard links, holes, all extended attributes (overlay's own, ACLs, capabilities),
 * devices (overlay's whiteouts), sockets and FIFOs.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/*
 * Copies the folder `from`, in which nobody changes anything meanwhile, into the empty folder `to`, and gives that one its attributes.
 * `links`: an empty folder on the same file system as `to`, in which hard links are for as long as it takes; it is left to the caller to
 * remove. Contents are shared where the file system can do that. Of any depth; links are not followed, and what is mounted in it is an error.
 * ERROR_INTERRUPTED; what was copied by then stays.
 */
int tree_duplicate(int from, int to, int links, struct error *err);

/*
 * Makes the folder `to`, in which there is a tree already, the same as `from`. What is the same is not touched, so that of an overlay only what
 * differs is copied up.
 */
int tree_equalize(int from, int to, int links, struct error *err);

/* The content of a file into one that is empty: shared, or else without what are holes in it. */
int file_duplicate(int from, int to, off_t size, struct error *err);
