#include "vzpkg/cache/generation.h"

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
#include "vzpkg/cache/generation_files.h"

enum { LOCK_WAIT_S = 60 };

/* ---- making one ------------------------------------------------------------------------------ */

static int open_tarball(struct generation_draft *draft, struct error *err)
{
	autofree char *tarball =
		xasprintf("%s%s", draft->name, generation_suffixes[SUFFIX_TARBALL]);
	draft->fd = openat(draft->dir, tarball, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (draft->fd < 0 || fchmod(draft->fd, 0644) < 0)
		return error_errno(err, errno, "creating %s", tarball);
	return 0;
}

int generation_begin(struct generation_draft *draft, const char *template_dir, const char *name,
		     struct error *err)
{
	draft->name = xstrdup(name);
	draft->cache = generation_cache_open(template_dir, true, err);
	if (draft->cache < 0 || generation_parent_lock(draft->cache, name, LOCK_WAIT_S,
						       &draft->lock, &draft->parent, err) < 0)
		return -1;
	/* Left by a run that was killed: we have the lock. */
	if (tree_remove(draft->parent, GENERATION_DRAFT, err) < 0)
		return -1;
	unsigned current = generation_current_number(draft->cache, draft->parent, name);
	if (current)
		generation_drop_unpublished(draft->parent, current);
	draft->temporary = xstrdup(GENERATION_DRAFT);
	draft->dir = dir_open(draft->parent, GENERATION_DRAFT, true, 0755, err);
	return draft->dir < 0 ? -1 : open_tarball(draft, err);
}

/* The manifest, and the checksum in the form that sha256sum(1) checks. */
static int write_companions(struct generation_draft *draft, const json_t *manifest,
			    const char *gzip_sha256, struct error *err)
{
	autofree char *json_name =
		xasprintf("%s%s", draft->name, generation_suffixes[SUFFIX_MANIFEST]);
	autofree char *sum_name = xasprintf("%s%s", draft->name, generation_suffixes[SUFFIX_SUM]);
	autofree char *sum = xasprintf("%s  %s%s\n", gzip_sha256, draft->name,
				       generation_suffixes[SUFFIX_TARBALL]);
	autofree char *text = json_dumps(manifest, JSON_INDENT(1));

	if (!text)
		return error_set(err, ERROR_INTERNAL, "the manifest of %s cannot be written",
				 draft->name);
	autofree char *line = xasprintf("%s\n", text);
	if (draft->incremental &&
	    generation_mark(draft->dir, 0, GENERATION_INCREMENTAL_MARK, err) < 0)
		return -1;
	if (file_write_atomic(draft->dir, json_name, 0644, line, strlen(line), err) < 0)
		return -1;
	return file_write_atomic(draft->dir, sum_name, 0644, sum, strlen(sum), err);
}

/* Gives the draft its number, for good. */
static int complete(struct generation_draft *draft, unsigned number, struct error *err)
{
	autofree char *folder = xasprintf("%u", number);
	autoclose int above = openat(draft->parent, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (above < 0 || fsync(draft->fd) < 0 || fsync(draft->dir) < 0 ||
	    renameat(draft->parent, draft->temporary, draft->parent, folder) < 0 ||
	    fsync(draft->parent) < 0 || fsync(above) < 0)
		return error_errno(err, errno, "publishing %s", draft->name);
	free(steal_ptr(draft->temporary));
	return 0;
}

int generation_publish(struct generation_draft *draft, const json_t *manifest,
		       const char *gzip_sha256, unsigned keep, struct error *err)
{
	size_t count, surplus_count;
	autofree unsigned *numbers = generation_numbers(draft->parent, &count);
	unsigned number = count ? numbers[count - 1] + 1 : 1;
	unsigned before = generation_current_number(draft->cache, draft->parent, draft->name);

	if (write_companions(draft, manifest, gzip_sha256, err) < 0 ||
	    complete(draft, number, err) < 0)
		return -1;
	if (generation_switch(draft->cache, draft->parent, number, draft->name, err) < 0) {
		if (generation_current_number(draft->cache, draft->parent, draft->name) != number)
			generation_drop(draft->parent, number);
		return -1;
	}
	autofree unsigned *surplus =
		generation_surplus(draft->parent, keep, number, before, &surplus_count);
	for (size_t i = 0; i < surplus_count; i++)
		generation_drop(draft->parent, surplus[i]);
	return 0;
}

int generation_note(const struct generation_draft *draft, const char *suffix, const json_t *note,
		    struct error *err)
{
	autofree char *name = xasprintf("%s.%s", draft->name, suffix);
	autofree char *text = json_dumps(note, JSON_INDENT(1));
	if (!text)
		return error_set(err, ERROR_INTERNAL, "%s cannot be written", name);
	autofree char *line = xasprintf("%s\n", text);
	return file_write_atomic(draft->dir, name, 0644, line, strlen(line), err);
}

json_t *generation_current_note(const struct generation_draft *draft, const char *suffix)
{
	unsigned number = generation_current_number(draft->cache, draft->parent, draft->name);
	autofree char *path = xasprintf("%u/%s.%s", number, draft->name, suffix);
	autoclose int fd = openat(draft->parent, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
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
	/* Nothing was ever published under that name: the empty folders go too. */
	if (draft->lock.fd >= 0 && !generation_visible(draft->cache, draft->name))
		generation_clear(draft->cache, draft->parent, draft->name, &draft->lock);
	lock_release(&draft->lock);
	close_if_open(draft->fd);
	close_if_open(draft->dir);
	close_if_open(draft->parent);
	close_if_open(draft->cache);
	free(draft->temporary);
	free(draft->name);
	*draft = GENERATION_DRAFT_INIT;
}

/* ---- what there is --------------------------------------------------------------------------- */

bool generation_current(const char *template_dir, const char *name, json_t **ret_manifest)
{
	autoclose int cache = generation_cache_open(template_dir, false, NULL);
	autofree char *manifest = xasprintf("%s%s", name, generation_suffixes[SUFFIX_MANIFEST]);

	if (cache < 0 || !generation_visible(cache, name))
		return false;
	if (ret_manifest) {
		autoclose int fd = openat(cache, manifest, O_RDONLY | O_CLOEXEC);
		*ret_manifest = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
	}
	return true;
}

bool generation_is_ours(const char *template_dir, const char *name)
{
	autoclose int cache = generation_cache_open(template_dir, false, NULL);
	autoclose int parent = cache < 0 ? -1 : generation_parent_open(cache, name, false, NULL);
	return parent >= 0 && generation_current_number(cache, parent, name);
}

int generation_names(const char *template_dir, struct strvec *names, struct error *err)
{
	static const char suffix[] = ".tar.gz";
	autofree char *path = xasprintf("%s/cache", template_dir);
	autoclosedir DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", path);
	while ((entry = readdir(dir))) {
		size_t length = strlen(entry->d_name), tail = sizeof(suffix) - 1;
		if (entry->d_name[0] != '.' && length > tail &&
		    strcmp(entry->d_name + length - tail, suffix) == 0)
			strvec_take(names, xstrndup(entry->d_name, length - tail));
	}
	strvec_sort(names);
	return 0;
}

/* ---- removing and mending --------------------------------------------------------------------- */

/* The tarball first: from then on there is no cache, whatever else is still there. */
static int hide(int cache, const char *name, struct error *err)
{
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		autofree char *visible = xasprintf("%s%s", name, generation_suffixes[i]);
		if (unlinkat(cache, visible, 0) < 0 && errno != ENOENT)
			return error_errno(err, errno, "removing %s", visible);
	}
	return 0;
}

static int not_cached(const char *name, struct error *err)
{
	error_set(err, ERROR_NOT_CACHED, "%s has no cache", name);
	return error_subject(err, "%s", name);
}

int generation_remove(const char *template_dir, const char *name, struct error *err)
{
	struct lock lock = LOCK_INIT;
	autoclose int parent = -1;

	if (!generation_current(template_dir, name, NULL))
		return not_cached(name, err);
	autoclose int cache = generation_cache_open(template_dir, false, err);
	if (cache < 0 || generation_parent_lock(cache, name, LOCK_WAIT_S, &lock, &parent, err) < 0)
		return -1;
	int ret = hide(cache, name, err);
	if (ret == 0)
		generation_clear(cache, parent, name, &lock);
	lock_release(&lock);
	return ret;
}

static void mend_switch(int cache, int parent, const char *name)
{
	unsigned current = generation_current_number(cache, parent, name);

	if (!current) /* the administrator's own tarball */
		return;
	generation_switch(cache, parent, current, name, NULL);
	generation_drop_unpublished(parent, current);
}

static void mend(int cache, const char *name)
{
	struct lock lock = LOCK_INIT;
	autoclose int parent = generation_parent_open(cache, name, false, NULL);

	if (parent < 0 || !lock_try(&lock, parent, GENERATION_LOCK, LOCK_EXCLUSIVE))
		return; /* somebody is at work on it */
	tree_remove(parent, GENERATION_DRAFT, NULL);
	tree_remove(parent, GENERATION_DROPPED, NULL);
	generation_drop_temporaries(cache, name);
	if (generation_visible(cache, name)) {
		mend_switch(cache, parent, name);
	} else {
		/* Killed before the first switch, or while removing. */
		hide(cache, name, NULL);
		generation_clear(cache, parent, name, &lock);
	}
	lock_release(&lock);
}

int generation_repair(const char *template_dir, struct error *err)
{
	autofree char *path = xasprintf("%s/cache/" GENERATIONS_DIR, template_dir);
	autoclosedir DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", path);
	autoclose int cache = generation_cache_open(template_dir, false, err);
	if (cache < 0)
		return -1;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			mend(cache, entry->d_name);
	unlinkat(cache, GENERATIONS_DIR, AT_REMOVEDIR); /* if it is empty */
	return 0;
}
