/*
 * Template metadata of other tools becomes ours:
 *
 *	openvz	vzpkg 2 and 3: config/ with yum.conf (or yum.conf.in), SET.list, gpgkeys/, rpm, install-post …
 *	ez	Virtuozzo's vztt: config/os/SET/ and config/app/NAME/SET/ with packages, repositories, mirrorlist …; or the
 *		flat sources of such a package: os_packages, NAME_packages …
 *
 * Nothing of such a tree is run, and nothing is read that is not a plain file inside it. What comes out is in memory, with a note
 * for everything that was taken and everything that was left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/template.h"

enum import_kind { IMPORT_OPENVZ, IMPORT_EZ };

/* Something in the tree: where, what became of it, and why. Text that may be shown. */
struct import_note {
	char *file; /* relative to the tree; "" for the tree as a whole */
	unsigned line; /* 0: the file as a whole */
	bool taken; /* false: left */
	char *what, *why; /* why may be NULL */
};

/* A file of the new template, relative to its config/. */
struct import_file {
	char *path;
	mode_t mode;
	char *text;
	size_t size;
};

struct import {
	enum import_kind kind;
	char *os, *release;
	const char *arch; /* canonical; NULL: the tree does not say */
	enum package_format format;
	struct strvec sets; /* "default" first, if there is one */
	struct import_note *notes;
	size_t note_count, note_capacity;
	struct import_file *files;
	size_t file_count, file_capacity;
};

struct import_request {
	const char *dir; /* the tree: the folder config/, or the one that holds it */
	const char *name; /* OS-RELEASE[-ARCH], or NULL: as the tree says */
	const struct strvec *key_files; /* further keys to trust; may be NULL */
	const struct conf *variables; /* $FEDORA_ARCHIVE and the like, all of them resolved */
	const struct strvec *repositories; /* lines to be used instead of the tree's; may be NULL */
};

/*
 * Reads a tree. ERROR_USAGE if it is none of the above, or its name is not known; ERROR_BAD_TEMPLATE if it has nothing that a
 * template can be made of. The caller owns *ret.
 */
int import_read(const struct import_request *request, struct import **ret, struct error *err);
void import_free(struct import *import);
void import_freep(struct import **import);

/* Writes the new template's files into the folder `config`, which is empty. */
int import_write(const struct import *import, int config, struct error *err);
