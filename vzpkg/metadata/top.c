#include "vzpkg/metadata/top.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* The largest InRelease ever published is below 1 MiB. */
enum { TOP_LIMIT = 16 << 20 };

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static char *stored_name(const struct sync_repository *repository, const char *file)
{
	return xasprintf("%s_%s", repository->name, file_name(file));
}

static char *usable_name(const struct sync *sync, const struct sync_repository *repository,
			 const char *file)
{
	autofree char *name = stored_name(repository, file);
	return xasprintf("%s%s", name, sync->options->offline ? ".good" : "");
}

/* ---- fetching --------------------------------------------------------------------------------------- */

struct top_request {
	char *name, *title;
	struct sync_repository *repository;
	const char *file;
};

static void note_server(const struct sync *sync, const struct top_request *top, const char *url)
{
	size_t length = url ? strlen(url) : 0, tail = strlen(top->file) + 1;

	if (strcmp(top->file, sync->format->files[0]) != 0 || length <= tail)
		return;
	free(top->repository->served_by);
	top->repository->served_by = xstrndup(url, length - tail);
}

/* What a metalink says is there already. */
static bool is_current(const struct sync *sync, const struct sync_repository *repository,
		       const char *name)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct digest digest;

	if (!repository->expected.kind || file_read(sync->tops, name, TOP_LIMIT, &text, NULL) < 0)
		return false;
	digest_data(repository->expected.kind, text.text, text.length, &digest);
	return digest_equal(&digest, &repository->expected);
}

static void add_urls(const struct sync_repository *repository, const char *file,
		     struct fetch_request *request)
{
	const struct strvec *lists = &repository->source->lists;

	for (size_t i = 0; strcmp(file, TOP_LIST) == 0 && i < lists->count; i++)
		strvec_push(&request->urls, lists->items[i]);
	if (strcmp(file, TOP_LIST) == 0)
		return;
	/* A signature is that of the file which the same mirror gave. */
	if (repository->served_by) {
		strvec_pushf(&request->urls, "%s/%s", repository->served_by, file);
		return;
	}
	for (size_t i = 0; i < repository->bases.count; i++)
		strvec_pushf(&request->urls, "%s/%s", repository->bases.items[i], file);
}

/* false: nothing is to be fetched. */
static bool make_request(const struct sync *sync, struct sync_repository *repository,
			 const char *file, struct top_request *top, struct fetch_request *request)
{
	bool main = strcmp(file, sync->format->files[0]) == 0;
	autofree char *name = stored_name(repository, file);

	repository->is_current |= main && is_current(sync, repository, name);
	if (repository->is_current)
		return false;
	*top = (struct top_request){
		.name = steal_ptr(name),
		.title = xasprintf("%s %s", repository->title, file_name(file)),
		.repository = repository,
		.file = file,
	};
	*request = (struct fetch_request){
		.dirfd = sync->tops,
		.name = top->name,
		.title = top->title,
		.size_limit = TOP_LIMIT,
		.optional = true,
		.digest = main ? repository->expected : DIGEST_INIT,
		.revalidate = !main || !repository->expected.kind,
	};
	add_urls(repository, file, request);
	return true;
}

int top_fetch(struct sync *sync, const char *const *files, size_t file_count,
	      bool (*wanted)(const struct sync *sync, const struct sync_repository *repository),
	      struct error *err)
{
	size_t count = sync->template->repository_count, used = 0;
	struct fetch_request *requests = xcalloc(count * file_count, sizeof(*requests));
	struct top_request *tops = xcalloc(count * file_count, sizeof(*tops));

	for (size_t i = 0; i < count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		for (size_t f = 0; wanted(sync, repository) && f < file_count; f++)
			used += make_request(sync, repository, files[f], &tops[used],
					     &requests[used]);
	}
	int ret =
		used ? fetch_run(sync->options->fetcher, requests, used, sync->options->report, err)
		     : 0;
	for (size_t i = 0; i < used; i++) {
		/* What the mirror does not have any more must not be taken for current. */
		if (ret == 0 && requests[i].state == FETCH_MISSING)
			unlinkat(sync->tops, tops[i].name, 0);
		else if (ret == 0)
			note_server(sync, &tops[i], requests[i].url);
		fetch_request_release(&requests[i]);
		free(tops[i].name);
		free(tops[i].title);
	}
	free(requests);
	free(tops);
	return ret;
}

/* ---- what is there ---------------------------------------------------------------------------------- */

bool top_is_there(const struct sync *sync, const struct sync_repository *repository,
		  const char *file)
{
	autofree char *name = usable_name(sync, repository, file);
	return faccessat(sync->tops, name, F_OK, 0) == 0;
}

int top_read(const struct sync *sync, const struct sync_repository *repository, const char *file,
	     struct strbuf *text, struct error *err)
{
	autofree char *name = usable_name(sync, repository, file);
	return file_read(sync->tops, name, TOP_LIMIT, text, err);
}

void top_forget(struct sync *sync, const struct sync_repository *repository)
{
	for (const char *const *file = sync->format->files; *file; file++) {
		autofree char *name = stored_name(repository, *file);
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

int top_keep_good(struct sync *sync, const struct sync_repository *repository, struct error *err)
{
	for (const char *const *file = sync->format->files; *file; file++) {
		autofree char *name = stored_name(repository, *file);
		if (keep_one(sync, name, err) < 0)
			return -1;
	}
	return 0;
}

int top_verify(struct sync *sync,
	       int (*verify)(struct sync *sync, struct sync_repository *repository,
			     struct error *err),
	       struct error *err)
{
	for (size_t i = 0; i < sync->template->repository_count; i++) {
		struct sync_repository *repository = &sync->repositories[i];
		if (verify(sync, repository, err) < 0) {
			if (!sync->options->offline)
				top_forget(sync, repository);
			return -1;
		}
	}
	return 0;
}
