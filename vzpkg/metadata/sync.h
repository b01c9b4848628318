/*
 * The steps of metadata_sync(). For vzpkg/metadata/ only.
 */
#pragma once

#include "base/strbuf.h"
#include "vzpkg/fetch/signature.h"
#include "vzpkg/metadata/metadata.h"
#include "vzpkg/metadata/release.h"

/* One repository while it is synced. */
struct sync_repository {
	const struct template_repository *source;
	struct metadata_repository *result;
	char *base; /* URL of the folder that the top file is in, "URL/dists/SUITE" */
	struct strvec bases; /* that, and those of the other mirrors */
	char *name; /* of its files in pm/tops/, like apt's: "HOST_debian_dists_bookworm" */
	char *seen_name; /* of its memory in pm/seen/: of the line as written, whatever the mirror */
	struct strbuf text; /* of the top file, verified */
	struct release release;
};

struct sync {
	const struct template *template;
	const struct metadata_options *options;
	struct metadata *metadata;
	struct sync_repository *repositories; /* as many as the template has */
	struct keyring *keyring; /* NULL: every repository is marked unsigned */
	int tops; /* pm/tops */
};

/* Brings the top files (InRelease, or Release and Release.gpg) and verifies them: fills text. */
int sync_tops_deb(struct sync *sync, struct error *err);

/* The release was found to be good, or not: what was fetched is kept for --offline, or forgotten so
 * that the next run fetches it whole. */
int sync_keep_good(struct sync *sync, const struct sync_repository *repository, struct error *err);
void sync_forget(struct sync *sync, const struct sync_repository *repository);

/* Brings the indexes that the releases name and fills result->indexes. */
int sync_indexes_deb(struct sync *sync, struct error *err);
