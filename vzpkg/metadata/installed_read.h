/*
 * What the readers of installed sets share. For vzpkg/metadata/ only.
 */
#pragma once

#include <stdint.h>

#include "base/strbuf.h"
#include "vzpkg/metadata/installed.h"

enum {
	INSTALLED_PACKAGES_MAX = 100000,
	INSTALLED_WORD_MAX = 255, /* bytes of a name, a version, an architecture */
};

/* A regular file of the tree, of at most `limit` bytes. -1: ERROR_NO_FILE if there is none, else ERROR_PACKAGES. */
int installed_open(int tree, const char *path, uint64_t limit, struct error *err);

/* "PATH: …", ERROR_PACKAGES. Returns -1. */
int installed_broken(struct error *err, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Letters, digits and what is in `more`; neither empty nor too long. */
bool installed_word(const char *word, const char *more);

/* A set in the making. */
struct installed_builder {
	struct installed packages;
	struct strbuf text; /* the record of each, in the same order */
	size_t *ends;
	size_t capacity;
};

#define INSTALLED_BUILDER_INIT ((struct installed_builder){ .text = STRBUF_INIT })

/* Its record was appended to `text` before. */
void installed_builder_add(struct installed_builder *builder,
			   const struct installed_package *package);

/* Sorted, with its digest. */
void installed_builder_finish(struct installed_builder *builder, enum package_format format,
			      struct installed_set *ret);
void installed_builder_release(struct installed_builder *builder);

/* Fingerprints: what is in a file is added, and what is not there is, too. */
struct hasher;
int installed_hash_file(int tree, const char *path, uint64_t limit, struct hasher *hasher,
			struct error *err);

int installed_read_deb(int tree, struct installed_set *ret, struct error *err);
int installed_hash_deb(int tree, struct hasher *hasher, struct error *err);

int installed_read_rpm(int tree, struct installed_set *ret, struct error *err);
int installed_hash_rpm(int tree, struct hasher *hasher, struct error *err);
