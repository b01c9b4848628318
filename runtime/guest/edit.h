/*
 * Files in a tenant's tree, by path below `root`: nothing leads out of it, nothing blocks, and what is no regular
 * file counts as not there and is replaced. A file keeps its owner and mode.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

/* false if there is no such regular file, or one of more than 1 MiB. */
bool guest_read(int root, const char *path, struct strbuf *text);

/* Replaces it by rename, if it is not the same already; its folder must be there. */
int guest_write(int root, const char *path, const struct strbuf *text, struct error *err);

/* A missing one is success. */
int guest_remove(int root, const char *path, struct error *err);

/* Appends what is between our marker lines; nothing if they are not there. */
void guest_read_block(int root, const char *path, struct strbuf *block);

/* Replaces what is between our marker lines (appended if there are none yet) by `block`; an empty one goes with its
 * markers. Everything else in the file stays as it is. */
int guest_write_block(int root, const char *path, const char *block, struct error *err);

bool guest_has(int root, const char *path); /* anything of that name, links followed */
