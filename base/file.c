#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"

enum { RENAMES_MAX = 1000 };

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

static int open_below(int root, const char *path, struct open_how *how)
{
	/* EAGAIN: something was renamed meanwhile and the kernel could not be sure (openat2(2)). A
	 * hostile VE may go on renaming for ever. */
	for (unsigned tries = 0;; tries++) {
		long fd = syscall(SYS_openat2, root, path, how, sizeof(*how));
		bool again = errno == EAGAIN && tries < RENAMES_MAX;
		if (fd >= 0 || !(again || (errno == EINTR && !interrupt_pending())))
			return (int)fd;
	}
}

int open_in_root(int root, const char *path, uint64_t flags, mode_t mode)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	return open_below(root, path, &how);
}

int open_type_in_root(int root, const char *path, mode_t type)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	autoclose int found = open_below(root, path, &how);
	struct stat st;
	char again[32];

	if (found < 0 || fstat(found, &st) < 0)
		return -1;
	if ((st.st_mode & S_IFMT) != type) {
		errno = ENODEV;
		return -1;
	}
	snprintf(again, sizeof(again), "/proc/self/fd/%d", found);
	return open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

int file_read_fd(int fd, const char *name, size_t limit, struct strbuf *text, struct error *err)
{
	struct stat st;
	size_t total = 0;
	size_t guess = fstat(fd, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size + 1 : 4096;

	if (limit > SIZE_MAX / 2)
		limit = SIZE_MAX / 2;
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
	static atomic_uint counter;
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

/* ---- copies ------------------------------------------------------------------------------------- */

enum { COPY_PIECE = 1 << 20 };

int file_copy_fd(int from, int to, const char *name, struct error *err)
{
	autofree char *buffer = xmalloc(COPY_PIECE);
	ssize_t got;

	while ((got = read(from, buffer, COPY_PIECE)) != 0) {
		if (got < 0 && errno == EINTR && !interrupt_pending())
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", name);
		if (write_all(to, buffer, (size_t)got, name, err) < 0 || interrupt_check(err) < 0)
			return -1;
	}
	return 0;
}

static int copy(int from_dir, const char *from, int to_dir, const char *to, struct error *err)
{
	autoclose int in = openat(from_dir, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0)
		return error_errno(err, errno, "reading %s", from);
	autoclose int out =
		openat(to_dir, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (out < 0)
		return error_errno(err, errno, "writing %s", to);
	return file_copy_fd(in, out, to, err);
}

int file_link_or_copy(int from_dir, const char *from, int to_dir, const char *to, struct error *err)
{
	const char *slash = strrchr(to, '/');

	if (slash) {
		autofree char *folder = xstrndup(to, (size_t)(slash - to));
		autoclose int made = dir_open(to_dir, folder, true, 0755, err);
		if (made < 0)
			return -1;
	}
	if (linkat(from_dir, from, to_dir, to, 0) == 0)
		return 0;
	if (errno == EXDEV || errno == EPERM || errno == EMLINK)
		return copy(from_dir, from, to_dir, to, err);
	return error_errno(err, errno, "linking %s to %s", from, to);
}

/*
 * ---- removing a tree ------------------------------------------------------------------------------
 *
 * A hostile tree may be deeper than there are descriptors or stack: what lies DEPTH_MAX folders down
 * is moved up to the top, and removed from there.
 */
enum { DEPTH_MAX = 60, TRIES_MAX = 4 };

struct remover {
	int top; /* the tree's own folder; -1 before it is open */
	unsigned next; /* number for the name of a folder that is moved up */
	bool moved; /* since the top was last read */
};

static int remove_folder(struct remover *remover, int dir, const char *name, unsigned depth,
			 struct error *err);

static int cannot_remove(int dir, const char *name, struct error *err)
{
	int number = errno;
	autofree char *folder = fd_path(dir);

	if (number == EXDEV || number == EBUSY) {
		error_set(err, ERROR_SYSTEM, "removing %s/%s: something is mounted there", folder,
			  name);
		error_hint(err, "unmount it, then run the command again");
	} else {
		error_errno(err, number, "removing %s/%s", folder, name);
	}
	if (number == EPERM)
		error_hint(err, "it may be marked immutable: see lsattr(1) and chattr(1)");
	return error_subject(err, "%s/%s", folder, name);
}

static bool is_folder(int dir, const char *name)
{
	struct stat st;
	int saved = errno;
	bool is = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
	errno = saved;
	return is;
}

/* A mount is not entered: st_dev would not tell a bind mount of the same file system. */
static int open_folder(int dir, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV,
	};
	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static int move_up(struct remover *remover, int dir, const char *name, struct error *err)
{
	for (;;) {
		autofree char *at_top = xasprintf(".deep-%u", remover->next++);
		if (renameat2(dir, name, remover->top, at_top, RENAME_NOREPLACE) == 0) {
			remover->moved = true;
			return 0;
		}
		if (errno != EEXIST)
			return cannot_remove(dir, name, err);
	}
}

static int remove_entry(struct remover *remover, int dir, const char *name, bool folder,
			unsigned depth, struct error *err)
{
	if (!folder) {
		if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR && !is_folder(dir, name))
			return cannot_remove(dir, name, err);
	}
	if (depth < DEPTH_MAX)
		return remove_folder(remover, dir, name, depth, err);
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return move_up(remover, dir, name, err);
}

static int remove_content(struct remover *remover, int fd, unsigned depth, struct error *err)
{
	autoclosedir DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close(fd);
		return error_errno(err, errno, "reading a folder");
	}
	if (depth == 0) {
		remover->top = fd;
		remover->moved = false;
	}
	while ((errno = 0, entry = readdir(dir))) {
		const char *name = entry->d_name;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		if (remove_entry(remover, fd, name, entry->d_type == DT_DIR, depth + 1, err) < 0)
			return -1;
	}
	return errno ? cannot_remove(fd, ".", err) : 0;
}

/* Somebody who is about to end may still add to the folder, so it is read a few times. */
static int remove_folder(struct remover *remover, int dir, const char *name, unsigned depth,
			 struct error *err)
{
	for (unsigned tries = 0;;) {
		int fd = open_folder(dir, name);
		if (fd < 0 && errno == ENOENT)
			return 0;
		if (fd < 0)
			return cannot_remove(dir, name, err);
		if (remove_content(remover, fd, depth, err) < 0)
			return -1;
		if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY)
			return cannot_remove(dir, name, err);
		if (!(depth == 0 && remover->moved) && ++tries == TRIES_MAX)
			return cannot_remove(dir, name, err);
	}
}

