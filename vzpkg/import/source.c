#include "vzpkg/import/source.h"

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

enum { NAMES_MAX = 10000 };

int source_open(struct source *source, const char *path, struct error *err)
{
	source->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (source->root >= 0) {
		source->path = fd_path(source->root);
		return 0;
	}
	if (errno == ENOENT)
		error_set(err, ERROR_NO_FILE, "%s: there is no such folder", path);
	else if (errno == ENOTDIR)
		error_set(err, ERROR_USAGE, "%s is not a folder", path);
	else
		error_errno(err, errno, "opening the folder %s", path);
	error_subject(err, "%s", path);
	return error_hint(err, "name the folder that holds the old template's config/");
}

void source_release(struct source *source)
{
	if (source->root >= 0)
		close(source->root);
	free(source->path);
	*source = SOURCE_INIT;
}

static bool stat_in(const struct source *source, const char *name, struct stat *st)
{
	autoclose int fd = open_in_root(source->root, name, O_PATH, 0);
	return fd >= 0 && fstat(fd, st) == 0;
}

bool source_has(const struct source *source, const char *name)
{
	struct stat st;
	return fstatat(source->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool source_has_folder(const struct source *source, const char *name)
{
	struct stat st;
	return stat_in(source, name, &st) && S_ISDIR(st.st_mode);
}

static char *not_opened(const struct source *source, const char *name, int number)
{
	struct stat st;

	if (fstatat(source->root, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? NULL : xasprintf("it cannot be read: %s", strerror(errno));
	if (S_ISLNK(st.st_mode))
		return xstrdup("it is a symbolic link to nothing that is inside the tree");
	return xasprintf("it cannot be read: %s", strerror(number));
}

/* Looked at before it is opened: opening a device may do something, opening a FIFO waits. */
static int open_plain(const struct source *source, const char *name, size_t limit, char **why)
{
	struct stat st;
	autoclose int path = open_in_root(source->root, name, O_PATH, 0);

	if (path < 0 || fstat(path, &st) < 0) {
		*why = not_opened(source, name, errno);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		*why = xstrdup("it is not a plain file");
		return -1;
	}
	if ((uint64_t)st.st_size > limit) {
		*why = xasprintf("it is larger than %zu bytes", limit);
		return -1;
	}
	autofree char *magic = xasprintf("/proc/self/fd/%d", path);
	int fd = open(magic, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		*why = xasprintf("it cannot be read: %s", strerror(errno));
	return fd;
}

bool source_read(const struct source *source, const char *name, size_t limit, struct strbuf *text,
		 char **why)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	size_t before = text->length;

	*why = NULL;
	autoclose int fd = open_plain(source, name, limit, why);
	if (fd < 0)
		return false;
	if (file_read_fd(fd, name, limit, text, &err) == 0)
		return true;
	strbuf_truncate(text, before);
	*why = xstrdup(err.message);
	return false;
}

int source_list(const struct source *source, const char *folder, struct strvec *names,
		struct error *err)
{
	int fd = open_in_root(source->root, folder, O_RDONLY | O_DIRECTORY, 0);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		strvec_push(names, entry->d_name);
		if (names->count <= NAMES_MAX)
			continue;
		error_set(err, ERROR_USAGE, "%s/%s holds more than %d files", source->path, folder,
			  NAMES_MAX);
		return error_hint(err, "an old template has a few dozen; name another folder");
	}
	strvec_sort(names);
	return 0;
}

/* ---- lines ------------------------------------------------------------------------------------------------ */

struct source_lines source_lines(const struct strbuf *text)
{
	return (struct source_lines){ .at = text->text, .end = text->text + text->length };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_text(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return false;
	return true;
}

bool source_line(struct source_lines *lines, char **line)
{
	while (lines->at < lines->end) {
		const char *start = lines->at;
		const char *newline = memchr(start, '\n', (size_t)(lines->end - start));
		size_t length = (size_t)((newline ?: lines->end) - start);

		lines->at = newline ? newline + 1 : lines->end;
		lines->number++;
		lines->indented = length && is_blank(*start);
		while (length && is_blank(*start)) {
			start++;
			length--;
		}
		while (length && is_blank(start[length - 1]))
			length--;
		if (!length || *start == '#' ||
		    (lines->more && *start && strchr(lines->more, *start)))
			continue;
		*line = is_text(start, length) ? xstrndup(start, length) : NULL;
		return true;
	}
	return false;
}
