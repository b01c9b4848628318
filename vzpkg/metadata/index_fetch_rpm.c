/* Metadata files of rpm-md repositories. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/index_fetch.h"

/* Which file of repomd.xml is which index; of several types for the same, the first that is there counts. */
static const struct {
	enum index_kind kind;
	const char *title;
	const char *types[5];
	bool later; /* not brought before it is needed */
} kinds[] = {
	{ INDEX_PRIMARY, "primary", { "primary" }, false },
	{ INDEX_FILELISTS, "filelists", { "filelists" }, true },
	{ INDEX_GROUPS, "groups", { "group_gz", "group_xz", "group_zst", "group" }, false },
	{ INDEX_MODULES, "modules", { "modules" }, false },
	{ INDEX_UPDATEINFO, "updateinfo", { "updateinfo" }, true },
};

enum { KIND_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

static const struct repomd_file *find_file(const struct repomd *repomd, size_t kind)
{
	const struct repomd_file *file = NULL;

	for (size_t i = 0; !file && kinds[kind].types[i]; i++)
		file = repomd_find(repomd, kinds[kind].types[i]);
	return file;
}

/* By it a file is decompressed, too. */
static const char *extension_of(const char *location)
{
	static const char *const extensions[] = { ".gz", ".xz", ".zst", ".bz2" };
	const char *dot = strrchr(location, '.');

	for (size_t i = 0; dot && i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if (strcmp(dot, extensions[i]) == 0)
			return extensions[i];
	return "";
}

/* A signature is worth no more than the digests that it is about. Where the packages are signed themselves, these only find
 * what was damaged on the way. */
static int check_digest(const struct sync *sync, const struct sync_repository *repository,
			const struct repomd_file *file, struct error *err)
{
	const char *signer = repository->result->signer;

	if (!*signer || file->digest.kind >= DIGEST_SHA256 || sync_sha1_ok(sync, repository))
		return 0;
	error_set(err, ERROR_TRUST, "%s/repodata/repomd.xml names %s with a weak digest only (%s)",
		  repository->base, file->location, digest_kind_name(file->digest.kind));
	error_subject(err, "%s", repository->base);
	return error_hint(err,
			  "if you accept that for this release, add \"sha1\" to the line of key %s "
			  "in the file \"trust\"",
			  signer);
}

static int add_index(const struct sync *sync, const struct sync_repository *repository, size_t kind,
		     struct error *err)
{
	const struct repomd_file *file = find_file(&repository->repomd, kind);
	struct metadata_repository *result = repository->result;

	if (!file)
		return 0;
	if (check_digest(sync, repository, file, err) < 0)
		return -1;
	if (file->size > INDEX_LIMIT)
		return error_set(err, ERROR_FETCH, "%s/%s is said to have %llu bytes",
				 repository->base, file->location, (unsigned long long)file->size);
	result->indexes[result->index_count++] = (struct metadata_index){
		.kind = kinds[kind].kind,
		.path = index_stored_path(&file->digest, extension_of(file->location)),
		.title = xasprintf("%s %s", repository->title, kinds[kind].title),
		.location = xstrdup(file->location),
		.digest = file->digest,
		.size = file->size,
		.plain_size = *extension_of(file->location) ? file->open_size : file->size,
	};
	return 0;
}

static int add_indexes(const struct sync *sync, const struct sync_repository *repository,
		       struct error *err)
{
	repository->result->indexes = xcalloc(KIND_COUNT, sizeof(*repository->result->indexes));
	for (size_t kind = 0; kind < KIND_COUNT; kind++)
		if (add_index(sync, repository, kind, err) < 0)
			return -1;
	return 0;
}

/* ---- bringing ---------------------------------------------------------------------------------------- */

static bool is_for_later(const struct metadata_index *index)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (kinds[i].kind == index->kind)
			return kinds[i].later;
	return false;
}

static int make_request(int pm, const struct metadata_repository *repository,
			const struct metadata_index *index, struct fetch_request *request,
			struct error *err)
{
	if (index_make_folder(pm, index->path, err) < 0)
		return -1;
	*request = (struct fetch_request){
		.dirfd = pm,
		.name = index->path,
		.title = index->title,
		.size = index->size,
		.size_limit = index->size ?: INDEX_LIMIT,
		.digest = index->digest,
	};
	for (size_t i = 0; i < repository->base_urls.count; i++)
		strvec_pushf(&request->urls, "%s/%s", repository->base_urls.items[i],
			     index->location);
	return 0;
}

static int never_downloaded(const struct metadata_index *index, struct error *err)
{
	error_set(err, ERROR_NO_METADATA, "%s was never downloaded", index->title);
	error_subject(err, "%s", index->title);
	return error_hint(err, "%s", fetch_offline_hint);
}

struct requests {
	struct fetch_request *items;
	size_t count;
};

static void requests_release(struct requests *requests)
{
	for (size_t i = 0; i < requests->count; i++)
		fetch_request_release(&requests->items[i]);
	free(requests->items);
}

static int add_requests(const struct sync *sync, const struct metadata_repository *repository,
			struct requests *requests, struct error *err)
{
	const struct metadata_options *options = sync->options;

	for (size_t i = 0; i < repository->index_count; i++) {
		const struct metadata_index *index = &repository->indexes[i];
		if (is_for_later(index) || index_is_stored(options->pm, index->path, index->size))
			continue;
		if (options->offline)
			return never_downloaded(index, err);
		if (make_request(options->pm, repository, index,
				 &requests->items[requests->count++], err) < 0)
			return -1;
	}
	return 0;
}

int index_fetch_rpm(struct sync *sync, struct error *err)
{
	size_t count = sync->template->repository_count;
	AUTO(requests_release)
	struct requests requests = {
		.items = xcalloc(count * KIND_COUNT + 1, sizeof(*requests.items)),
	};
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		if (add_indexes(sync, &sync->repositories[i], err) < 0 ||
		    add_requests(sync, sync->repositories[i].result, &requests, err) < 0)
			return -1;
	for (size_t i = 0; i < requests.count; i++)
		bytes += requests.items[i].size;
	report_total(sync->options->report, bytes);
	return requests.count ? fetch_run(sync->options->fetcher, requests.items, requests.count,
					  sync->options->report, err)
			      : 0;
}

int metadata_bring(const struct metadata *metadata, const struct metadata_repository *repository,
		   const struct metadata_index *index, struct error *err)
{
	struct fetch_request request = { 0 };

	if (index_is_stored(metadata->pm, index->path, index->size))
		return 0;
	if (!metadata->fetcher)
		return never_downloaded(index, err);
	int ret = make_request(metadata->pm, repository, index, &request, err);
	if (ret == 0)
		ret = fetch_run(metadata->fetcher, &request, 1, NULL, err);
	fetch_request_release(&request);
	return ret;
}
