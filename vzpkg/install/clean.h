/*
 * What must not be copied with a template: identities, secrets, caches, logs.
 */
#pragma once

#include "base/error.h"

/* The VE has ended. `tree` is walked without following a link out of it. */
int clean_tree(int tree, struct error *err);
