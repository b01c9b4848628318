/*
 * Top files of repositories (InRelease, repomd.xml, their signatures): fetched only if they changed, and kept as they came, so
 * that every use verifies the signature again. TEMPLATE/pm/tops/NAME_InRelease is what the mirror last gave; NAME_InRelease.good is
 * the last one that was verified, for --offline. For vzpkg/metadata/ only.
 */
#pragma once

#include "vzpkg/metadata/sync.h"

/* The file of that name is not below the bases: it is the source's list of mirrors. */
#define TOP_LIST "mirrorlist"

/* Fetches the files (paths below a repository's bases) of each repository for which wanted() is true; what no
 * mirror has is not there afterwards. */
int top_fetch(struct sync *sync, const char *const *files, size_t file_count,
	      bool (*wanted)(const struct sync *sync, const struct sync_repository *repository),
	      struct error *err);

/* Of what was fetched, or, offline, of what was good. */
bool top_is_there(const struct sync *sync, const struct sync_repository *repository,
		  const char *file);
int top_read(const struct sync *sync, const struct sync_repository *repository, const char *file,
	     struct strbuf *text, struct error *err);

/* The top files were found to be good, or not: what was fetched is kept for --offline, or forgotten so that the next run
 * fetches it whole. */
int top_keep_good(struct sync *sync, const struct sync_repository *repository, struct error *err);
void top_forget(struct sync *sync, const struct sync_repository *repository);

/* Verifies each repository. What was fetched and is not good is forgotten. */
int top_verify(struct sync *sync,
	       int (*verify)(struct sync *sync, struct sync_repository *repository,
			     struct error *err),
	       struct error *err);
