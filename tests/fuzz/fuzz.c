#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

static char *folder;

static void remove_folder(void)
{
	tree_remove(AT_FDCWD, folder, NULL);
}

const char *fuzz_folder(void)
{
	if (folder)
		return folder;
	const char *top = getenv("TMPDIR");
	folder = xasprintf("%s/vzpkg-fuzz.XXXXXX", top && *top ? top : "/dev/shm");
	fuzz_assert(mkdtemp(folder));
	atexit(remove_folder);
	return folder;
}

void fuzz_sweep(void)
{
	autoclosedir DIR *dir = opendir(fuzz_folder());
	struct dirent *entry;
	fuzz_assert(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fuzz_assert(tree_remove(dirfd(dir), entry->d_name, NULL) == 0);
}

void fuzz_put(const char *path, const void *data, size_t size)
{
	autofree char *full = xasprintf("%s/%s", fuzz_folder(), path);
	autofree char *parent = xstrndup(full, (size_t)(strrchr(full, '/') - full));
	autoclose int dir = dir_open(AT_FDCWD, parent, true, 0755, NULL);
	autoclose int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	fuzz_assert(dir >= 0 && fd >= 0);
	fuzz_assert(write_all(fd, data, size, path, NULL) == 0);
}

int fuzz_fd(const void *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	fuzz_assert(fd >= 0);
	fuzz_assert(write_all(fd, data, size, "input", NULL) == 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

char *fuzz_text(const uint8_t *data, size_t size)
{
	return xstrndup((const char *)data, strnlen((const char *)data, size));
}

static size_t find_name(const char *line, size_t length, const char *const *names, size_t otherwise)
{
	for (size_t i = 0; names[i]; i++)
		if (strlen(names[i]) == length && memcmp(names[i], line, length) == 0)
			return i;
	return otherwise;
}

void fuzz_sections(const uint8_t *data, size_t size, const char *const *names,
		   fuzz_section *section, void *user)
{
	const char *at = (const char *)data, *end = at + size, *begin = at;
	size_t name = 0;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *next = newline ? newline + 1 : end;
		if (newline && newline - at > 3 && memcmp(at, "== ", 3) == 0) {
			if (at > begin)
				section(name, begin, (size_t)(at - begin), user);
			name = find_name(at + 3, (size_t)(newline - at - 3), names, name);
			begin = next;
		}
		at = next;
	}
	if (begin < end)
		section(name, begin, (size_t)(end - begin), user);
}
