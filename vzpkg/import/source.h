/*
 * The tree that is read. It may be anybody's: only plain files are read, of a limited size, and no link leads out of the tree.
 * For vzpkg/import/ only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strvec.h"

enum { SOURCE_TEXT_LIMIT = 1 << 20, SOURCE_FILE_LIMIT = 4 << 20 };

struct source {
	int root;
	char *path; /* absolute, without links */
};

#define SOURCE_INIT ((struct source){ .root = -1 })

int source_open(struct source *source, const char *path, struct error *err);
void source_release(struct source *source);

/* true if there is something of that name, whatever it is. */
bool source_has(const struct source *source, const char *name);
bool source_has_folder(const struct source *source, const char *name);

/* Appends the whole of a file. Otherwise the reason, which completes "it is left: …", is in *why (to be freed), and NULL there
 * if there is no such file. */
bool source_read(const struct source *source, const char *name, size_t limit, struct strbuf *text,
		 char **why);

/* The names in a folder, sorted; none if it is not there. More than 10000 are an error. */
int source_list(const struct source *source, const char *folder, struct strvec *names,
		struct error *err);

/*
 * Lines of a text: false at its end. Blanks at both ends are gone, and comments, of which "#" and the marks in `more` begin one
 * at the start of a line. The line is to be freed; NULL for one with bytes that no text has.
 */
struct source_lines {
	const char *at, *end;
	const char *more; /* NULL: none */
	unsigned number; /* of the line that was given out last, from 1 */
	bool indented; /* it began with a blank */
};

struct source_lines source_lines(const struct strbuf *text);
bool source_line(struct source_lines *lines, char **line);
