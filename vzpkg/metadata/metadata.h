/*
 * Repository metadata: what a template's repositories offer, verified from the signed top file
 * (InRelease, Release + Release.gpg, repomd.xml) down to each index by digest, and kept below
 * TEMPLATE/pm for the next run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/report.h"
#include "base/strvec.h"
#include "vzpkg/fetch/http.h"
#include "vzpkg/template.h"

enum index_kind {
	INDEX_PACKAGES, /* deb */
	INDEX_PRIMARY, /* rpm: packages, with those of their files that others need most */
	INDEX_FILELISTS, /* rpm: all files; not brought before it is needed */
	INDEX_GROUPS, /* rpm: comps */
	INDEX_MODULES, /* rpm: streams of modules */
	INDEX_UPDATEINFO, /* rpm: advisories; not brought before it is needed */
	INDEX_KINDS
};

/* One index of a repository, on disk and verified. */
struct metadata_index {
	enum index_kind kind;
	char *path; /* below pm/, of the compressed file as fetched */
	char *title; /* "bookworm/main amd64 Packages" */
	char *location; /* rpm: below the base URLs */
	struct digest digest; /* of that file, from signed metadata: the key of the .solv cache */
	uint64_t size; /* bytes of that file */
	uint64_t plain_size; /* bytes when decompressed; 0: not said */
};

struct metadata_repository {
	const struct template_repository *source; /* borrowed from the template */
	struct strvec base_urls; /* where package locations are relative to; mirrors in order */
	struct metadata_index *indexes;
	size_t index_count;
	struct digest top; /* SHA-256 of the verified top file's text */
	int64_t date; /* its Date (deb) or revision (rpm), Unix seconds */
	int64_t date_before; /* that of the last run that succeeded; 0: it was never seen */
	bool changed; /* the top file differs from that one's */
	char signer
		[41]; /* fingerprint of the key that signed it; "" if unsigned: then each package of an rpm
			  * repository has to be signed, unless source->unsigned_ok */
	char *origin, *label, *suite, *codename; /* of Release; may be NULL */
};

struct metadata {
	const struct template *template; /* borrowed */
	int pm; /* TEMPLATE/pm; borrowed */
	struct metadata_repository *repositories;
	size_t repository_count;
	bool changed; /* a top file differs from the one of the last run */
	struct fetcher *fetcher; /* for metadata_bring(); borrowed; NULL: offline */
};

struct metadata_options {
	int pm; /* directory descriptor of TEMPLATE/pm; must outlive the result */
	struct fetcher *fetcher;
	struct report *report;
	bool offline; /* use what is there, as verified as ever; ERROR_NO_METADATA if absent */
	unsigned timeout_s; /* for the lock; 0: try once */
	int64_t now; /* for Valid-Until; 0: the clock */
};

/*
 * Brings the metadata of all repositories up to date, safe with several vzpkg at work (a lock on
 * pm/). Refuses metadata older than the newest seen (ERROR_ROLLBACK) and expired (ERROR_STALE).
 */
int metadata_sync(const struct template *template, const struct metadata_options *options,
		  struct metadata **ret, struct error *err);

/*
 * Where the packages of each repository are, whatever it offers now: only `source` and `base_urls` are filled in, and
 * nothing but lists of mirrors is fetched.
 */
int metadata_locate(const struct template *template, const struct metadata_options *options,
		    struct metadata **ret, struct error *err);

/* Fetches an index that was left out so far, unless it is there. */
int metadata_bring(const struct metadata *metadata, const struct metadata_repository *repository,
		   const struct metadata_index *index, struct error *err);

void metadata_free(struct metadata *metadata);
void metadata_freep(struct metadata **metadata);
