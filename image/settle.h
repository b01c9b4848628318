/*
 * A tree that is packed becomes what unpacking its tarball would give, without being unpacked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Sets file times later than `epoch` (Unix seconds) back to it, and the others to whole seconds; image_pack() with the same epoch gives the
 * same tarball before, meanwhile and afterwards. *ret is false if there is something that a tarball would not have: device
 * nodes, sockets, attributes of overlays; then nothing is done.
 */
int tree_settle(int tree, int64_t epoch, bool *ret, struct error *err);
