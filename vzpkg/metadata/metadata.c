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
#include "vzpkg/metadata/tidy.h"
#include "vzpkg/metadata/top.h"
#include "vzpkg/template_keyring.h"

/* A clock may be an hour or a time zone off. */
enum { NAME_LIMIT = 180, FUTURE_MAX_S = 86400 };

/* ---- names --------------------------------------------------------------------------------------------- */

char *sync_file_name(const char *text)
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

/* ---- checks -------------------------------------------------------------------------------------------- */

static void format_date(int64_t seconds, char text[32])
{
	time_t when = seconds;
	struct tm tm;
	strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&when, &tm));
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

	if (repository->date - FUTURE_MAX_S <= now)
		return 0;
	format_date(repository->date, text);
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
	int64_t until = repository->valid_until;
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

	if (repository->date >= seen->date)
		return 0;
	format_date(seen->date, before);
	format_date(repository->date, now);
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

static int take_top(struct sync *sync, struct sync_repository *repository, struct error *err)
{
	struct metadata_repository *result = repository->result;
	struct seen seen = seen_read(sync->options->pm, repository->seen_name);

	if (sync->format->take(sync, repository, err) < 0 ||
	    check_future(sync, repository, err) < 0 || check_valid(sync, repository, err) < 0 ||
	    check_rollback(sync, repository, &seen, err) < 0)
		return -1;
	digest_data(DIGEST_SHA256, repository->text.text, repository->text.length, &result->top);
	result->source = repository->source;
	result->date = repository->date;
	result->date_before = seen.date;
	result->changed = !digest_equal(&seen.top, &result->top);
	sync->metadata->changed |= result->changed;
	return 0;
}

static int take_tops(struct sync *sync, struct error *err)
{
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		if (take_top(sync, repository, err) == 0)
			continue;
		if (!sync->options->offline)
			top_forget(sync, repository);
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
				     .top = repository->result->top,
				     .is_signed = *repository->result->signer };
		struct seen before = seen_read(sync->options->pm, repository->seen_name);

		if (top_keep_good(sync, repository, err) < 0)
			return -1;
		if ((before.date != seen.date || before.is_signed != seen.is_signed ||
		     !digest_equal(&before.top, &seen.top)) &&
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

bool sync_sha1_ok(const struct sync *sync, const struct sync_repository *repository)
{
	const struct template *template = sync->template;

	for (size_t i = 0; i < template->trust_count; i++)
		if (strcmp(template->trust[i].fingerprint, repository->result->signer) == 0)
			return template->trust[i].sha1_ok;
	return false;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static void waiting(const char *holder, void *data)
{
	report_info(data, "waiting for %s, which reads repositories", holder);
}

void sync_close(struct sync *sync)
{
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		free(repository->base);
		strvec_release(&repository->bases);
		free(repository->served_by);
		free(repository->title);
		free(repository->name);
		free(repository->seen_name);
		strbuf_release(&repository->text);
		release_release(&repository->release);
		repomd_release(&repository->repomd);
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
		.fetcher = sync->options->fetcher,
		.repositories = xcalloc(count, sizeof(*sync->metadata->repositories)),
		.repository_count = count,
	};
	for (size_t i = 0; i < count; i++) {
		sync->repositories[i] = (struct sync_repository){
			.source = &sync->template->repositories[i],
			.result = &sync->metadata->repositories[i],
			.text = STRBUF_INIT,
		};
		sync->format->name(&sync->repositories[i]);
	}
}

int sync_open(struct sync *sync, struct lock *lock, struct error *err)
{
	const struct metadata_options *options = sync->options;

	sync->format = sync->template->format == PACKAGE_RPM ? &sync_rpm : &sync_deb;
	prepare(sync);
	if (lock_take(lock, options->pm, "lock", LOCK_EXCLUSIVE, options->timeout_s, waiting,
		      options->report, err) < 0)
		return -1;
	sync->tops = dir_open(options->pm, "tops", true, 0755, err);
	return sync->tops < 0 ? -1 : 0;
}

static int begin(struct sync *sync, struct lock *lock, struct error *err)
{
	if (sync_open(sync, lock, err) < 0)
		return -1;
	return sync->format->locate ? sync->format->locate(sync, err) : 0;
}

static void take_bases(struct sync *sync)
{
	for (size_t i = 0; i < sync->template->repository_count; i++)
		sync->format->bases(&sync->repositories[i]);
}

int metadata_sync(const struct template *template, const struct metadata_options *options,
		  struct metadata **ret, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	AUTO(sync_close)
	struct sync sync = { .template = template, .options = options, .tops = -1 };

	if (begin(&sync, &lock, err) < 0 ||
	    (needs_keys(template) &&
	     template_keyring_open(template, options->pm, &sync.keyring, err) < 0))
		return -1;
	if (sync.format->fetch(&sync, err) < 0 || take_tops(&sync, err) < 0)
		return -1;
	take_bases(&sync);
	if (sync.format->indexes(&sync, err) < 0 || remember(&sync, err) < 0)
		return -1;
	if (!options->offline)
		metadata_tidy(options->pm);
	*ret = steal_ptr(sync.metadata);
	return 0;
}

int metadata_locate(const struct template *template, const struct metadata_options *options,
		    struct metadata **ret, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	AUTO(sync_close)
	struct sync sync = { .template = template, .options = options, .tops = -1 };

	if (begin(&sync, &lock, err) < 0)
		return -1;
	take_bases(&sync);
	for (size_t i = 0; i < template->repository_count; i++)
		sync.repositories[i].result->source = &template->repositories[i];
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
			free(repository->indexes[x].location);
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
