#include "vzpkg/metadata/tidy.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Whoever uses an index sets its time anew. A temporary file lives for seconds. */
enum { UNUSED_S = 30 * 24 * 3600, TEMPORARY_S = 3600 };

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

static void tidy_folder(int parent, const char *name, bool ages);

static void tidy_entry(int dir, const char *name, bool ages)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode)) {
		tidy_folder(dir, name, ages);
		return;
	}
	time_t age = time(NULL) - st.st_mtime;
	if (is_temporary(name) ? age > TEMPORARY_S : ages && age > UNUSED_S)
		unlinkat(dir, name, 0);
}

static void tidy_folder(int parent, const char *name, bool ages)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			tidy_entry(fd, entry->d_name, ages);
}

void metadata_tidy(int pm)
{
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		tidy_folder(pm, folders[i].folder, folders[i].ages);
}
