#include "vzpkg/cache/generation.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"

/*
 *	cache/NAME.tar.gz			hard link of the current generation's
 *	cache/.generations/NAME/lock		held while one is being made or removed
 *	cache/.generations/NAME/.draft/		being written
 *	cache/.generations/NAME/7/NAME.tar.gz	complete
 */
static const char generations_dir[] = ".generations";
static const char draft_dir[] = ".draft";
static const char lock_name[] = "lock";
static const char tarball_suffix[] = ".tar.gz";

/* The tarball comes first: its rename is the switch. */
static const char *const suffixes[] = { tarball_suffix, ".manifest.json", ".tar.gz.sha256" };
enum { SUFFIX_COUNT = sizeof(suffixes) / sizeof(suffixes[0]) };

static int open_cache(const char *template_dir, bool create, struct error *err)
{
	autofree char *path = xasprintf("%s/cache", template_dir);
	return dir_open(AT_FDCWD, path, create, 0755, err);
}

static int open_parent(int cache, const char *name, bool create, struct error *err)
{
	autofree char *path = xasprintf("%s/%s", generations_dir, name);
	return dir_open(cache, path, create, 0755, err);
}

static bool same_file(int dir_a, const char *a, int dir_b, const char *b)
{
	struct stat st_a, st_b;
	return fstatat(dir_a, a, &st_a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(dir_b, b, &st_b, AT_SYMLINK_NOFOLLOW) == 0 && st_a.st_ino == st_b.st_ino &&
	       st_a.st_dev == st_b.st_dev;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* The number that a folder's name is, or 0. */
static unsigned number_of(const char *text)
{
	char *end;
	if (!isdigit((unsigned char)*text) || *text == '0' || strlen(text) > 9)
		return 0;
	unsigned long number = strtoul(text, &end, 10);
	return *end ? 0 : (unsigned)number;
}

static int by_number(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
	return (x > y) - (x < y);
}

/* The numbers in `parent`, ascending; to be freed. */
static unsigned *list_numbers(int parent, size_t *ret_count)
{
	unsigned *numbers = NULL;
	size_t count = 0, capacity = 0;
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		unsigned number = number_of(entry->d_name);
		if (!number)
			continue;
		numbers = xgrow(numbers, count, &capacity, sizeof(*numbers));
		numbers[count++] = number;
	}
	if (count)
		qsort(numbers, count, sizeof(*numbers), by_number);
	*ret_count = count;
	return numbers;
}

/* The generation whose tarball the visible one is, or 0. */
static unsigned current_number(int cache, int parent, const char *name)
{
	size_t count;
	autofree unsigned *numbers = list_numbers(parent, &count);
	autofree char *visible = xasprintf("%s%s", name, tarball_suffix);

	for (size_t i = count; i-- > 0;) {
		autofree char *own = xasprintf("%u/%s", numbers[i], visible);
		if (same_file(cache, visible, parent, own))
			return numbers[i];
	}
	return 0;
}

/* Removes all generations of a name that has none visible, unless somebody is at work on it. */
static void clear(int cache, const char *name)
{
	struct lock lock = LOCK_INIT;
	autofree char *path = xasprintf("%s/%s", generations_dir, name);
	autoclose int parent = open_parent(cache, name, false, NULL);

	if (parent < 0 || !lock_try(&lock, parent, lock_name, LOCK_EXCLUSIVE))
		return;
	tree_remove(cache, path, NULL);
	lock_release(&lock);
	unlinkat(cache, generations_dir, AT_REMOVEDIR); /* the last one takes it along */
}

/* ---- making one ---------------------------------------------------------------------------------- */

int generation_begin(struct generation_draft *draft, const char *template_dir, const char *name,
		     struct error *err)
{
	autofree char *tarball = xasprintf("%s%s", name, tarball_suffix);

	draft->name = xstrdup(name);
	draft->cache = open_cache(template_dir, true, err);
	draft->parent = draft->cache < 0 ? -1 : open_parent(draft->cache, name, true, err);
	if (draft->parent < 0 || lock_take(&draft->lock, draft->parent, lock_name, LOCK_EXCLUSIVE,
					   60, NULL, NULL, err) < 0)
		return -1;
	if (tree_remove(draft->parent, draft_dir, err) < 0)
		return -1;
	draft->temporary = xstrdup(draft_dir);
	draft->dir = dir_open(draft->parent, draft_dir, true, 0755, err);
	if (draft->dir < 0)
		return -1;
	draft->fd = openat(draft->dir, tarball, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (draft->fd < 0)
		return error_errno(err, errno, "creating %s/cache/%s", template_dir, tarball);
	return 0;
}

/* The manifest, and the checksum in the form that sha256sum(1) checks. */
static int write_companions(struct generation_draft *draft, const json_t *manifest,
			    const char *gzip_sha256, struct error *err)
{
	autofree char *json_name = xasprintf("%s.manifest.json", draft->name);
	autofree char *sum_name = xasprintf("%s.tar.gz.sha256", draft->name);
	autofree char *sum = xasprintf("%s  %s.tar.gz\n", gzip_sha256, draft->name);
	autofree char *text = json_dumps(manifest, JSON_INDENT(1));

	if (!text)
		return error_set(err, ERROR_INTERNAL, "the manifest of %s cannot be written",
				 draft->name);
	autofree char *line = xasprintf("%s\n", text);
	if (file_write_atomic(draft->dir, json_name, 0644, line, strlen(line), err) < 0)
		return -1;
	return file_write_atomic(draft->dir, sum_name, 0644, sum, strlen(sum), err);
}

/* Makes cache/NAME`suffix` a hard link of the generation's, by a rename. */
static int show(int cache, int parent, unsigned number, const char *name, const char *suffix,
		struct error *err)
{
	autofree char *visible = xasprintf("%s%s", name, suffix);
	autofree char *own = xasprintf("%u/%s", number, visible);
	autofree char *temporary = xasprintf(".%s.new", visible);

	/* rename(2) of two links of one file does nothing, and leaves both. */
	if (same_file(cache, visible, parent, own))
		return 0;
	unlinkat(cache, temporary, 0);
	if (linkat(parent, own, cache, temporary, 0) < 0 ||
	    renameat(cache, temporary, cache, visible) < 0) {
		int saved = errno;
		unlinkat(cache, temporary, 0);
		return error_errno(err, saved, "publishing %s", visible);
	}
	return 0;
}

static int switch_over(int cache, int parent, unsigned number, const char *name, struct error *err)
{
	for (size_t i = 0; i < SUFFIX_COUNT; i++)
		if (show(cache, parent, number, name, suffixes[i], err) < 0)
			return -1;
	if (fsync(cache) < 0)
		return error_errno(err, errno, "publishing %s", name);
	return 0;
}

static void drop(int parent, unsigned number)
{
	autofree char *folder = xasprintf("%u", number);
	tree_remove(parent, folder, NULL);
}

int generation_publish(struct generation_draft *draft, const json_t *manifest,
		       const char *gzip_sha256, unsigned keep, struct error *err)
{
	size_t count;
	autofree unsigned *numbers = list_numbers(draft->parent, &count);
	unsigned number = count ? numbers[count - 1] + 1 : 1;
	autofree char *folder = xasprintf("%u", number);

	if (write_companions(draft, manifest, gzip_sha256, err) < 0)
		return -1;
	if (fsync(draft->fd) < 0 || fsync(draft->dir) < 0 ||
	    renameat(draft->parent, draft->temporary, draft->parent, folder) < 0 ||
	    fsync(draft->parent) < 0)
		return error_errno(err, errno, "publishing %s", draft->name);
	free(steal_ptr(draft->temporary));
	if (switch_over(draft->cache, draft->parent, number, draft->name, err) < 0)
		return -1;
	for (size_t i = 0; i < count && count - i >= (keep ?: 1); i++)
		drop(draft->parent, numbers[i]);
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void generation_abandon(struct generation_draft *draft)
{
	if (draft->temporary)
		tree_remove(draft->parent, draft->temporary, NULL);
	lock_release(&draft->lock);
	close_if_open(draft->fd);
	close_if_open(draft->dir);
	close_if_open(draft->parent);
	/* Nothing was ever published under that name: the empty folders go too. */
	if (draft->cache >= 0 && draft->name) {
		autofree char *visible = xasprintf("%s%s", draft->name, tarball_suffix);
		if (faccessat(draft->cache, visible, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			clear(draft->cache, draft->name);
	}
	close_if_open(draft->cache);
	free(draft->temporary);
	free(draft->name);
	*draft = GENERATION_DRAFT_INIT;
}

/* ---- what there is ------------------------------------------------------------------------------- */

bool generation_current(const char *template_dir, const char *name, json_t **ret_manifest)
{
	autoclose int cache = open_cache(template_dir, false, NULL);
	autofree char *tarball = xasprintf("%s%s", name, tarball_suffix);
	autofree char *manifest = xasprintf("%s.manifest.json", name);

	if (cache < 0 || faccessat(cache, tarball, F_OK, 0) < 0)
		return false;
	if (ret_manifest) {
		autoclose int fd = openat(cache, manifest, O_RDONLY | O_CLOEXEC);
		*ret_manifest = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
	}
	return true;
}

/* Calls `each` with every name that `dir` has an entry for that ends in `suffix` ("" for all). */
static void each_name(int dir, const char *suffix, void (*each)(const char *name, void *data),
		      void *data)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (stream && (entry = readdir(stream))) {
		size_t length = strlen(entry->d_name), tail = strlen(suffix);
		if (entry->d_name[0] == '.' || length <= tail ||
		    strcmp(entry->d_name + length - tail, suffix) != 0)
			continue;
		autofree char *name = xstrndup(entry->d_name, length - tail);
		each(name, data);
	}
}

static void push_name(const char *name, void *data)
{
	strvec_push(data, name);
}

int generation_names(const char *template_dir, struct strvec *names, struct error *err)
{
	autofree char *path = xasprintf("%s/cache", template_dir);
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	autoclose int cache = open_cache(template_dir, false, err);
	if (cache < 0)
		return -1;
	each_name(cache, tarball_suffix, push_name, names);
	strvec_sort(names);
	return 0;
}

/* ---- removing and mending ------------------------------------------------------------------------- */

int generation_remove(const char *template_dir, const char *name, struct error *err)
{
	if (!generation_current(template_dir, name, NULL)) {
		error_set(err, ERROR_NOT_CACHED, "%s has no cache", name);
		return error_subject(err, "%s", name);
	}
	autoclose int cache = open_cache(template_dir, false, err);
	if (cache < 0)
		return -1;
	/* The tarball first: from then on there is no cache, whatever else is still there. */
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		autofree char *visible = xasprintf("%s%s", name, suffixes[i]);
		if (unlinkat(cache, visible, 0) < 0 && errno != ENOENT)
			return error_errno(err, errno, "removing %s", visible);
	}
	clear(cache, name);
	return 0;
}

/* Generations above the current one were complete, but their run died before the switch. */
static void mend_switch(int cache, int parent, const char *name)
{
	size_t count;
	autofree unsigned *numbers = list_numbers(parent, &count);
	unsigned current = current_number(cache, parent, name);

	if (!current) /* the administrator's own tarball */
		return;
	switch_over(cache, parent, current, name, NULL);
	for (size_t i = 0; i < count; i++)
		if (numbers[i] > current)
			drop(parent, numbers[i]);
}

static void mend(const char *name, void *data)
{
	int cache = *(const int *)data;
	struct lock lock = LOCK_INIT;
	autofree char *visible = xasprintf("%s%s", name, tarball_suffix);
	autoclose int parent = open_parent(cache, name, false, NULL);

	if (parent < 0)
		return;
	if (faccessat(cache, visible, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		clear(cache, name);
		return;
	}
	if (!lock_try(&lock, parent, lock_name, LOCK_EXCLUSIVE))
		return; /* somebody is at work on it */
	tree_remove(parent, draft_dir, NULL);
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		autofree char *temporary = xasprintf(".%s%s.new", name, suffixes[i]);
		unlinkat(cache, temporary, 0);
	}
	mend_switch(cache, parent, name);
	lock_release(&lock);
}

int generation_repair(const char *template_dir, struct error *err)
{
	autofree char *path = xasprintf("%s/cache/%s", template_dir, generations_dir);
	if (access(path, F_OK) < 0)
		return 0;
	autoclose int cache = open_cache(template_dir, false, err);
	autoclose int generations =
		cache < 0 ? -1 : dir_open(cache, generations_dir, false, 0, err);
	if (generations < 0)
		return -1;
	each_name(generations, "", mend, &cache);
	return 0;
}
