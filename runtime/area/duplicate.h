/*
 * A tree once more, exactly: owners, modes, times, hard links, holes, all extended attributes (overlay's own, ACLs, capabilities),
 * devices (overlay's whiteouts), sockets and FIFOs.
 */
#pragma once

#include "base/error.h"

/*
 * Copies the folder `from`, in which nobody changes anything meanwhile, into the empty folder `to` of the same file system, and
 * gives that one its attributes. `links`: an empty folder beside it, in which hard links are for as long as it takes; it is left to the caller to remove. Contents are
 * shared where the file system can do that. Of any depth; links are not followed, and what is mounted in it is an error. ERROR_INTERRUPTED; what was
 * copied by then stays.
 */
int tree_duplicate(int from, int to, int links, struct error *err);
