/*
 * Release files of Debian repositories (https://wiki.debian.org/DebianRepository/Format).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strvec.h"

struct release {
	char *origin, *label, *suite, *codename; /* may be NULL */
	struct strvec architectures, components;
	bool by_hash; /* Acquire-By-Hash: yes */
	int64_t date; /* Unix seconds; 0: not said */
	int64_t valid_until; /* Unix seconds; 0: not said */
	char *text; /* of the whole file */
};

#define RELEASE_INIT ((struct release){ 0 })

/* `text` has been verified. `name` is for messages. A file without a date or without any list of
 * digests is ERROR_PARSE. */
int release_parse(struct release *release, const char *name, const char *text, struct error *err);
void release_release(struct release *release);

/* Size and digest of a file that the release lists, by its path relative to the release's folder.
 * The strongest digest counts; with `sha1_ok`, SHA-1 and MD5 do too. false: not listed. */
bool release_find(const struct release *release, const char *path, bool sha1_ok,
		  struct digest *ret_digest, uint64_t *ret_size);

/* "Sat, 10 Jun 2023 08:16:33 UTC" as Unix seconds; 0 if it is no date. */
int64_t release_date(const char *text);
