#include "vzpkg/metadata/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/seen.h"
#include "vzpkg/metadata/sync.h"

enum { TOP_LIMIT = 16 << 20 };

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* ---- export ---------------------------------------------------------------------------------------------- */

static int export_tops(const struct sync *sync, size_t index, int folder, struct error *err)
{
	const struct sync_repository *repository = &sync->repositories[index];

	for (const char *const *file = sync->format->files; *file; file++) {
		autofree char *from = xasprintf("%s_%s.good", repository->name, file_name(*file));
		autofree char *to = xasprintf("repositories/%zu/%s", index, file_name(*file));
		if (faccessat(sync->tops, from, F_OK, 0) == 0 &&
		    file_link_or_copy(sync->tops, from, folder, to, err) < 0)
			return -1;
	}
	return 0;
}

/* Those that are there: lists of files are not brought before they are needed. */
static int export_indexes(const struct metadata_repository *repository, int pm, int folder,
			  struct error *err)
{
	for (size_t i = 0; i < repository->index_count; i++) {
		const char *path = repository->indexes[i].path;
		autofree char *to = xasprintf("pm/%s", path);
		if (faccessat(pm, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		    faccessat(folder, to, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    file_link_or_copy(pm, path, folder, to, err) < 0)
			return -1;
	}
	return 0;
}

static int check_same(const struct sync *sync, const struct metadata *metadata, size_t index,
		      struct error *err)
{
	struct seen seen = seen_read(sync->options->pm, sync->repositories[index].seen_name);

	if (digest_equal(&seen.top, &metadata->repositories[index].top))
		return 0;
	error_set(err, ERROR_LOCKED, "the metadata of %s was changed by another vzpkg meanwhile",
		  metadata->repositories[index].source->text);
	return error_hint(err, "try again");
}

int metadata_export(const struct metadata *metadata, int folder, unsigned timeout_s,
		    struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct metadata_options options = { .pm = metadata->pm, .timeout_s = timeout_s };
	AUTO(sync_close)
	struct sync sync = { .template = metadata->template, .options = &options, .tops = -1 };

	if (sync_open(&sync, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < metadata->repository_count; i++)
		if (check_same(&sync, metadata, i, err) < 0 ||
		    export_tops(&sync, i, folder, err) < 0 ||
		    export_indexes(&metadata->repositories[i], metadata->pm, folder, err) < 0)
			return -1;
	return 0;
}

/* ---- import ---------------------------------------------------------------------------------------------- */

static int stage_tops(const struct sync *sync, size_t index, int folder, struct error *err)
{
	const struct sync_repository *repository = &sync->repositories[index];

	for (const char *const *file = sync->format->files; *file; file++) {
		autofree char *from = xasprintf("repositories/%zu/%s", index, file_name(*file));
		autofree char *to = xasprintf("%s_%s.good", repository->name, file_name(*file));
		/* Two lines may be of one suite: then they have it in common. */
		if (faccessat(folder, from, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		    faccessat(sync->tops, to, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    file_link_or_copy(folder, from, sync->tops, to, err) < 0)
			return -1;
	}
	return 0;
}

int metadata_stage(const struct template *template, int folder, int pm, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	autoclose int staged = dir_open(folder, "pm", true, 0755, err);
	struct metadata_options options = { .pm = staged };
	AUTO(sync_close)
	struct sync sync = { .template = template, .options = &options, .tops = -1 };

	if (staged < 0 || sync_open(&sync, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < template->repository_count; i++) {
		const char *name = sync.repositories[i].seen_name;
		struct seen seen = seen_read(pm, name);
		if (stage_tops(&sync, i, folder, err) < 0 ||
		    (seen.date && seen_write(staged, name, &seen, err) < 0))
			return -1;
	}
	return 0;
}

static int adopt_tops(const struct sync *sync, size_t index, int staged, struct error *err)
{
	const struct sync_repository *repository = &sync->repositories[index];

	for (const char *const *file = sync->format->files; *file; file++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		autofree char *name = xasprintf("%s_%s.good", repository->name, file_name(*file));
		autofree char *from = xasprintf("tops/%s", name);
		if (faccessat(staged, from, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
			unlinkat(sync->tops, name, 0);
			continue;
		}
		if (file_read(staged, from, TOP_LIMIT, &text, err) < 0 ||
		    file_write_atomic(sync->tops, name, 0644, text.text, text.length, err) < 0)
			return -1;
	}
	return 0;
}

static int adopt_indexes(const struct metadata_repository *repository, int staged, int pm,
			 struct error *err)
{
	for (size_t i = 0; i < repository->index_count; i++) {
		const char *path = repository->indexes[i].path;
		autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
		if (faccessat(staged, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		autoclose int made = dir_open(pm, folder, true, 0755, err);
		if (made < 0)
			return -1;
		if (renameat(staged, path, pm, path) < 0)
			return error_errno(err, errno, "storing %s", path);
	}
	return 0;
}

static int remember(const struct sync *sync, const struct metadata_repository *repository,
		    const char *name, struct error *err)
{
	int pm = sync->options->pm;
	struct seen before = seen_read(pm, name);
	struct seen seen = {
		.date = repository->date,
		.top = repository->top,
		.is_signed = *repository->signer,
	};

	if (before.date > seen.date)
		return error_set(err, ERROR_ROLLBACK,
				 "newer metadata of %s was seen here than the bundle has",
				 repository->source->text);
	return seen_write(pm, name, &seen, err);
}

int metadata_adopt(const struct metadata *metadata, int staged, int pm, unsigned timeout_s,
		   struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct metadata_options options = { .pm = pm, .timeout_s = timeout_s };
	AUTO(sync_close)
	struct sync sync = { .template = metadata->template, .options = &options, .tops = -1 };

	if (sync_open(&sync, &lock, err) < 0)
		return -1;
	for (size_t i = 0; i < metadata->repository_count; i++) {
		const struct metadata_repository *repository = &metadata->repositories[i];
		if (adopt_indexes(repository, staged, pm, err) < 0 ||
		    remember(&sync, repository, sync.repositories[i].seen_name, err) < 0 ||
		    adopt_tops(&sync, i, staged, err) < 0)
			return -1;
	}
	return 0;
}
