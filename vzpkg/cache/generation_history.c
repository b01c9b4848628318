/*
 * The generations that are kept: which there are, going back to one, pins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/generation_files.h"

enum { LOCK_WAIT_S = 60, MANIFEST_LIMIT = 256 << 20, SCHEMA = 1 };

static int no_cache(const char *name, struct error *err)
{
	error_set(err, ERROR_NOT_CACHED, "%s has no cache", name);
	error_subject(err, "%s", name);
	return error_hint(err, "\"vzpkg create-cache %s\" builds it", name);
}

static int no_generation(const char *name, unsigned number, struct error *err)
{
	error_set(err, ERROR_NOT_CACHED, "%s has no generation %u", name, number);
	error_subject(err, "%s@%u", name, number);
	return error_hint(err, "\"vzpkg history %s\" shows which there are", name);
}

/* The folder TEMPLATE/cache, if there is a cache of that name. */
static int open_cache(const char *template_dir, const char *name, struct error *err)
{
	if (!generation_current(template_dir, name, NULL))
		return no_cache(name, err);
	return generation_cache_open(template_dir, false, err);
}

/* ---- looking --------------------------------------------------------------------------------- */

/* false if it is not there (any more). */
static bool look_at(int parent, const char *name, struct generation *generation)
{
	struct stat st;
	autofree char *tarball =
		xasprintf("%u/%s%s", generation->number, name, generation_suffixes[SUFFIX_TARBALL]);
	if (fstatat(parent, tarball, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	generation->time = st.st_mtim.tv_sec;
	generation->size = (uint64_t)st.st_size;
	generation->pinned = generation_marked(parent, generation->number, GENERATION_PINNED_MARK);
	generation->incremental =
		generation_marked(parent, generation->number, GENERATION_INCREMENTAL_MARK);
	return true;
}

int generation_list(const char *template_dir, const char *name, struct generation **ret,
		    size_t *ret_count, struct error *err)
{
	size_t count;
	autoclose int cache = open_cache(template_dir, name, err);
	if (cache < 0)
		return -1;
	*ret = NULL;
	*ret_count = 0;
	autoclose int parent = generation_parent_open(cache, name, false, NULL);
	if (parent < 0)
		return 0;
	autofree unsigned *numbers = generation_numbers(parent, &count);
	unsigned current = generation_current_number(cache, parent, name);
	struct generation *list = xcalloc(count, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		struct generation *generation = &list[*ret_count];
		generation->number = numbers[i];
		generation->current = numbers[i] == current;
		/* Above the current one, and never switched to: no generation, or not yet. */
		if (current && numbers[i] > current &&
		    !generation_marked(parent, numbers[i], GENERATION_PUBLISHED_MARK))
			continue;
		*ret_count += look_at(parent, name, generation);
	}
	*ret = list;
	return 0;
}

int generation_folder(const char *template_dir, const char *name, unsigned number,
		      struct error *err)
{
	autoclose int cache = open_cache(template_dir, name, err);
	if (cache < 0 || !number)
		return steal_fd(&cache);
	autofree char *path = xasprintf(GENERATIONS_DIR "/%s/%u", name, number);
	int folder = openat(cache, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder < 0 && errno == ENOENT)
		return no_generation(name, number, err);
	return folder < 0 ? error_errno(err, errno, "opening %s/cache/%s", template_dir, path)
			  : folder;
}

/* Nobody has done anything wrong, and nothing is lost. */
static int of_a_newer_vzpkg(const char *file, json_int_t schema, struct error *err)
{
	error_set(err, ERROR_TRUST,
		  "%s was written by a newer vzpkg: it has form %lld, and this one knows form %d",
		  file, (long long)schema, SCHEMA);
	error_subject(err, "%s", file);
	return error_hint(err, "use that vzpkg; or let this one build the template anew with "
			       "\"vzpkg create-cache --force\", which keeps the generation");
}

int generation_manifest_check(const json_t *manifest, const char *file, const char *name,
			      struct error *err)
{
	json_int_t schema = json_integer_value(json_object_get(manifest, "schema"));
	const char *whose =
		json_string_value(json_object_get(json_object_get(manifest, "template"), "name"));

	if (schema > SCHEMA)
		return of_a_newer_vzpkg(file, schema, err);
	if (schema != SCHEMA)
		error_set(err, ERROR_TRUST, "%s is no manifest", file);
	else if (!whose || strcmp(whose, name) != 0)
		error_set(err, ERROR_TRUST, "%s is the manifest of %s", file,
			  whose ?: "something else");
	else if (!json_array_size(json_object_get(manifest, "packages")) ||
		 !json_is_object(json_object_get(manifest, "image")))
		error_set(err, ERROR_TRUST, "%s is incomplete", file);
	else
		return 0;
	error_subject(err, "%s", file);
	return error_hint(err, "it was changed by somebody: build the template anew (vzpkg "
			       "create-cache --force), or go back with \"vzpkg rollback\"");
}

int generation_manifest(const char *template_dir, const char *name, unsigned number, json_t **ret,
			struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	json_error_t why;
	autofree char *file = xasprintf("%s%s", name, generation_suffixes[SUFFIX_MANIFEST]);
	autoclose int folder = generation_folder(template_dir, name, number, err);

	if (folder < 0)
		return -1;
	if (file_read(folder, file, MANIFEST_LIMIT, &text, err) < 0) {
		if (err && err->kind == ERROR_NO_FILE)
			error_hint(err, "without a manifest it was not made by vzpkg, or somebody "
					"took the file away");
		return -1;
	}
	json_t *manifest = json_loadb(text.text, text.length, 0, &why);
	if (!manifest) {
		error_set(err, ERROR_TRUST, "%s is damaged: line %d: %s", file, why.line, why.text);
		error_subject(err, "%s", file);
		return error_hint(err, "build the template anew: vzpkg create-cache --force %s",
				  name);
	}
	if (generation_manifest_check(manifest, file, name, err) < 0) {
		json_decref(manifest);
		return -1;
	}
	*ret = manifest;
	return 0;
}

/* ---- going back ------------------------------------------------------------------------------- */

/* The highest below the current one, or what was asked for. */
static int choose(int parent, const char *name, unsigned current, unsigned *to, struct error *err)
{
	size_t count;
	autofree unsigned *numbers = generation_numbers(parent, &count);
	unsigned asked = *to;

	*to = 0;
	for (size_t i = 0; i < count; i++)
		if (asked ? numbers[i] == asked : numbers[i] < current)
			*to = numbers[i];
	if (*to)
		return 0;
	if (asked)
		return no_generation(name, asked, err);
	error_set(err, ERROR_NOT_CACHED, "%s has no generation before the current one", name);
	error_subject(err, "%s", name);
	return error_hint(err, "\"vzpkg history %s\" shows which there are", name);
}

/* From now on a number above the current one says nothing of its not having been current. */
static int mark_published(int parent, struct error *err)
{
	size_t count;
	autofree unsigned *numbers = generation_numbers(parent, &count);

	for (size_t i = 0; i < count; i++)
		if (generation_mark(parent, numbers[i], GENERATION_PUBLISHED_MARK, err) < 0)
			return -1;
	return 0;
}

static int go_back(int cache, int parent, const char *name, unsigned to, unsigned *ret_from,
		   unsigned *ret_to, struct error *err)
{
	unsigned current = generation_current_number(cache, parent, name);
	if (!current) {
		error_set(err, ERROR_NOT_CACHED, "the cache of %s is none that vzpkg has made",
			  name);
		error_subject(err, "%s", name);
		return error_hint(err, "move it away, and build one with \"vzpkg create-cache\"");
	}
	generation_drop_unpublished(parent, current);
	if (choose(parent, name, current, &to, err) < 0)
		return -1;
	*ret_from = current;
	*ret_to = to;
	/* Also to the current one: what was half switched is put right by that. */
	if (to != current && mark_published(parent, err) < 0)
		return -1;
	return generation_switch(cache, parent, to, name, err);
}

int generation_rollback(const char *template_dir, const char *name, unsigned to, unsigned *ret_from,
			unsigned *ret_to, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	autoclose int parent = -1;
	autoclose int cache = open_cache(template_dir, name, err);

	if (cache < 0 || generation_parent_lock(cache, name, LOCK_WAIT_S, &lock, &parent, err) < 0)
		return -1;
	return go_back(cache, parent, name, to, ret_from, ret_to, err);
}

/* ---- pins ------------------------------------------------------------------------------------- */

int generation_pin(const char *template_dir, const char *name, unsigned number, bool pinned,
		   struct error *err)
{
	static const char mark[] = GENERATION_PINNED_MARK;
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	autoclose int parent = -1;
	autoclose int cache = open_cache(template_dir, name, err);

	if (cache < 0 || generation_parent_lock(cache, name, LOCK_WAIT_S, &lock, &parent, err) < 0)
		return -1;
	unsigned current = generation_current_number(cache, parent, name);
	if (current)
		generation_drop_unpublished(parent, current);
	if (number) {
		autofree char *folder = xasprintf("%u", number);
		if (faccessat(parent, folder, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return no_generation(name, number, err);
	}
	if (generation_marked(parent, number, mark) == pinned)
		return 0;
	int ret = pinned ? generation_mark(parent, number, mark, err)
			 : generation_unmark(parent, number, mark, err);
	return ret < 0 ? -1 : 1;
}

bool generation_template_pinned(const char *template_dir, const char *name)
{
	autoclose int cache = generation_cache_open(template_dir, false, NULL);
	autoclose int parent = cache < 0 ? -1 : generation_parent_open(cache, name, false, NULL);
	return parent >= 0 && generation_marked(parent, 0, GENERATION_PINNED_MARK);
}
