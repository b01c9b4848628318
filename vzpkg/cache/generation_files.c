#include "vzpkg/cache/generation_files.h"

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

enum { LOCK_TRIES = 10 };

const char *const generation_suffixes[SUFFIX_COUNT] = {
	[SUFFIX_TARBALL] = ".tar.gz",
	[SUFFIX_MANIFEST] = ".manifest.json",
	[SUFFIX_SUM] = ".tar.gz.sha256",
};

int generation_cache_open(const char *template_dir, bool create, struct error *err)
{
	autofree char *path = xasprintf("%s/cache", template_dir);
	return dir_open(AT_FDCWD, path, create, 0755, err);
}

int generation_parent_open(int cache, const char *name, bool create, struct error *err)
{
	autofree char *path = xasprintf(GENERATIONS_DIR "/%s", name);
	return dir_open(cache, path, create, 0755, err);
}

int generation_parent_lock(int cache, const char *name, unsigned timeout_s, struct lock *lock,
			   int *ret_parent, struct error *err)
{
	AUTO(error_clear) struct error error = ERROR_INIT;

	/* Who had it before may have removed the folder between our opening it and locking in it. */
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		autoclose int parent = generation_parent_open(cache, name, true, &error);
		if (parent >= 0 && lock_take(lock, parent, GENERATION_LOCK, LOCK_EXCLUSIVE,
					     timeout_s, NULL, NULL, &error) == 0) {
			*ret_parent = steal_fd(&parent);
			return 0;
		}
		if (error.kind == ERROR_LOCKED || error.kind == ERROR_INTERRUPTED)
			break;
	}
	error_move(err, &error);
	return error_wrap(err, "the generations of %s", name);
}

