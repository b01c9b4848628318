#include "runtime/guest/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define BEGIN_LINE "# BEGIN vzctl (changes in here are overwritten)\n"
#define END_LINE "# END vzctl\n"
#define TEMPORARY ".vzctl.new"

enum { FILE_LIMIT = 1 << 20 };

/* The folder of a path, and its last part. -1 with errno. */
static int open_parent(int root, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	autofree char *parent =
		slash && slash > path ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/");
	*name = slash ? slash + 1 : path;
	return open_in_root(root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* Not O_PATH, which could not be read; O_NONBLOCK, or a FIFO would keep us. */
static int open_regular(int dir, const char *name, struct stat *st)
{
	autoclose int fd =
		openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_size <= FILE_LIMIT
		       ? steal_fd(&fd)
		       : -1;
}

static bool read_at(int dir, const char *name, struct stat *st, struct strbuf *text)
{
	autoclose int fd = open_regular(dir, name, st);
	return fd >= 0 && file_read_fd(fd, name, FILE_LIMIT, text, NULL) == 0;
}

bool guest_read(int root, const char *path, struct strbuf *text)
{
	struct stat st;
	const char *name;
	autoclose int dir = open_parent(root, path, &name);
	return dir >= 0 && read_at(dir, name, &st, text);
}

static int write_temporary(int dir, const struct stat *like, const struct strbuf *text)
{
	unlinkat(dir, TEMPORARY, 0);
	autoclose int fd =
		openat(dir, TEMPORARY, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fchown(fd, like->st_uid, like->st_gid) < 0 ||
	    fchmod(fd, like->st_mode & 07777) < 0)
		return -1;
	for (size_t done = 0; done < text->length;) {
		ssize_t put = TEMP_FAILURE_RETRY(write(fd, text->text + done, text->length - done));
		if (put < 0)
			return -1;
		done += (size_t)put;
	}
	return 0;
}

int guest_write(int root, const char *path, const struct strbuf *text, struct error *err)
{
	AUTO(strbuf_release) struct strbuf old = STRBUF_INIT;
	struct stat st = { .st_mode = 0644 };
	const char *name;
	autoclose int dir = open_parent(root, path, &name);
	if (dir < 0)
		return error_errno(err, errno, "opening the folder of %s in the VE", path);
	if (!read_at(dir, name, &st, &old))
		st = (struct stat){ .st_mode = 0644 };
	else if (old.length == text->length && !memcmp(old.text, text->text, old.length))
		return 0;
	if (write_temporary(dir, &st, text) == 0 && renameat(dir, TEMPORARY, dir, name) == 0)
		return 0;
	int number = errno;
	unlinkat(dir, TEMPORARY, 0);
	return error_errno(err, number, "writing %s in the VE", path);
}

int guest_remove(int root, const char *path, struct error *err)
{
	const char *name;
	autoclose int dir = open_parent(root, path, &name);
	if (dir < 0 || unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	return error_errno(err, errno, "removing %s in the VE", path);
}

bool guest_has(int root, const char *path)
{
	autoclose int fd = open_in_root(root, path, O_PATH | O_CLOEXEC, 0);
	return fd >= 0;
}

/* NULL if there is none; else *end is where its last line begins. */
static const char *find_block(const struct strbuf *text, const char **end)
{
	const char *begin = strstr(text->text, BEGIN_LINE);
	*end = begin ? strstr(begin, END_LINE) : NULL;
	return *end ? begin : NULL;
}

void guest_read_block(int root, const char *path, struct strbuf *block)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *end;
	guest_read(root, path, &text);
	const char *begin = find_block(&text, &end);
	if (begin)
		strbuf_add(block, begin + strlen(BEGIN_LINE),
			   (size_t)(end - begin) - strlen(BEGIN_LINE));
}

int guest_write_block(int root, const char *path, const char *block, struct error *err)
{
	AUTO(strbuf_release) struct strbuf old = STRBUF_INIT, text = STRBUF_INIT;
	const char *end;
	guest_read(root, path, &old);
	const char *begin = find_block(&old, &end);
	const char *rest = end ? end + strlen(END_LINE) : old.text + old.length;
	if (!begin)
		begin = rest; /* half a block is somebody's own text */
	strbuf_add(&text, old.text, (size_t)(begin - old.text));
	if (*block) {
		if (text.length && text.text[text.length - 1] != '\n')
			strbuf_addc(&text, '\n');
		strbuf_addf(&text, BEGIN_LINE "%s" END_LINE, block);
	}
	strbuf_adds(&text, rest);
	return !text.length && !old.length ? 0 : guest_write(root, path, &text, err);
}
