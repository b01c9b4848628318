#include "runtime/area/duplicate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/strvec.h"
#include "runtime/area/same.h"

enum { BUFFER = 128 << 10, PLACE_MAX = NAME_MAX + 40 };

/* A folder that is being copied. */
struct level {
	struct strvec names;
	size_t next;
	struct stat st;
};

struct duplicator {
	int from, to; /* of the innermost level */
	int links;
	struct level *levels;
	size_t count, capacity;
	char *buffer, *list, *value; /* contents; names and a value of attributes */
	bool shares; /* contents can be shared, as far as is known */
	bool equalizes; /* there may be something in `to` */
};

static void pop(struct duplicator *duplicator)
{
	strvec_release(&duplicator->levels[--duplicator->count].names);
}

static void duplicator_release(struct duplicator *duplicator)
{
	while (duplicator->count)
		pop(duplicator);
	cleanup_close(&duplicator->from);
	cleanup_close(&duplicator->to);
	free(duplicator->levels);
	free(duplicator->buffer);
	free(duplicator->list);
	free(duplicator->value);
}

static int failed(const struct duplicator *duplicator, const char *name, struct error *err)
{
	int number = errno;
	autofree char *folder = fd_path(duplicator->from);

	if (interrupt_check(err) < 0)
		return -1;
	return error_errno(err, number, "copying %s/%s", folder, name);
}

/* ---- attributes --------------------------------------------------------------------------------------------- */

/* Links and devices cannot be opened, and no call takes a folder and a name. */
static void place(int dir, const char *name, char *path)
{
	snprintf(path, PLACE_MAX, "/proc/self/fd/%d/%s", dir, name);
}

/* Those that the other one does not have. */
static int remove_xattrs(struct duplicator *duplicator, const char *from, const char *to)
{
	ssize_t size = llistxattr(to, duplicator->list, XATTR_LIST_MAX);
	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : -1;
	for (ssize_t at = 0; at < size;) {
		const char *key = duplicator->list + at;
		if (lgetxattr(from, key, NULL, 0) < 0 && errno == ENODATA &&
		    lremovexattr(to, key) < 0)
			return -1;
		at += (ssize_t)strlen(key) + 1;
	}
	return 0;
}

static int copy_xattrs(struct duplicator *duplicator, const char *name)
{
	char from[PLACE_MAX], to[PLACE_MAX];

	place(duplicator->from, name, from);
	place(duplicator->to, name, to);
	if (duplicator->equalizes && remove_xattrs(duplicator, from, to) < 0)
		return -1;
	ssize_t size = llistxattr(from, duplicator->list, XATTR_LIST_MAX);
	if (size < 0)
		return errno == EOPNOTSUPP ? 0 : -1;
	for (ssize_t at = 0; at < size;) {
		const char *key = duplicator->list + at;
		ssize_t got = lgetxattr(from, key, duplicator->value, XATTR_SIZE_MAX);
		if (got < 0 || lsetxattr(to, key, duplicator->value, (size_t)got, 0) < 0)
			return -1;
		at += (ssize_t)strlen(key) + 1;
	}
	return 0;
}

