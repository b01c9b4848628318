#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/index_fetch.h"
#include "vzpkg/metadata/mirrorlist.h"
#include "vzpkg/metadata/seen.h"
#include "vzpkg/metadata/top.h"

#define REPOMD "repodata/repomd.xml"
#define SIGNATURE REPOMD ".asc"

/* ---- names --------------------------------------------------------------------------------------- */

static const char *without_scheme(const char *url)
{
	const char *colon = strstr(url, "://");
	return colon ? colon + 3 : url;
}

static void name(struct sync_repository *repository)
{
	const struct template_repository *source = repository->source;
	autofree char *written = xstrndup(source->text, strcspn(source->text, " \t"));

	if (source->url)
		strvec_push(&repository->bases, source->url);
	for (size_t i = 0; i < source->mirrors.count; i++)
		strvec_push(&repository->bases, source->mirrors.items[i]);
	repository->base = xstrdup(source->url ?: source->lists.items[0]);
	repository->title = xstrdup(without_scheme(repository->base));
	repository->name = sync_file_name(repository->title);
	repository->seen_name = sync_file_name(written);
}

/* ---- lists of mirrors ------------------------------------------------------------------------------ */

static bool has_list(const struct sync *sync, const struct sync_repository *repository)
{
	(void)sync;
	return !repository->source->url;
}

static int read_list(const struct sync *sync, struct sync_repository *repository, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(mirrorlist_release) struct mirrorlist list = MIRRORLIST_INIT;

	if (!top_is_there(sync, repository, TOP_LIST)) {
		error_set(err, ERROR_FETCH, "there is no list of mirrors at %s", repository->base);
		error_subject(err, "%s", repository->base);
		return error_hint(err, "check the line %s:%u", repository->source->file,
				  repository->source->line);
	}
	if (top_read(sync, repository, TOP_LIST, &text, err) < 0 ||
	    mirrorlist_parse(&list, repository->base, text.text, text.length, err) < 0)
		return -1;
	for (size_t i = 0; i < list.bases.count; i++)
		strvec_push(&repository->bases, list.bases.items[i]);
	repository->expected = list.repomd;
	free(repository->base);
	repository->base = xstrdup(list.bases.items[0]);
	return 0;
}

/* Offline the list is there too, but what it says of the top file is of another time. */
static int find_mirrors(struct sync *sync, struct error *err)
{
	static const char *const files[] = { TOP_LIST };

	if (!sync->options->offline && top_fetch(sync, files, 1, has_list, err) < 0)
		return -1;
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		if (!has_list(sync, repository))
			continue;
		if (sync->options->offline && !top_is_there(sync, repository, TOP_LIST))
			continue; /* "was never downloaded" follows */
		if (read_list(sync, repository, err) < 0) {
			top_forget(sync, repository);
			return -1;
		}
	}
	return 0;
}

/* ---- verifying ----------------------------------------------------------------------------------- */

static int nothing_there(const struct sync *sync, const struct sync_repository *repository,
			 struct error *err)
{
	if (sync->options->offline) {
		error_set(err, ERROR_NO_METADATA, "the metadata of %s was never downloaded",
			  repository->base);
		error_hint(err, "%s", fetch_offline_hint);
	} else {
		error_set(err, ERROR_FETCH, "there is no %s/" REPOMD, repository->base);
		error_hint(err,
			   "check the line %s:%u: the address is that of the folder which has "
			   "\"repodata\"",
			   repository->source->file, repository->source->line);
	}
	return error_subject(err, "%s", repository->base);
}

static int verify_signature(const struct sync *sync, struct sync_repository *repository,
			    struct error *err)
{
	AUTO(strbuf_release) struct strbuf signature = STRBUF_INIT;
	struct signature_result result;
	autofree char *url = xasprintf("%s/" REPOMD, repository->base);

