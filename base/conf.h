/*
 * Configuration files of the form KEY="value" (vz.conf, CTID.conf, vzpkg.conf): shell-like, but
 * parsed and never sourced. Blank lines and # comments are allowed; values are bare words, or in
 * single or double quotes; "\" escapes in double quotes; no expansion is done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct conf_entry {
	char *key;
	char *value;
	unsigned line;
};

struct conf {
	char *path; /* for messages; of the file read last */
	struct conf_entry *entries;
	size_t count, capacity;
};

#define CONF_INIT ((struct conf){ 0 })

/* Reads a file on top of what is there: a later key wins. A missing file is an error unless
 * `optional`. A mistake is ERROR_PARSE "PATH:LINE: …" with the offending text. */
int conf_read(struct conf *conf, int dirfd, const char *path, bool optional, struct error *err);

/* The same from text that is already in memory; `name` is for messages. */
int conf_parse(struct conf *conf, const char *name, const char *text, size_t length,
	       struct error *err);

/* The same, and lines with a mistake are only told about: for who wants to know all of them. */
void conf_parse_all(struct conf *conf, const char *name, const char *text, size_t length,
		    void (*mistaken)(unsigned line, const struct error *why, void *data),
		    void *data);

/* The value, or NULL. */
const char *conf_get(const struct conf *conf, const char *key);
const char *conf_get_default(const struct conf *conf, const char *key, const char *otherwise);
void conf_set(struct conf *conf, const char *key, const char *value);
void conf_release(struct conf *conf);
