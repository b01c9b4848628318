/*
 * A tree as a plain tar, without compression: for files that are compressed already. The same bytes for the same tree (image/pack.h).
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/report.h"

/* Writes to `fd` from its current offset. File times later than `epoch` (Unix seconds) are set back to it. Progress in bytes. */
int tar_tree(int tree, int64_t epoch, int fd, const char *name, struct report *report,
	     struct error *err);
