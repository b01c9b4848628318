/*
 * What a package says of the content of its files: md5sums of a .deb, the header of an .rpm.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"
#include "vzpkg/template.h"

struct package_file {
	char *path; /* as the package writes it, without "/" in front */
	struct digest digest;
	bool may_differ; /* a configuration file */
	bool may_lack; /* … or documentation, which templates may leave out */
};

struct package_files {
	struct package_file *items;
	size_t count, capacity;
};

#define PACKAGE_FILES_INIT ((struct package_files){ 0 })

/* Regular files with content. The package file was verified; `fd` is at its start. `name` is for messages. librpm's state is process-wide: call
 * it from a worker. */
int package_files_read(enum package_format format, int fd, const char *name,
		       struct package_files *ret, struct error *err);
void package_files_release(struct package_files *files);
