/*
 * Entries as tar bytes in memory: the headers are libarchive's (pax, restricted), the content is
 * read from the tree. One writer belongs to one thread.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "image/walk.h"

struct tar_writer;

/* File times later than `epoch` (Unix seconds) are written as `epoch`. */
struct tar_writer *tar_writer_new(int tree, int64_t epoch, struct error *err);
void tar_writer_free(struct tar_writer *writer);

/*
 * The tree is in use: what has changed its size since it was walked, or is not there any more, is no error, but is cut or
 * filled up with zeros, and changed[i] becomes 1 for the entry walk->entries[i] (several writers may share it).
 */
void tar_writer_live(struct tar_writer *writer, const struct walk *walk, unsigned char *changed);

/*
 * Appends the entry's headers if `offset` is 0, then `length` bytes of its content from `offset`, and at its end the padding.
 * A file that is not as long any more is an error, unless the tree is live.
 */
int tar_write(struct tar_writer *writer, const struct walk_entry *entry, uint64_t offset,
	      uint64_t length, struct strbuf *tar, struct error *err);

/* Appends the two empty blocks that end an archive. */
void tar_write_end(struct strbuf *tar);