/* In this order: a new owner takes set-id bits and capabilities away, a mode changes an ACL. */
static int copy_attributes(struct duplicator *duplicator, const char *name, const struct stat *st,
			   struct error *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchownat(duplicator->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISLNK(st->st_mode) && fchmodat(duplicator->to, name, st->st_mode & 07777, 0) < 0) ||
	    copy_xattrs(duplicator, name) < 0 ||
	    utimensat(duplicator->to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(duplicator, name, err);
	return 0;
}

/* ---- contents ----------------------------------------------------------------------------------------------- */

/* What is between `at` and `end` has no holes. */
static int copy_range(char *buffer, int from, int to, off_t at, off_t end)
{
	while (at < end) {
		size_t wanted = end - at < BUFFER ? (size_t)(end - at) : BUFFER;
		ssize_t got = pread(from, buffer, wanted, at);
		if (got <= 0) {
			errno = got ? errno : EIO;
			return -1;
		}
		for (ssize_t done = 0, put; done < got; done += put)
			if ((put = pwrite(to, buffer + done, (size_t)(got - done), at + done)) < 0)
				return -1;
		at += got;
		if (interrupt_pending()) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

static int copy_data(char *buffer, int from, int to, off_t size)
{
	off_t end = 0;

	if (ftruncate(to, size) < 0)
		return -1;
	while (end < size) {
		off_t begin = lseek(from, end, SEEK_DATA);
		if (begin < 0)
			return errno == ENXIO ? 0 : -1;
		end = lseek(from, begin, SEEK_HOLE);
		if (end < 0 || copy_range(buffer, from, to, begin, end) < 0)
			return -1;
	}
	return 0;
}

int file_duplicate(int from, int to, off_t size, struct error *err)
{
	autofree char *buffer = xmalloc(BUFFER);

	if (ioctl(to, FICLONE, from) == 0 || copy_data(buffer, from, to, size) == 0)
		return 0;
	int number = errno;
	if (interrupt_check(err) < 0)
		return -1;
	autofree char *path = fd_path(from);
	return error_errno(err, number, "copying %s", path);
}

static int copy_file(struct duplicator *duplicator, const char *name, const struct stat *st)
{
	autoclose int from =
		openat(duplicator->from, name, O_RDONLY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	autoclose int to = openat(duplicator->to, name,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (from < 0 || to < 0)
		return -1;
	if (!st->st_size)
		return 0;
	duplicator->shares = duplicator->shares && ioctl(to, FICLONE, from) == 0;
	return duplicator->shares ? 0 : copy_data(duplicator->buffer, from, to, st->st_size);
}

/* ---- what is there already ----------------------------------------------------------------------------------- */

/* 1 if nothing is to be copied any more. */
static int make_room(struct duplicator *duplicator, const char *name, const struct stat *st,
		     struct error *err)
{
	struct stat to;

	if (S_ISDIR(st->st_mode)) {
		if (fstatat(duplicator->to, name, &to, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(to.st_mode))
			return 0;
	} else if (same_content(duplicator->from, duplicator->to, name, st)) {
		if (!same_attributes(duplicator->from, duplicator->to, name, st) &&
		    copy_attributes(duplicator, name, st, err) < 0)
			return -1;
		return 1;
	}
	return tree_remove(duplicator->to, name, err);
}

/* ---- entries ------------------------------------------------------------------------------------------------ */

static int copy_link(const struct duplicator *duplicator, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(duplicator->from, name, target, sizeof(target) - 1);

	if (length < 0)
		return -1;
	target[length] = '\0';
	return symlinkat(target, duplicator->to, name);
}

static int copy_new(struct duplicator *duplicator, const char *name, const struct stat *st,
		    struct error *err)
{
	int ret;

	if (S_ISREG(st->st_mode))
		ret = copy_file(duplicator, name, st);
	else if (S_ISLNK(st->st_mode))
		ret = copy_link(duplicator, name);
	else
		ret = mknodat(duplicator->to, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev);
	return ret < 0 ? failed(duplicator, name, err) : copy_attributes(duplicator, name, st, err);
}

/* A file of several names is found again by its numbers. */
static int copy_shared(struct duplicator *duplicator, const char *name, const struct stat *st,
		       struct error *err)
{
	char number[48];

	snprintf(number, sizeof(number), "%ju-%ju", (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);
	if (linkat(duplicator->links, number, duplicator->to, name, 0) == 0)
		return 0;
	if (errno != ENOENT)
		return failed(duplicator, name, err);
	if (copy_new(duplicator, name, st, err) < 0)
		return -1;
	if (linkat(duplicator->to, name, duplicator->links, number, 0) < 0)
		return failed(duplicator, name, err);
	return 0;
}

/* ---- folders ------------------------------------------------------------------------------------------------ */

static int open_folder(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
}

static int read_names(int folder, struct strvec *names)
{
	int fd = open_folder(folder, ".");
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir) {
		cleanup_close(&fd);
		return -1;
	}
	while ((errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strvec_push(names, entry->d_name);
	return errno ? -1 : 0;
}

/* What is in `to` and not in `from`, but for the folder of links. */
static int remove_others(const struct duplicator *duplicator, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	struct stat links, st;

	if (read_names(duplicator->to, &names) < 0 || fstat(duplicator->links, &links) < 0)
		return failed(duplicator, ".", err);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = names.items[i];
		if (fstatat(duplicator->from, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
		    (fstatat(duplicator->to, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		     st.st_ino == links.st_ino && st.st_dev == links.st_dev))
			continue;
		if (tree_remove(duplicator->to, name, err) < 0)
			return -1;
	}
	return 0;
}

/* Both descriptors are taken over. */
static int push(struct duplicator *duplicator, int from, int to, struct error *err)
{
	struct level *level;

	cleanup_close(&duplicator->from);
	cleanup_close(&duplicator->to);
	duplicator->from = from;
	duplicator->to = to;
	if (duplicator->count == duplicator->capacity) {
		duplicator->capacity = duplicator->capacity * 2 ?: 16;
		duplicator->levels = xreallocarray(duplicator->levels, duplicator->capacity,
						   sizeof(*duplicator->levels));
	}
	level = &duplicator->levels[duplicator->count++];
	*level = (struct level){ .names = STRVEC_INIT };
	if (fstat(from, &level->st) < 0 || read_names(from, &level->names) < 0)
		return failed(duplicator, ".", err);
	return duplicator->equalizes ? remove_others(duplicator, err) : 0;
}

static int enter(struct duplicator *duplicator, const char *name, struct error *err)
{
	autoclose int from = open_folder(duplicator->from, name);

	if (from < 0 || (mkdirat(duplicator->to, name, 0700) < 0 &&
			 !(errno == EEXIST && duplicator->equalizes)))
		return failed(duplicator, name, err);
	autoclose int to = open_folder(duplicator->to, name);
	if (to < 0)
		return failed(duplicator, name, err);
	return push(duplicator, steal_fd(&from), steal_fd(&to), err);
}

/* A folder is finished when nothing is made in it any more. The one above is opened anew, so that no tree is too deep. */
static int leave(struct duplicator *duplicator, struct error *err)
{
	const struct level *level = &duplicator->levels[duplicator->count - 1];
	struct stat st;

	if (!(duplicator->equalizes &&
	      same_attributes(duplicator->from, duplicator->to, ".", &level->st)) &&
	    copy_attributes(duplicator, ".", &level->st, err) < 0)
		return -1;
	pop(duplicator);
	if (!duplicator->count)
		return 0;
	autoclose int from = open_folder(duplicator->from, "..");
	autoclose int to = open_folder(duplicator->to, "..");
	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return failed(duplicator, "..", err);
	if (st.st_ino != duplicator->levels[duplicator->count - 1].st.st_ino)
		return error_set(err, ERROR_SYSTEM, "a tree was changed while it was copied");
	cleanup_close(&duplicator->from);
	cleanup_close(&duplicator->to);
	duplicator->from = steal_fd(&from);
	duplicator->to = steal_fd(&to);
	return 0;
}

/* The files of an overlay may be of several devices, and none of them is mounted there. */
static bool is_mounted_there(const struct duplicator *duplicator, const char *name)
{
	struct statx above, here;

	return statx(duplicator->from, "", AT_EMPTY_PATH, STATX_MNT_ID, &above) < 0 ||
	       statx(duplicator->from, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID,
		     &here) < 0 ||
	       above.stx_mnt_id != here.stx_mnt_id;
}

static int copy_entry(struct duplicator *duplicator, const char *name, struct error *err)
{
	const struct level *level = &duplicator->levels[duplicator->count - 1];
	struct stat st;

	if (fstatat(duplicator->from, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		return failed(duplicator, name, err);
	if (st.st_dev != level->st.st_dev && is_mounted_there(duplicator, name)) {
		autofree char *folder = fd_path(duplicator->from);
		return error_set(err, ERROR_SYSTEM, "something is mounted at %s/%s", folder, name);
	}
	if (duplicator->equalizes) {
		int room = make_room(duplicator, name, &st, err);
		if (room != 0)
			return room < 0 ? -1 : 0;
	}
	if (S_ISDIR(st.st_mode))
		return enter(duplicator, name, err);
	return st.st_nlink > 1 ? copy_shared(duplicator, name, &st, err)
			       : copy_new(duplicator, name, &st, err);
}

static int step(struct duplicator *duplicator, struct error *err)
{
	struct level *level = &duplicator->levels[duplicator->count - 1];

	if (interrupt_check(err) < 0)
		return -1;
	if (level->next == level->names.count)
		return leave(duplicator, err);
	/* The array of levels may move, and the name does not. */
	return copy_entry(duplicator, level->names.items[level->next++], err);
}

static int run(int from, int to, int links, bool equalizes, struct error *err)
{
	AUTO(duplicator_release)
	struct duplicator duplicator = {
		.from = -1,
		.to = -1,
		.links = links,
		.buffer = xmalloc(BUFFER),
		.list = xmalloc(XATTR_LIST_MAX),
		.value = xmalloc(XATTR_SIZE_MAX),
		.shares = true,
		.equalizes = equalizes,
	};
	autoclose int top = open_folder(from, "."), copy = open_folder(to, ".");

	if (top < 0 || copy < 0)
		return error_errno(err, errno, "opening a folder to copy it");
	if (push(&duplicator, steal_fd(&top), steal_fd(&copy), err) < 0)
		return -1;
	while (duplicator.count)
		if (step(&duplicator, err) < 0)
			return -1;
	return 0;
}

int tree_duplicate(int from, int to, int links, struct error *err)
{
	return run(from, to, links, false, err);
}

int tree_equalize(int from, int to, int links, struct error *err)
{
	return run(from, to, links, true, err);
}
