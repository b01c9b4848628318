#include "vzpkg/metadata/metadata.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "vzpkg/fetch/signature.h"
#include "vzpkg/metadata/seen.h"
#include "vzpkg/metadata/sync.h"
#include "vzpkg/metadata/tidy.h"

/* A clock may be an hour or a time zone off. */
enum { NAME_LIMIT = 180, FUTURE_MAX_S = 86400 };

/* ---- names --------------------------------------------------------------------------------------------- */

/* A file name that tells where it is from; one that would be too long ends in its digest. */
static char *file_name(const char *text)
{
	autofree char *name = xstrdup(text);
	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-.+", *c))
			*c = '_';
	if (strlen(name) <= NAME_LIMIT)
		return steal_ptr(name);
	struct digest digest;
	char hex[DIGEST_MAX * 2 + 1];
	digest_data(DIGEST_SHA256, text, strlen(text), &digest);
	return xasprintf("%.*s_%.32s", NAME_LIMIT - 40, name, digest_hex(&digest, hex));
}

/* The folder of the top file at one mirror. */
static char *base_of(const struct template_repository *source, const char *url)
{
	size_t length = strlen(source->suite);
	if (length && source->suite[length - 1] == '/')
		return xasprintf("%s/%.*s", url, (int)length - 1, source->suite);
	return xasprintf("%s/dists/%s", url, source->suite);
}

static void name_repository(struct sync_repository *repository)
{
	const struct template_repository *source = repository->source;
	const char *after_scheme = strstr(source->url, "://");

	repository->base = base_of(source, source->url);
	strvec_push(&repository->bases, repository->base);
	for (size_t i = 0; i < source->mirrors.count; i++)
		strvec_take(&repository->bases, base_of(source, source->mirrors.items[i]));
	repository->name = file_name(repository->base + (after_scheme - source->url) + 3);

	/* By the words as written: another mirror of the same archive may not go back either. */
	autofree char *written = xasprintf("%.*s_%s", (int)strcspn(source->text, " \t"),
					   source->text, source->suite);
	repository->seen_name = file_name(written);
}

/* ---- checks -------------------------------------------------------------------------------------------- */

static void format_date(int64_t seconds, char text[32])
{
	time_t when = seconds;
	struct tm tm;
	strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&when, &tm));
}

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

static int64_t now_of(const struct sync *sync)
{
	return sync->options->now ?: time(NULL);
}

/* If it were taken, whatever is older would be refused from then on. */
static int check_future(const struct sync *sync, const struct sync_repository *repository,
			struct error *err)
{
	int64_t now = now_of(sync);
	char text[32], clock[32];

	if (repository->release.date - FUTURE_MAX_S <= now)
		return 0;
	format_date(repository->release.date, text);
	format_date(now, clock);
	error_set(err, ERROR_STALE,
		  "the metadata of %s is of %s, and it is %s by this host's clock",
		  repository->base, text, clock);
	error_subject(err, "%s", repository->base);
	return error_hint(err, "set this host's clock; if it is right, use another mirror");
}

static int check_valid(const struct sync *sync, const struct sync_repository *repository,
		       struct error *err)
{
	int64_t now = now_of(sync);
	int64_t until = repository->release.valid_until;
	char text[32], clock[32];

	if (!until || until >= now || repository->source->end_of_life)
		return 0;
	format_date(until, text);
	format_date(now, clock);
	error_set(err, ERROR_STALE,
		  "the metadata of %s was valid until %s, and it is %s by this host's clock",
		  repository->base, text, clock);
	error_subject(err, "%s", repository->base);
	return error_hint(
		err,
		"check this host's clock and use a mirror that is up to date; for a release "
		"without support, write \"eol\" at the end of %s:%u",
		repository->source->file, repository->source->line);
}

static int check_rollback(struct sync *sync, const struct sync_repository *repository,
			  const struct seen *seen, struct error *err)
{
	char before[32], now[32];

	if (repository->release.date >= seen->date)
		return 0;
	format_date(seen->date, before);
	format_date(repository->release.date, now);
	autofree char *pm = fd_path(sync->options->pm);
	error_set(err, ERROR_ROLLBACK, "%s gave metadata of %s, and that of %s was seen before",
		  repository->base, now, before);
	error_subject(err, "%s", repository->base);
	return error_hint(
		err,
		"use a mirror that is up to date; if the archive really went back, remove "
		"%s/seen/%s",
		pm, repository->seen_name);
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

static char *move(char **text)
{
	return steal_ptr(*text);
}

static int take_release(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	struct metadata_repository *result = repository->result;
	struct seen seen = seen_read(sync->options->pm, repository->seen_name);

	if (release_parse(&repository->release, repository->base, repository->text.text, err) < 0 ||
	    check_suite(repository, err) < 0 || check_future(sync, repository, err) < 0 ||
	    check_valid(sync, repository, err) < 0 ||
	    check_rollback(sync, repository, &seen, err) < 0 ||
	    check_arch(sync, repository, err) < 0)
		return -1;
	digest_data(DIGEST_SHA256, repository->text.text, repository->text.length, &result->top);
	result->source = repository->source;
	result->date = repository->release.date;
	result->origin = move(&repository->release.origin);
	result->label = move(&repository->release.label);
	result->suite = xstrdup_or_null(repository->release.suite);
	result->codename = xstrdup_or_null(repository->release.codename);
	bool flat = !repository->source->components.count;
	strvec_push(&result->base_urls, flat ? repository->base : repository->source->url);
	for (size_t i = 0; i < repository->source->mirrors.count; i++)
		strvec_push(&result->base_urls, flat ? repository->bases.items[i + 1]
						     : repository->source->mirrors.items[i]);
	if (!digest_equal(&seen.top, &result->top))
		sync->metadata->changed = true;
	return 0;
}

static int take_releases(struct sync *sync, struct error *err)
{
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		if (take_release(sync, repository, err) == 0)
			continue;
		if (!sync->options->offline)
			sync_forget(sync, repository);
		return -1;
	}
	return 0;
}