	if (top_read(sync, repository, SIGNATURE, &signature, err) < 0 ||
	    signature_verify_detached(sync->keyring, url, repository->text.text,
				      repository->text.length, signature.text, signature.length,
				      &result, err) < 0)
		return -1;
	memcpy(repository->result->signer, result.fingerprint, sizeof(result.fingerprint));
	return 0;
}

/* Packages that are signed themselves need no signed metadata; but who can keep a signature away must not make of one
 * kind the other. */
static int check_signature_gone(const struct sync *sync, const struct sync_repository *repository,
				struct error *err)
{
	struct seen seen = seen_read(sync->options->pm, repository->seen_name);

	if (!seen.is_signed)
		return 0;
	autofree char *pm = fd_path(sync->options->pm);
	error_set(err, ERROR_TRUST, "%s/" REPOMD " was signed before, and is not any more",
		  repository->base);
	error_subject(err, "%s", repository->base);
	return error_hint(
		err, "use another mirror; if its owner really gave up signing, remove %s/seen/%s",
		pm, repository->seen_name);
}

/* What the metalink says came from elsewhere than the file. */
static int check_expected(const struct sync_repository *repository, struct error *err)
{
	struct digest digest;

	if (!repository->expected.kind)
		return 0;
	digest_data(repository->expected.kind, repository->text.text, repository->text.length,
		    &digest);
	if (digest_equal(&digest, &repository->expected))
		return 0;
	error_set(err, ERROR_TRUST, "%s/" REPOMD " is not the one that %s names", repository->base,
		  repository->source->lists.items[0]);
	error_subject(err, "%s", repository->base);
	return error_hint(err, "its mirrors are being updated: try again later");
}

static int verify_one(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	const struct template_repository *source = repository->source;

	if (!top_is_there(sync, repository, REPOMD))
		return nothing_there(sync, repository, err);
	if (top_read(sync, repository, REPOMD, &repository->text, err) < 0 ||
	    (!sync->options->offline && check_expected(repository, err) < 0))
		return -1;
	if (source->unsigned_ok) {
		report_warning(
			sync->options->report, repository->base,
			"neither the repository nor its packages need a signature: %s:%u says so",
			source->file, source->line);
		return 0;
	}
	if (top_is_there(sync, repository, SIGNATURE))
		return verify_signature(sync, repository, err);
	return check_signature_gone(sync, repository, err);
}

static bool always(const struct sync *sync, const struct sync_repository *repository)
{
	(void)sync;
	(void)repository;
	return true;
}

static bool wants_signature(const struct sync *sync, const struct sync_repository *repository)
{
	(void)sync;
	return !repository->source->unsigned_ok;
}

static int fetch(struct sync *sync, struct error *err)
{
	static const char *const repomd[] = { REPOMD };
	static const char *const signature[] = { SIGNATURE };

	if (!sync->options->offline && (top_fetch(sync, repomd, 1, always, err) < 0 ||
					top_fetch(sync, signature, 1, wants_signature, err) < 0))
		return -1;
	return top_verify(sync, verify_one, err);
}

/* ---- taking what it says ------------------------------------------------------------------------- */

static int take(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	autofree char *url = xasprintf("%s/" REPOMD, repository->base);

	(void)sync;
	if (repomd_parse(&repository->repomd, url, repository->text.text, repository->text.length,
			 err) < 0)
		return -1;
	repository->date = repository->repomd.date;
	return 0;
}

static void bases(struct sync_repository *repository)
{
	for (size_t i = 0; i < repository->bases.count; i++)
		strvec_push(&repository->result->base_urls, repository->bases.items[i]);
}

static const char *const files[] = { REPOMD, SIGNATURE, TOP_LIST, NULL };

const struct sync_format sync_rpm = {
	.files = files,
	.name = name,
	.locate = find_mirrors,
	.bases = bases,
	.fetch = fetch,
	.take = take,
	.indexes = index_fetch_rpm,
};
