#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/index_fetch.h"
#include "vzpkg/metadata/top.h"

/* ---- names --------------------------------------------------------------------------------------- */

/* The folder of the top file at one mirror. */
static char *base_of(const struct template_repository *source, const char *url)
{
	size_t length = strlen(source->suite);
	if (length && source->suite[length - 1] == '/')
		return xasprintf("%s/%.*s", url, (int)length - 1, source->suite);
	return xasprintf("%s/dists/%s", url, source->suite);
}

static void name(struct sync_repository *repository)
{
	const struct template_repository *source = repository->source;
	const char *after_scheme = strstr(source->url, "://");

	repository->title = xstrdup(source->suite);
	repository->base = base_of(source, source->url);
	strvec_push(&repository->bases, repository->base);
	for (size_t i = 0; i < source->mirrors.count; i++)
		strvec_take(&repository->bases, base_of(source, source->mirrors.items[i]));
	repository->name = sync_file_name(repository->base + (after_scheme - source->url) + 3);

	/* By the words as written: another mirror of the same archive may not go back either. */
	autofree char *written = xasprintf("%.*s_%s", (int)strcspn(source->text, " \t"),
					   source->text, source->suite);
	repository->seen_name = sync_file_name(written);
}

/* ---- fetching ------------------------------------------------------------------------------------ */

static bool is_signed(const struct sync *sync, const struct sync_repository *repository)
{
	(void)sync;
	return !repository->source->unsigned_ok;
}

static bool lacks_inrelease(const struct sync *sync, const struct sync_repository *repository)
{
	return repository->source->unsigned_ok || !top_is_there(sync, repository, "InRelease");
}

/* ---- verifying ----------------------------------------------------------------------------------- */

static int verify_inrelease(struct sync *sync, struct sync_repository *repository,
			    struct error *err)
{
	AUTO(strbuf_release) struct strbuf raw = STRBUF_INIT;
	struct signature_result result;
	autofree char *url = xasprintf("%s/InRelease", repository->base);

	if (top_read(sync, repository, "InRelease", &raw, err) < 0)
		return -1;
	if (signature_verify_clear(sync->keyring, url, raw.text, raw.length, &repository->text,
				   &result, err) < 0)
		return -1;
	memcpy(repository->result->signer, result.fingerprint, sizeof(result.fingerprint));
	return 0;
}

static int verify_release(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	AUTO(strbuf_release) struct strbuf signature = STRBUF_INIT;
	struct signature_result result;
	autofree char *url = xasprintf("%s/Release", repository->base);

	if (top_read(sync, repository, "Release", &repository->text, err) < 0)
		return -1;
	if (top_is_there(sync, repository, "Release.gpg") &&
	    top_read(sync, repository, "Release.gpg", &signature, err) < 0)
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
		error_hint(err, "%s", fetch_offline_hint);
	} else {
		error_set(err, ERROR_FETCH, "there is neither %s/InRelease nor Release",
			  repository->base);
		error_hint(err, "check the line %s:%u, and that the mirror has this suite",
			   repository->source->file, repository->source->line);
	}
	return error_subject(err, "%s", repository->base);
}

static int verify_one(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	if (repository->source->unsigned_ok) {
		if (!top_is_there(sync, repository, "Release"))
			return nothing_there(sync, repository, err);
		report_warning(sync->options->report, repository->base,
			       "the repository is not signed, and %s:%u says to use it",
			       repository->source->file, repository->source->line);
		return top_read(sync, repository, "Release", &repository->text, err);
	}
	if (top_is_there(sync, repository, "InRelease"))
		return verify_inrelease(sync, repository, err);
	if (top_is_there(sync, repository, "Release"))
		return verify_release(sync, repository, err);
	return nothing_there(sync, repository, err);
}

static int fetch(struct sync *sync, struct error *err)
{
	static const char *const inrelease[] = { "InRelease" };
	static const char *const detached[] = { "Release", "Release.gpg" };

	if (!sync->options->offline && (top_fetch(sync, inrelease, 1, is_signed, err) < 0 ||
					top_fetch(sync, detached, 2, lacks_inrelease, err) < 0))
		return -1;
	return top_verify(sync, verify_one, err);
}

/* ---- taking what it says ------------------------------------------------------------------------- */

/* "lenny/updates" is the suite "lenny" of the security archive. */
static bool is_suite(const char *asked, const char *said)
{
	size_t length = strcspn(asked, "/");
	return said && (strcmp(asked, said) == 0 ||
			(strlen(said) == length && memcmp(asked, said, length) == 0));
}

static int check_suite(const struct sync_repository *repository, struct error *err)
{
	const struct release *release = &repository->release;
	const char *asked = repository->source->suite;

	if (!repository->source->components.count || is_suite(asked, release->suite) ||
	    is_suite(asked, release->codename))
		return 0;
	error_set(err, ERROR_TRUST, "%s gave the release \"%s\" (%s) and not \"%s\"",
		  repository->base, release->suite ?: "?", release->codename ?: "?", asked);
	error_subject(err, "%s", repository->base);
	return error_hint(err, "the mirror is not what it should be; use another one");
}

static int check_arch(const struct sync *sync, const struct sync_repository *repository,
		      struct error *err)
{
	const struct strvec *offered = &repository->release.architectures;
	if (!offered->count || strvec_contains(offered, sync->template->arch_word))
		return 0;
	error_set(err, ERROR_NO_METADATA, "%s has no packages for %s", repository->base,
		  sync->template->arch_word);
	error_subject(err, "%s", repository->base);
	return error_hint(err, "build the template for an architecture that it has");
}

static int take(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	struct metadata_repository *result = repository->result;
	struct release *release = &repository->release;

	if (release_parse(release, repository->base, repository->text.text, err) < 0 ||
	    check_suite(repository, err) < 0 || check_arch(sync, repository, err) < 0)
		return -1;
	repository->date = release->date;
	repository->valid_until = release->valid_until;
	result->origin = steal_ptr(release->origin);
	result->label = steal_ptr(release->label);
	result->suite = xstrdup_or_null(release->suite);
	result->codename = xstrdup_or_null(release->codename);
	return 0;
}

static void bases(struct sync_repository *repository)
{
	struct metadata_repository *result = repository->result;
	bool flat = !repository->source->components.count;

	strvec_push(&result->base_urls, flat ? repository->base : repository->source->url);
	for (size_t i = 0; i < repository->source->mirrors.count; i++)
		strvec_push(&result->base_urls, flat ? repository->bases.items[i + 1]
						     : repository->source->mirrors.items[i]);
}

static const char *const files[] = { "InRelease", "Release", "Release.gpg", NULL };

const struct sync_format sync_deb = {
	.files = files,
	.name = name,
	.bases = bases,
	.fetch = fetch,
	.take = take,
	.indexes = index_fetch_deb,
};
