/* The device nodes of a VE. */
#pragma once

#include "base/error.h"

/*
 * A new tmpfs with the fixed list of nodes, links and mount points of /dev, owned by the host's id
 * `base`. Made with the host's rights: nobody in a user namespace can make nodes that work. Returns
 * the descriptor of the mount, not yet in any place.
 */
int device_folder_new(unsigned base, struct error *err);
