/*
 * repomd.xml of rpm-md repositories: which files the metadata consists of
 * (http://createrepo.baseurl.org; written by createrepo and createrepo_c).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

struct repomd_file {
	char *type; /* "primary", "filelists", "group", … */
	char *location; /* below the repository's URL; checked by location_is_safe() */
	struct digest
		digest; /* of the file; SHA-1 and MD5 too: whether they will do is the caller's to say */
	uint64_t size, open_size; /* bytes, of the file and of what is in it; 0: not said */
	int64_t timestamp; /* Unix seconds; 0: not said */
};

struct repomd {
	int64_t date; /* the revision, where it is a time, or the newest time stamp, Unix seconds; 0: not said */
	struct repomd_file *files;
	size_t count;
};

#define REPOMD_INIT ((struct repomd){ 0 })

/* `name` is for messages. What cannot be used (no digest that is known, a location that leads elsewhere) is
 * not among the files. No primary: ERROR_PARSE. */
int repomd_parse(struct repomd *repomd, const char *name, const char *text, size_t length,
		 struct error *err);
void repomd_release(struct repomd *repomd);

const struct repomd_file *repomd_find(const struct repomd *repomd, const char *type);
