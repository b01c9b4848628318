/*
 * A tree once more, as unpacking a tarball of it would make it, but several times as fast.
 */
#pragma once

#include "base/error.h"

/*
 * Copies what is in the folder `from`, which nobody changes meanwhile, into the empty folder `to`, by that many processes: owners, modes, times,
 * hard links, and the extended attributes and ACLs that a tarball has. On file systems that can do it contents are shared.
 * -1: what was copied by then stays for the caller to remove.
 */
int tree_copy(int from, int to, unsigned jobs, struct error *err);
