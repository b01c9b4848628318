#include "vzpkg/metadata/tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/lock.h"

/* Whoever uses an index sets its time anew. A temporary file lives for seconds. */
enum { UNUSED_S = 30 * 24 * 3600, TEMPORARY_S = 3600, IN_USE_S = 60 };

struct tidying {
	time_t unused_s; /* files that are not temporary go at that age */
	time_t now; /* by the clock, or when the last of them was used, if that is earlier */
	unsigned count;
	uint64_t bytes;
};

static const struct {
	const char *folder;
	bool ages; /* files that are not temporary go too, if they are old */
} folders[] = {
	{ "indexes", true },
	{ "solv", true },
	{ "tops", false },
	{ "seen", false },
};

static bool is_temporary(const char *name)
{
	return strstr(name, ".tmp-") || strstr(name, ".part");
}

static void tidy_folder(struct tidying *tidying, int parent, const char *name, bool ages);

static void tidy_entry(struct tidying *tidying, int dir, const char *name, bool ages)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		tidy_folder(tidying, dir, name, ages);
		return;
	}
	time_t age = tidying->now - st.st_mtime;
	bool goes = is_temporary(name) ? age > TEMPORARY_S : ages && age > tidying->unused_s;
	if (!goes || unlinkat(dir, name, 0) < 0)
		return;
	tidying->count++;
	tidying->bytes += (uint64_t)st.st_size;
}

static void tidy_folder(struct tidying *tidying, int parent, const char *name, bool ages)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			tidy_entry(tidying, fd, entry->d_name, ages);
}

static void tidy_all(struct tidying *tidying, int pm)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		tidy_folder(tidying, pm, folders[i].folder, folders[i].ages);
}

/* When the last file of a folder was used. */
static time_t last_use(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	time_t last = 0;

	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		struct stat st;
		if (entry->d_name[0] == '.' ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		time_t use = S_ISDIR(st.st_mode) ? last_use(fd, entry->d_name) : st.st_mtime;
		last = use > last ? use : last;
	}
	return last;
}

/* The clock may just have been set, years ahead: what this run has used is not old by that. */
void metadata_tidy(int pm)
{
	time_t now = time(NULL), last = last_use(pm, "indexes");
	struct tidying tidying = { .unused_s = UNUSED_S, .now = last < now ? last : now };
	tidy_all(&tidying, pm);
}

int metadata_clean(int pm, unsigned timeout_s, uint64_t *ret_bytes, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct tidying tidying = { .unused_s = IN_USE_S, .now = time(NULL) };

	if (lock_take(&lock, pm, "lock", LOCK_EXCLUSIVE, timeout_s, NULL, NULL, err) < 0)
		return error_wrap(err, "the repositories' metadata");
	tidy_all(&tidying, pm);
	*ret_bytes = tidying.bytes;
	return (int)tidying.count;
}