bool generation_visible(int cache, const char *name)
{
	autofree char *tarball = xasprintf("%s%s", name, generation_suffixes[SUFFIX_TARBALL]);
	return faccessat(cache, tarball, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
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

unsigned *generation_numbers(int parent, size_t *ret_count)
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

unsigned generation_current_number(int cache, int parent, const char *name)
{
	size_t count;
	autofree unsigned *numbers = generation_numbers(parent, &count);
	autofree char *visible = xasprintf("%s%s", name, generation_suffixes[SUFFIX_TARBALL]);

	for (size_t i = count; i-- > 0;) {
		autofree char *own = xasprintf("%u/%s", numbers[i], visible);
		if (same_file(cache, visible, parent, own))
			return numbers[i];
	}
	return 0;
}

/* ---- the visible files ----------------------------------------------------------------------- */

static char *temporary_name(const char *name, size_t suffix)
{
	return xasprintf(".%s%s.new", name, generation_suffixes[suffix]);
}

/* Makes a hard link of the generation's file beside the visible one, unless that is it already: rename(2) of
 * two links of one file does nothing, and leaves both. */
static int lay_out(int cache, int parent, unsigned number, const char *name, size_t suffix,
		   struct error *err)
{
	autofree char *visible = xasprintf("%s%s", name, generation_suffixes[suffix]);
	autofree char *own = xasprintf("%u/%s", number, visible);
	autofree char *temporary = temporary_name(name, suffix);

	unlinkat(cache, temporary, 0);
	if (same_file(cache, visible, parent, own) || linkat(parent, own, cache, temporary, 0) == 0)
		return 0;
	return error_errno(err, errno, "publishing %s", visible);
}

static int show(int cache, const char *name, size_t suffix, struct error *err)
{
	autofree char *visible = xasprintf("%s%s", name, generation_suffixes[suffix]);
	autofree char *temporary = temporary_name(name, suffix);

	if (renameat(cache, temporary, cache, visible) == 0 || errno == ENOENT)
		return 0;
	return error_errno(err, errno, "publishing %s", visible);
}

/* All that takes room comes before the first rename: a full disk leaves the old files, which belong together. */
int generation_switch(int cache, int parent, unsigned number, const char *name, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < SUFFIX_COUNT; i++)
		ret = lay_out(cache, parent, number, name, i, err);
	for (size_t i = 0; ret == 0 && i < SUFFIX_COUNT; i++)
		ret = show(cache, name, i, err);
	if (ret < 0) {
		generation_drop_temporaries(cache, name);
		return -1;
	}
	if (fsync(cache) < 0)
		return error_errno(err, errno, "publishing %s", name);
	return 0;
}

void generation_drop_temporaries(int cache, const char *name)
{
	for (size_t i = 0; i < SUFFIX_COUNT; i++) {
		autofree char *temporary = temporary_name(name, i);
		unlinkat(cache, temporary, 0);
	}
}

/* ---- removing -------------------------------------------------------------------------------- */

void generation_drop(int parent, unsigned number)
{
	autofree char *folder = xasprintf("%u", number);
	tree_remove(parent, GENERATION_DROPPED, NULL); /* of one that was killed */
	if (renameat(parent, folder, parent, GENERATION_DROPPED) == 0)
		tree_remove(parent, GENERATION_DROPPED, NULL);
}

void generation_drop_unpublished(int parent, unsigned current)
{
	size_t count;
	autofree unsigned *numbers = generation_numbers(parent, &count);

	for (size_t i = 0; i < count; i++)
		if (numbers[i] > current &&
		    !generation_marked(parent, numbers[i], GENERATION_PUBLISHED_MARK))
			generation_drop(parent, numbers[i]);
}

unsigned *generation_surplus(int parent, unsigned keep, unsigned first, unsigned second,
			     size_t *ret_count)
{
	size_t count, surplus = 0;
	unsigned *numbers = generation_numbers(parent, &count);
	size_t room = keep ?: 1;

	for (size_t i = 0; i < count; i++)
		if (numbers[i] == first || numbers[i] == second)
			room -= room > 0;
	/* From the highest on; what remains is at the end, and is moved to the front. */
	size_t to = count;
	for (size_t i = count; i-- > 0;) {
		if (numbers[i] == first || (numbers[i] == second && keep > 1))
			continue;
		bool highest = i == count - 1;
		bool kept = room > 0 || highest ||
			    generation_marked(parent, numbers[i], GENERATION_PINNED_MARK);
		room -= room > 0;
		if (!kept)
			numbers[--to] = numbers[i];
	}
	surplus = count - to;
	if (surplus)
		memmove(numbers, numbers + to, surplus * sizeof(*numbers));
	*ret_count = surplus;
	return numbers;
}

/* ---- marks ----------------------------------------------------------------------------------- */

static char *mark_path(unsigned number, const char *mark)
{
	return number ? xasprintf("%u/%s", number, mark) : xstrdup(mark);
}

bool generation_marked(int parent, unsigned number, const char *mark)
{
	autofree char *path = mark_path(number, mark);
	return faccessat(parent, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int sync_folder(int parent, unsigned number, struct error *err)
{
	autofree char *folder = mark_path(number, ".");
	autoclose int fd = openat(parent, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "syncing the generation %s", folder);
	return 0;
}

int generation_mark(int parent, unsigned number, const char *mark, struct error *err)
{
	autofree char *path = mark_path(number, mark);
	/* Empty, so that it is whole as soon as it is there. */
	autoclose int fd = openat(parent, path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "creating %s", path);
	return sync_folder(parent, number, err);
}

int generation_unmark(int parent, unsigned number, const char *mark, struct error *err)
{
	autofree char *path = mark_path(number, mark);
	if (unlinkat(parent, path, 0) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing %s", path);
	return sync_folder(parent, number, err);
}

void generation_clear(int cache, int parent, const char *name, struct lock *lock)
{
	size_t count;
	autofree unsigned *numbers = generation_numbers(parent, &count);
	autofree char *path = xasprintf(GENERATIONS_DIR "/%s", name);

	for (size_t i = 0; i < count; i++)
		generation_drop(parent, numbers[i]);
	tree_remove(parent, GENERATION_DRAFT, NULL);
	tree_remove(parent, GENERATION_DROPPED, NULL);
	generation_unmark(parent, 0, GENERATION_PINNED_MARK, NULL);
	/* The lock goes last: who makes another one after it finds a folder that rmdir leaves alone. */
	lock_remove(lock, parent, GENERATION_LOCK);
	unlinkat(cache, path, AT_REMOVEDIR);
	unlinkat(cache, GENERATIONS_DIR, AT_REMOVEDIR); /* the last one takes it along */
}
