#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static int make_parents(int dirfd, const char *path, mode_t mode)
{
	autofree char *part = xstrdup(path);
	for (char *slash = part + 1; *part && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdirat(dirfd, part, mode) < 0 && errno != EEXIST)
			return -1;
		*slash = '/';
	}
	return mkdirat(dirfd, part, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int dir_open(int dirfd, const char *path, bool create, mode_t mode, struct error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = openat(dirfd, path, flags);
	if (fd < 0 && errno == ENOENT && create) {
		if (make_parents(dirfd, path, mode) < 0)
			return error_errno(err, errno, "creating the folder %s", path);
		fd = openat(dirfd, path, flags);
	}
	if (fd < 0)
		return error_errno(err, errno, "opening the folder %s", path);
	return fd;
}

int open_in_root(int root, const char *path, uint64_t flags, mode_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd;
	/* EAGAIN: something was renamed meanwhile and the kernel could not be sure (openat2(2)). */
	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return (int)fd;
}

int file_read_fd(int fd, const char *name, size_t limit, struct strbuf *text, struct error *err)
{
	struct stat st;
	size_t total = 0;
	size_t guess = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;

	for (;;) {
		size_t room = guess > total ? guess - total : 65536;
		if (room > limit - total + 1)
			room = limit - total + 1;
		strbuf_reserve(text, room);
		ssize_t got = read(fd, text->text + text->length, room);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", name);
		if (got == 0)
			break;
		text->length += (size_t)got;
		text->text[text->length] = '\0';
		total += (size_t)got;
		if (total > limit) {
			error_set(err, ERROR_SYSTEM, "reading %s: it is larger than %zu bytes",
				  name, limit);
			return error_subject(err, "%s", name);
		}
	}
	return 0;
}

int file_read(int dirfd, const char *path, size_t limit, struct strbuf *text, struct error *err)
{
	autoclose int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		if (errno == ENOENT)
			error_set(err, ERROR_NO_FILE, "reading %s: there is no such file", path);
		else
			error_errno(err, errno, "reading %s", path);
		return error_subject(err, "%s", path);
	}
	return file_read_fd(fd, path, limit, text, err);
}

int write_all(int fd, const void *data, size_t size, const char *name, struct error *err)
{
	const char *at = data;
	while (size) {
		ssize_t put = write(fd, at, size);
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return error_errno(err, errno, "writing %s", name);
		at += put;
		size -= (size_t)put;
	}
	return 0;
}

/* fsync of the folder that holds `path`, so that a rename in it lasts. */
static int sync_folder(int dirfd, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	autoclose int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "writing the folder of %s", path);
	return 0;
}

static int write_temporary(int dirfd, const char *temporary, const char *path, mode_t mode,
			   const void *data, size_t size, struct error *err)
{
	autoclose int fd = openat(dirfd, temporary,
				  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return error_errno(err, errno, "creating %s", path);
	if (write_all(fd, data, size, path, err) < 0)
		return -1;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return error_errno(err, errno, "writing %s", path);
	return 0;
}

int file_write_atomic(int dirfd, const char *path, mode_t mode, const void *data, size_t size,
		      struct error *err)
{
	static unsigned counter;
	autofree char *temporary = xasprintf("%s.tmp-%d-%u", path, (int)getpid(), counter++);

	unlinkat(dirfd, temporary, 0); /* of an earlier process with our number */
	if (write_temporary(dirfd, temporary, path, mode, data, size, err) < 0)
		goto undo;
	if (renameat(dirfd, temporary, dirfd, path) < 0) {
		error_errno(err, errno, "renaming to %s", path);
		goto undo;
	}
	return sync_folder(dirfd, path, err);
undo:
	unlinkat(dirfd, temporary, 0);
	return -1;
}

static int remove_entry(int dir, dev_t device, const char *name, struct error *err);

static int remove_content(int fd, dev_t device, const char *name, struct error *err)
{
	autoclosedir DIR *dir = fdopendir(fd);
	struct dirent *entry;
	if (!dir) {
		error_errno(err, errno, "reading the folder %s", name);
		close(fd);
		return -1;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN &&
		    unlinkat(dirfd(dir), entry->d_name, 0) == 0)
			continue;
		if (remove_entry(dirfd(dir), device, entry->d_name, err) < 0)
			return -1;
	}
	return errno ? error_errno(err, errno, "reading the folder %s", name) : 0;
}

/* A folder of another file system (a mount) is not entered: removing it fails with EBUSY. */
static int remove_entry(int dir, dev_t device, const char *name, struct error *err)
{
	struct stat st;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return error_errno(err, errno, "removing %s", name);

	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) < 0 || (device && st.st_dev != device))) {
		close(fd);
		return error_errno(err, EBUSY, "removing %s", name);
	}
	if (fd >= 0 && remove_content(fd, st.st_dev, name, err) < 0)
		return -1;
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing %s", name);
	return 0;
}

int tree_remove(int dirfd, const char *name, struct error *err)
{
	return remove_entry(dirfd, 0, name, err);
}

uint64_t space_free(int dirfd)
{
	struct statvfs st;
	return fstatvfs(dirfd, &st) < 0 ? 0 : (uint64_t)st.f_bfree * st.f_frsize;
}

char *fd_path(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	return length < 0 ? xasprintf("descriptor %d", fd) : xstrndup(path, (size_t)length);
}
