/*
 * The steps of metadata_sync(). For vzpkg/metadata/ only.
 */
#pragma once

#include "base/lock.h"
#include "base/strbuf.h"
#include "vzpkg/fetch/signature.h"
#include "vzpkg/metadata/metadata.h"
#include "vzpkg/metadata/release.h"
#include "vzpkg/metadata/repomd.h"

/* One repository while it is synced. */
struct sync_repository {
	const struct template_repository *source;
	struct metadata_repository *result;
	char *base; /* URL of the folder that the top file's name is relative to: "URL/dists/SUITE" for deb, "URL" for rpm */
	struct strvec bases; /* that, and those of the other mirrors */
	char *served_by; /* the base that the first top file came from; NULL: not known */
	bool is_current; /* a metalink says that the top file is what is there: its signature is, too */
	char *title; /* for progress: "bookworm" */
	char *name; /* of its files in pm/tops/, like apt's: "HOST_debian_dists_bookworm" */
	char *seen_name; /* of its memory in pm/seen/: of the line as written, whatever the mirror */
	struct strbuf text; /* of the top file, verified */
	int64_t date, valid_until; /* of the metadata, Unix seconds; 0: not said */
	struct release release; /* deb */
	struct repomd repomd; /* rpm */
	struct digest expected; /* of the top file, if a metalink said; rpm */
};

struct sync;

/* What the formats have of their own. Each function returns 0, or -1 with an error. */
struct sync_format {
	const char *const *
		files; /* top files and their signatures, by their paths below base; ends in NULL */

	/* Fills base, bases, title, name and seen_name. */
	void (*name)(struct sync_repository *repository);

	/* Finds the mirrors, if they are in a list. NULL: they are not. */
	int (*locate)(struct sync *sync, struct error *err);

	/* Fills in result->base_urls of what is known of the mirrors. */
	void (*bases)(struct sync_repository *repository);

	/* Brings the top file, if it is not what is there already, and verifies it: fills text. */
	int (*fetch)(struct sync *sync, struct error *err);

	/* Reads the verified text: fills date, valid_until and what the result has of it. */
	int (*take)(struct sync *sync, struct sync_repository *repository, struct error *err);

	/* Brings the indexes that the top files name and fills result->indexes. */
	int (*indexes)(struct sync *sync, struct error *err);
};

extern const struct sync_format sync_deb, sync_rpm;

struct sync {
	const struct template *template;
	const struct metadata_options *options;
	const struct sync_format *format;
	struct metadata *metadata;
	struct sync_repository *repositories; /* as many as the template has */
	struct keyring *keyring; /* NULL: every repository is marked unsigned */
	int tops; /* pm/tops */
};

/* The repositories, without anything of theirs read, and pm/tops; the lock of pm/ is held. sync_close() is due in any case. */
int sync_open(struct sync *sync, struct lock *lock, struct error *err);
void sync_close(struct sync *sync);

/* A file name that tells what it is of; one that would be too long ends in its digest. */
char *sync_file_name(const char *text);

/* Whether a key that signed the repository may use SHA-1 digests. */
bool sync_sha1_ok(const struct sync *sync, const struct sync_repository *repository);
