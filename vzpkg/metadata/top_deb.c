/*
 * Top files of Debian repositories: fetched only if they changed, and kept as they came, so that every
 * use verifies the signature again. TEMPLATE/pm/tops/NAME_InRelease is what the mirror last gave;
 * NAME_InRelease.good is the last one that was verified, for --offline.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/sync.h"

/* The largest InRelease ever published is below 1 MiB. */
enum { TOP_LIMIT = 16 << 20, SIGNATURE_LIMIT = 1 << 20 };

/* ---- names --------------------------------------------------------------------------------------- */

static char *stored_name(const struct sync_repository *repository, const char *file)
{
	return xasprintf("%s_%s", repository->name, file);
}

/* ---- fetching --------------------------------------------------------------------------------------- */

struct top_request {
	char *name, *title;
};

/* Fetches `file` of each repository for which wanted() is true; one that is missing stays missing. */
static int fetch_tops(struct sync *sync, const char *const *files, size_t file_count,
		      bool (*wanted)(const struct sync *sync, const struct sync_repository *),
		      struct error *err)
{
	size_t count = sync->template->repository_count, used = 0;
	struct fetch_request *requests = xcalloc(count * file_count, sizeof(*requests));
	struct top_request *tops = xcalloc(count * file_count, sizeof(*tops));

	for (size_t i = 0; i < count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		for (size_t f = 0; wanted(sync, repository) && f < file_count; f++, used++) {
			tops[used].name = stored_name(repository, files[f]);
			tops[used].title = xasprintf("%s %s", repository->source->suite, files[f]);
			requests[used] = (struct fetch_request){
				.dirfd = sync->tops,
				.name = tops[used].name,
				.title = tops[used].title,
				.size_limit = TOP_LIMIT,
				.optional = true,
				.revalidate = true,
			};
			for (size_t b = 0; b < repository->bases.count; b++)
				strvec_pushf(&requests[used].urls, "%s/%s",
					     repository->bases.items[b], files[f]);
		}
	}
	int ret =
		used ? fetch_run(sync->options->fetcher, requests, used, sync->options->report, err)
		     : 0;
	for (size_t i = 0; i < used; i++) {
		/* What the mirror does not have any more must not be taken for current. */
		if (ret == 0 && requests[i].state == FETCH_MISSING)
			unlinkat(sync->tops, tops[i].name, 0);
		fetch_request_release(&requests[i]);
		free(tops[i].name);
		free(tops[i].title);
	}
	free(requests);
	free(tops);
	return ret;
}

static bool is_signed(const struct sync *sync, const struct sync_repository *repository)
{
	(void)sync;
	return !repository->source->unsigned_ok;
}

static bool lacks_inrelease(const struct sync *sync, const struct sync_repository *repository)
{
	autofree char *name = stored_name(repository, "InRelease");
	return repository->source->unsigned_ok || faccessat(sync->tops, name, F_OK, 0) < 0;
}

/* ---- verifying ------------------------------------------------------------------------------------- */

static int read_top(struct sync *sync, const struct sync_repository *repository, const char *file,
		    const char *suffix, struct strbuf *text, struct error *err)
{
	autofree char *name = xasprintf("%s_%s%s", repository->name, file, suffix);
	return file_read(sync->tops, name, TOP_LIMIT, text, err);
}

static bool is_there(const struct sync *sync, const struct sync_repository *repository,
		     const char *file, const char *suffix)
{
	autofree char *name = xasprintf("%s_%s%s", repository->name, file, suffix);
	return faccessat(sync->tops, name, F_OK, 0) == 0;
}

static int verify_inrelease(struct sync *sync, struct sync_repository *repository,
			    const char *suffix, struct error *err)
{
	AUTO(strbuf_release) struct strbuf raw = STRBUF_INIT;
	struct signature_result result;
	autofree char *url = xasprintf("%s/InRelease", repository->base);

	if (read_top(sync, repository, "InRelease", suffix, &raw, err) < 0)
		return -1;
	if (signature_verify_clear(sync->keyring, url, raw.text, raw.length, &repository->text,
				   &result, err) < 0)
		return -1;
	memcpy(repository->result->signer, result.fingerprint, sizeof(result.fingerprint));
	return 0;
}

