/*
 * What nobody needs any more below TEMPLATE/pm: indexes and their caches that were not used for a month, and
 * temporary files of runs that were killed.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* `pm` is the descriptor of TEMPLATE/pm; its lock is held. What cannot be removed stays. */
void metadata_tidy(int pm);

/* Removes all indexes and their caches, to be fetched anew; what says which metadata is too old to be taken stays. Takes the lock, for which it
 * waits `timeout_s` seconds. What was used within the last minute stays: another vzpkg may be reading it. Returns how many
 * files went, or -1. */
int metadata_clean(int pm, unsigned timeout_s, uint64_t *ret_bytes, struct error *err);
