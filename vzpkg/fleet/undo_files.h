/*
 * Configuration files of a VE that runs, as they were before a change. Read and written by a function of ours in the VE. Inside of fleet/ only.
 */
#pragma once

#include <sys/types.h>

#include "vzpkg/fleet/applier.h"

struct undo_file {
	mode_t mode; /* 0: there was none, or nothing that is a file */
	bool absent; /* there was nothing */
	uid_t uid; /* in the VE, as all of it */
	gid_t gid;
	struct timespec times[2];
	size_t begin, size; /* in undo_files.contents */
};

struct undo_files {
	struct strvec paths;
	struct undo_file *files; /* of each path, as far as there was room */
	size_t count;
	struct strbuf contents;
};

#define UNDO_FILES_INIT ((struct undo_files){ .paths = STRVEC_INIT, .contents = STRBUF_INIT })

/* A path, and those that package managers make of it for what they do not overwrite. */
void undo_files_add(struct undo_files *files, const char *path);

/* All of them, up to UNDO_FILES_MAX bytes. */
enum { UNDO_FILES_MAX = 32 << 20 };
int undo_files_save(struct applier *applier, struct undo_files *files, struct error *err);

/* Puts them back. What cannot be is appended to `left`, in words that are clean. */
int undo_files_put_back(struct applier *applier, const struct undo_files *files,
			struct strvec *left, struct error *err);

void undo_files_release(struct undo_files *files);
