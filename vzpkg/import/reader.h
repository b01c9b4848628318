/*
 * What the readers of both kinds of trees share. For vzpkg/import/ only.
 */
#pragma once

#include "vzpkg/import/import.h"
#include "vzpkg/import/source.h"

/* Lines of the files of these names, which are put together from several places. */
struct addresses {
	struct strbuf repositories, mirrorlist, guest;
};

#define ADDRESSES_INIT       \
	((struct addresses){ \
		.repositories = STRBUF_INIT, .mirrorlist = STRBUF_INIT, .guest = STRBUF_INIT })

void addresses_release(struct addresses *addresses);

/* One import in progress. */
struct reader {
	struct source source;
	const struct import_request *request;
	struct import *import;
	const char *prefix; /* of the names of files in the source: "" or "config/" */
	struct strvec excluded; /* packages that no set is to have */
	struct addresses addresses; /* the OS's */
	struct strbuf trust;
	struct strvec fingerprints; /* that are in `trust` */
	struct error *err;
};

/* Notes. `why` may be NULL; text from the tree is made fit to be shown. */
void note_taken(struct reader *reader, const char *file, unsigned line, const char *why,
		const char *what, ...) __attribute__((format(printf, 5, 6)));
void note_left(struct reader *reader, const char *file, unsigned line, const char *why,
	       const char *what, ...) __attribute__((format(printf, 5, 6)));

/* A file of the new template; the first of a name stays. */
void add_file(struct reader *reader, const char *path, mode_t mode, const void *text, size_t size);
bool has_file(const struct reader *reader, const char *path);

/* Reads a file of the source; if it is there and cannot be taken, that is noted. */
bool read_source(struct reader *reader, const char *file, size_t limit, struct strbuf *text);

/* The same of a file that is to be text of at most SOURCE_TEXT_LIMIT bytes. */
bool read_text(struct reader *reader, const char *file, struct strbuf *text);

/* The one who reads it says why a line that it would get is none; NULL if it is fine. To be freed. */
char *package_mistake(const struct reader *reader, const char *line);
char *repository_mistake(const struct reader *reader, const char *line);
char *mirrorlist_mistake(const struct reader *reader, const char *line);

/* true if it can be the name of a set, of an application, of a key file. */
bool is_plain_name(const char *name);

/* ---- parts ---- */

/* A list of packages becomes the file `path`. `old` is how OpenVZ's lists excluded: "name-". false: there is none. */
bool take_list(struct reader *reader, const char *file, const char *path, bool old);

/* The lines that there are become PREFIX/repositories and so on; `prefix` is "" or ends in "/". */
void add_addresses(struct reader *reader, const struct addresses *addresses, const char *prefix);

/* A text, line by line, comments left out. */
bool take_text_file(struct reader *reader, const char *file, const char *path);
bool take_environment_file(struct reader *reader, const char *file);

/* A script that is to run in the VE. */
bool take_script(struct reader *reader, const char *file, const char *path);

/* The key files of a folder of the source, and those of the request. */
int take_keys(struct reader *reader, const char *folder);

/* ---- kinds ---- */

bool openvz_is(const struct source *source, const char *prefix);
int openvz_read(struct reader *reader);

bool ez_is(const struct source *source, const char *prefix);
int ez_read(struct reader *reader);