int tree_remove(int dirfd, const char *name, struct error *err)
{
	struct remover remover = { .top = -1 };
	const char *slash = strrchr(name, '/');
	const char *last = slash ? slash + 1 : name;

	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return error_errno(err, EINVAL, "removing %s", name);
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (!slash && dirfd != AT_FDCWD)
		return remove_entry(&remover, dirfd, last, false, 0, err);

	autofree char *folder = slash ? xstrndup(name, (size_t)(slash - name) + 1) : xstrdup(".");
	autoclose int parent = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return error_errno(err, errno, "removing %s", name);
	return remove_entry(&remover, parent, last, false, 0, err);
}

uint64_t space_free(int dirfd)
{
	struct statvfs st;
	return fstatvfs(dirfd, &st) < 0 ? 0 : (uint64_t)st.f_bfree * st.f_frsize;
}

bool space_used_up(int dirfd)
{
	enum { A_FILE = 64 << 10 };
	struct statvfs st;
	if (fstatvfs(dirfd, &st) < 0)
		return false;
	/* Some file systems have no count of files. */
	return (uint64_t)st.f_bavail * st.f_frsize < A_FILE || (st.f_files && !st.f_favail);
}

char *fd_path(int fd)
{
	char link[64], path[4096];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof(path) - 1);
	return length < 0 ? xasprintf("descriptor %d", fd) : xstrndup(path, (size_t)length);
}