static int verify_release(struct sync *sync, struct sync_repository *repository, const char *suffix,
			  struct error *err)
{
	AUTO(strbuf_release) struct strbuf signature = STRBUF_INIT;
	struct signature_result result;
	autofree char *url = xasprintf("%s/Release", repository->base);

	if (read_top(sync, repository, "Release", suffix, &repository->text, err) < 0)
		return -1;
	if (is_there(sync, repository, "Release.gpg", suffix) &&
	    read_top(sync, repository, "Release.gpg", suffix, &signature, err) < 0)
		return -1;
	if (signature_verify_detached(sync->keyring, url, repository->text.text,
				      repository->text.length, signature.text, signature.length,
				      &result, err) < 0)
		return -1;
	memcpy(repository->result->signer, result.fingerprint, sizeof(result.fingerprint));
	return 0;
}

static int nothing_there(const struct sync *sync, const struct sync_repository *repository,
			 struct error *err)
{
	if (sync->options->offline) {
		error_set(err, ERROR_NO_METADATA, "the metadata of %s %s was never downloaded",
			  repository->source->url, repository->source->suite);
		error_hint(err, "run it once without --offline");
	} else {
		error_set(err, ERROR_FETCH, "there is neither %s/InRelease nor Release",
			  repository->base);
		error_hint(err, "check the line %s:%u, and that the mirror has this suite",
			   repository->source->file, repository->source->line);
	}
	return error_subject(err, "%s", repository->base);
}

static int verify_one(struct sync *sync, struct sync_repository *repository, const char *suffix,
		      struct error *err)
{
	if (repository->source->unsigned_ok) {
		if (!is_there(sync, repository, "Release", suffix))
			return nothing_there(sync, repository, err);
		report_warning(sync->options->report, repository->base,
			       "the repository is not signed, and %s:%u says to use it",
			       repository->source->file, repository->source->line);
		return read_top(sync, repository, "Release", suffix, &repository->text, err);
	}
	if (is_there(sync, repository, "InRelease", suffix))
		return verify_inrelease(sync, repository, suffix, err);
	if (is_there(sync, repository, "Release", suffix))
		return verify_release(sync, repository, suffix, err);
	return nothing_there(sync, repository, err);
}

static const char *const top_files[] = { "InRelease", "Release", "Release.gpg" };
enum { TOP_FILE_COUNT = sizeof(top_files) / sizeof(top_files[0]) };

/* What the mirror gave was refused: the next run shall fetch it whole and not ask for a newer one. */
void sync_forget(struct sync *sync, const struct sync_repository *repository)
{
	for (size_t i = 0; i < TOP_FILE_COUNT; i++) {
		autofree char *name = stored_name(repository, top_files[i]);
		unlinkat(sync->tops, name, 0);
	}
}

/* NAME.good becomes what NAME is. */
static int keep_one(const struct sync *sync, const char *name, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, old = STRBUF_INIT;
	autofree char *good = xasprintf("%s.good", name);

	if (faccessat(sync->tops, name, F_OK, 0) < 0) {
		unlinkat(sync->tops, good, 0);
		return 0;
	}
	if (file_read(sync->tops, name, TOP_LIMIT, &text, err) < 0)
		return -1;
	if (file_read(sync->tops, good, TOP_LIMIT, &old, NULL) == 0 && old.length == text.length &&
	    memcmp(old.text, text.text, text.length) == 0)
		return 0;
	return file_write_atomic(sync->tops, good, 0644, text.text, text.length, err);
}

int sync_keep_good(struct sync *sync, const struct sync_repository *repository, struct error *err)
{
	for (size_t i = 0; i < TOP_FILE_COUNT; i++) {
		autofree char *name = stored_name(repository, top_files[i]);
		if (keep_one(sync, name, err) < 0)
			return -1;
	}
	return 0;
}

int sync_tops_deb(struct sync *sync, struct error *err)
{
	static const char *const detached[] = { "Release", "Release.gpg" };
	bool offline = sync->options->offline;

	if (!offline && (fetch_tops(sync, top_files, 1, is_signed, err) < 0 ||
			 fetch_tops(sync, detached, 2, lacks_inrelease, err) < 0))
		return -1;
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		if (verify_one(sync, repository, offline ? ".good" : "", err) < 0) {
			if (!offline)
				sync_forget(sync, repository);
			return -1;
		}
	}
	return 0;
}
