/*
 * A .deb whose data.tar is not compressed, which every dpkg since 1.10.24 reads (deb(5)). All else of it is as it was.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Writes it to `to`, an empty file; `from` is the package's file, which was verified. *done is false, and what was written is of no use, if it cannot be made: its data.tar is not
 * compressed, it is more than `limit` bytes, or something about the package is unusual. Its own dpkg may try.
 * -1: it could not be read or written.
 */
int share_deb(int from, int to, uint64_t limit, const char *name, bool *done, struct error *err);