/* All of it is there and good: remembers it. */
static int remember(struct sync *sync, struct error *err)
{
	for (size_t i = 0; !sync->options->offline && i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		struct seen seen = { .date = repository->result->date,
				     .top = repository->result->top };
		struct seen before = seen_read(sync->options->pm, repository->seen_name);

		if (sync_keep_good(sync, repository, err) < 0)
			return -1;
		if ((before.date != seen.date || !digest_equal(&before.top, &seen.top)) &&
		    seen_write(sync->options->pm, repository->seen_name, &seen, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static bool needs_keys(const struct template *template)
{
	for (size_t i = 0; i < template->repository_count; i++)
		if (!template->repositories[i].unsigned_ok)
			return true;
	return false;
}

static int open_keyring(struct sync *sync, struct error *err)
{
	const struct template *template = sync->template;
	struct signature_waiver *waivers = xcalloc(template->trust_count + 1, sizeof(*waivers));

	for (size_t i = 0; i < template->trust_count; i++)
		waivers[i] = (struct signature_waiver){
			.fingerprint = template->trust[i].fingerprint,
			.expired_ok = template->trust[i].expired_ok,
			.sha1_ok = template->trust[i].sha1_ok,
			.weak_ok = template->trust[i].weak_ok,
			.file = template->trust[i].file,
			.line = template->trust[i].line,
		};
	autoclose int homes = dir_open(sync->options->pm, "keyrings", true, 0700, err);
	int ret = homes < 0 ? -1
			    : keyring_open(homes, &template->key_files, waivers,
					   template->trust_count, &sync->keyring, err);
	free(waivers);
	return ret;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static void waiting(const char *holder, void *data)
{
	report_info(data, "waiting for %s, which reads repositories", holder);
}

static void sync_release(struct sync *sync)
{
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		free(repository->base);
		strvec_release(&repository->bases);
		free(repository->name);
		free(repository->seen_name);
		strbuf_release(&repository->text);
		release_release(&repository->release);
	}
	free(sync->repositories);
	keyring_freep(&sync->keyring);
	if (sync->tops >= 0)
		close(sync->tops);
	metadata_free(sync->metadata);
}

static void prepare(struct sync *sync)
{
	size_t count = sync->template->repository_count;

	sync->repositories = xcalloc(count, sizeof(*sync->repositories));
	sync->metadata = xcalloc(1, sizeof(*sync->metadata));
	*sync->metadata = (struct metadata){
		.template = sync->template,
		.pm = sync->options->pm,
		.repositories = xcalloc(count, sizeof(*sync->metadata->repositories)),
		.repository_count = count,
	};
	for (size_t i = 0; i < count; i++) {
		sync->repositories[i] = (struct sync_repository){
			.source = &sync->template->repositories[i],
			.result = &sync->metadata->repositories[i],
			.text = STRBUF_INIT,
		};
		name_repository(&sync->repositories[i]);
	}
}

int metadata_sync(const struct template *template, const struct metadata_options *options,
		  struct metadata **ret, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	AUTO(sync_release)
	struct sync sync = { .template = template, .options = options, .tops = -1 };

	if (template->format != PACKAGE_DEB)
		return error_set(err, ERROR_PACKAGE_MANAGER,
				 "%s: this version builds templates of Debian packages only",
				 template->text);
	prepare(&sync);
	if (lock_take(&lock, options->pm, "lock", LOCK_EXCLUSIVE, options->timeout_s, waiting,
		      options->report, err) < 0)
		return -1;
	sync.tops = dir_open(options->pm, "tops", true, 0755, err);
	if (sync.tops < 0 || (needs_keys(template) && open_keyring(&sync, err) < 0))
		return -1;
	if (sync_tops_deb(&sync, err) < 0 || take_releases(&sync, err) < 0 ||
	    sync_indexes_deb(&sync, err) < 0 || remember(&sync, err) < 0)
		return -1;
	if (!options->offline)
		metadata_tidy(options->pm);
	*ret = steal_ptr(sync.metadata);
	return 0;
}

void metadata_free(struct metadata *metadata)
{
	if (!metadata)
		return;
	for (size_t i = 0; i < metadata->repository_count; i++) {
		struct metadata_repository *repository = &metadata->repositories[i];
		for (size_t x = 0; x < repository->index_count; x++) {
			free(repository->indexes[x].path);
			free(repository->indexes[x].title);
		}
		free(repository->indexes);
		strvec_release(&repository->base_urls);
		free(repository->origin);
		free(repository->label);
		free(repository->suite);
		free(repository->codename);
	}
	free(metadata->repositories);
	free(metadata);
}

void metadata_freep(struct metadata **metadata)
{
	metadata_free(*metadata);
	*metadata = NULL;
}
