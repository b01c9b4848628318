#include "vzpkg/fleet/undo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

enum { FILE_MAX = 16 << 20, LEFT_MAX = 64 << 10, PATHS_MAX = 20000 };

void undo_files_add(struct undo_files *files, const char *path)
{
	static const char *const suffixes[] = { "",        ".dpkg-dist", ".dpkg-new", ".dpkg-old",
						".rpmnew", ".rpmsave",   ".rpmorig" };

	if (*path != '/' || files->paths.count >= PATHS_MAX)
		return;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		strvec_pushf(&files->paths, "%s%s", path, suffixes[i]);
}

void undo_files_release(struct undo_files *files)
{
	strvec_release(&files->paths);
	free(files->files);
	strbuf_release(&files->contents);
	*files = UNDO_FILES_INIT;
}

/* ---- saving ---------------------------------------------------------------------------------------------------------------- */

/* In the VE. What is no file is not touched later either. */
static int open_file(const char *path, struct undo_file *file, struct strbuf *content)
{
	struct stat st;
	autoclose int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	*file = (struct undo_file){ .absent = fd < 0 && errno == ENOENT };
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -1;
	if (file_read_fd(fd, path, FILE_MAX, content, NULL) < 0)
		return -1;
	file->mode = st.st_mode;
	file->uid = st.st_uid;
	file->gid = st.st_gid;
	file->times[0] = st.st_atim;
	file->times[1] = st.st_mtim;
	file->size = content->length;
	return 0;
}

static int send_files(void *data, int channel, struct error *err)
{
	const struct undo_files *files = data;

	for (size_t i = 0; i < files->paths.count; i++) {
		AUTO(strbuf_release) struct strbuf content = STRBUF_INIT;
		struct undo_file file;
		if (open_file(files->paths.items[i], &file, &content) < 0)
			strbuf_truncate(&content, 0);
		if (write_all(channel, &file, sizeof(file), "pipe", err) < 0 ||
		    write_all(channel, content.text, content.length, "pipe", err) < 0)
			return -1;
	}
	return 0;
}

/* What comes from the VE is believed as far as it goes: it is for that VE again. */
static void take(struct undo_files *files, const struct strbuf *got)
{
	size_t at = 0;

	files->files = xcalloc(files->paths.count + 1, sizeof(*files->files));
	while (files->count < files->paths.count && got->length - at >= sizeof(struct undo_file)) {
		struct undo_file *file = &files->files[files->count];
		memcpy(file, got->text + at, sizeof(*file));
		at += sizeof(*file);
		if (file->size > got->length - at)
			return;
		file->begin = files->contents.length;
		strbuf_add(&files->contents, got->text + at, file->size);
		at += file->size;
		files->count++;
	}
}

int undo_files_save(struct applier *applier, struct undo_files *files, struct error *err)
{
	AUTO(strbuf_release) struct strbuf got = STRBUF_INIT;

	if (!files->paths.count)
		return 0;
	if (applier_call(applier, send_files, files, &got, UNDO_FILES_MAX, err) < 0)
		return error_wrap(err, "saving configuration files");
	take(files, &got);
	return 0;
}

/* ---- putting back ------------------------------------------------------------------------------------------------------------ */

static bool is_as_before(const char *path, const struct undo_file *file, const char *before)
{
	AUTO(strbuf_release) struct strbuf content = STRBUF_INIT;
	struct undo_file now;

	return open_file(path, &now, &content) == 0 && now.mode == file->mode &&
	       now.uid == file->uid && now.gid == file->gid && now.size == file->size &&
	       memcmp(content.text, before, file->size) == 0;
}

static int write_file(const char *path, const struct undo_file *file, const char *before)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder = xstrndup(path, (size_t)(slash - path) + 1);
	autoclose int dir = dir_open(AT_FDCWD, folder, true, 0755, NULL);

	if (dir < 0)
		return -1;
	if (!is_as_before(path, file, before) &&
	    (file_write_atomic(dir, slash + 1, 0600, before, file->size, NULL) < 0 ||
	     fchownat(dir, slash + 1, file->uid, file->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	     fchmodat(dir, slash + 1, file->mode & 07777, 0) < 0))
		return -1;
	return utimensat(dir, slash + 1, file->times, AT_SYMLINK_NOFOLLOW);
}

static int put_back(const char *path, const struct undo_file *file, const char *before)
{
	struct stat st;

	if (file->mode)
		return write_file(path, file, before);
	if (!file->absent || lstat(path, &st) < 0)
		return 0;
	return S_ISREG(st.st_mode) ? unlink(path) : -1;
}

/* In the VE. */
static int write_files(void *data, int channel, struct error *err)
{
	const struct undo_files *files = data;

	for (size_t i = 0; i < files->count; i++) {
		const struct undo_file *file = &files->files[i];
		const char *path = files->paths.items[i];
		if (put_back(path, file, files->contents.text + file->begin) == 0)
			continue;
		autofree char *line = xasprintf("%s\n", path);
		if (write_all(channel, line, strlen(line), "pipe", err) < 0)
			return -1;
	}
	return 0;
}

static void list_left(const struct undo_files *files, const char *failed, struct strvec *left)
{
	while (*failed) {
		size_t length = strcspn(failed, "\n");
		autofree char *path = xstrndup(failed, length);
		autofree char *clean = text_clean(path);
		strvec_pushf(left, "%s cannot be put back", clean);
		failed += length + (failed[length] == '\n');
	}
	if (files->count < files->paths.count)
		strvec_pushf(left, "%zu configuration files were too much to be saved",
			     files->paths.count - files->count);
}

int undo_files_put_back(struct applier *applier, const struct undo_files *files,
			struct strvec *left, struct error *err)
{
	AUTO(strbuf_release) struct strbuf failed = STRBUF_INIT;

	if (!files->paths.count)
		return 0;
	if (applier_call(applier, write_files, (void *)files, &failed, LEFT_MAX, err) < 0)
		return error_wrap(err, "putting configuration files back");
	list_left(files, failed.text, left);
	return 0;
}
