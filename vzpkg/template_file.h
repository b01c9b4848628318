/*
 * The text files of template metadata: where they are found, their lines, and what happens to
 * mistakes in them. For vzpkg/template*.c and
 * vzpkg/import/ only.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/template.h"

enum { CONFIG_LIMIT = 1 << 20 }; /* bytes of a text file */

/* One line with content: comments are gone, blanks at both ends too. */
struct metadata_line {
	char *text;
	unsigned number; /* from 1 */
};

struct metadata_file {
	char *path; /* NULL if no level has the file */
	struct metadata_line *lines;
	size_t count, capacity;
};

#define METADATA_FILE_INIT ((struct metadata_file){ 0 })

/*
 * One load in progress. Without `found` the first mistake ends it with an error; with it, each is
 * reported and the reading goes on.
 */
struct loader {
	const struct template_source *source;
	struct template *template;
	struct strvec levels; /* config folders that exist, the most specific first */
	struct strvec seen; /* files that were read: a linter reads the others too */
	template_finding *found;
	void *found_data;
	int mistakes;
	struct error *err;
};

/* Returns -1 if the load is to end, 0 if it goes on. `line` 0: the file as a whole. */
int mistake(struct loader *loader, const char *file, unsigned line, const char *hint,
	    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* For linters only; a load goes on without a word. */
void remark(struct loader *loader, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Path of the most specific file (or folder) of that name; NULL if there is none. To be freed. */
char *find_config(const struct loader *loader, const char *name);

/* Reads a file's lines. 0 also if there is none: then file->path is NULL. -1: the load is to end. */
int read_config(struct loader *loader, const char *name, struct metadata_file *file);

/* Reads the file at `path`. */
int read_config_path(struct loader *loader, const char *path, struct metadata_file *file);

/* The whole of a file, which must be a regular one of at most `limit` bytes. 1: read, 0: a mistake
 * that was reported, -1: the load is to end. */
struct strbuf;
int read_whole(struct loader *loader, const char *path, size_t limit, struct strbuf *text);

/* What a mistake in a file that is missing is said of: the most specific level. */
const char *config_place(const struct loader *loader, const struct metadata_file *file);

void metadata_file_release(struct metadata_file *file);
