/*
 * Brings the indexes that verified top files name, and fills result->indexes. They are stored by digest: one that is there is not fetched
 * again, whichever repository names it. For vzpkg/metadata/ only.
 */
#pragma once

#include "vzpkg/metadata/sync.h"

int index_fetch_deb(struct sync *sync, struct error *err);
int index_fetch_rpm(struct sync *sync, struct error *err);

/* Where an index is stored: "indexes/sha256/ab/abcdef….gz" below pm/. To be freed. */
char *index_stored_path(const struct digest *digest, const char *extension);

/* Used again: its age, by which old ones are dropped, begins anew. `size` 0: any. */
bool index_is_stored(int pm, const char *path, uint64_t size);

/* Makes the folder that it belongs in. */
int index_make_folder(int pm, const char *path, struct error *err);

enum { INDEX_LIMIT = 1 << 30 }; /* bytes, of a file as fetched */
