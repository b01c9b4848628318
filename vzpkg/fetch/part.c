#include "vzpkg/fetch/part.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* More processes than this at one file are somebody's mistake. */
enum { SLOTS = 32 };

static bool lock_now(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool is_regular(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* The holder may have renamed or removed the file between our open and our lock. */
static bool is_still(int fd, int dirfd, const char *name)
{
	struct stat open_one, named;
	return fstat(fd, &open_one) == 0 &&
	       fstatat(dirfd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

static char *slot_name(const char *name, unsigned slot)
{
	return slot ? xasprintf("%s.part%u", name, slot) : xasprintf("%s.part", name);
}

/* Returns the locked descriptor; -1 with errno EAGAIN if another process has it. */
static int open_locked(int dirfd, const char *name, int flags)
{
	for (;;) {
		autoclose int fd =
			openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0644);
		if (fd < 0)
			return -1;
		if (!is_regular(fd)) {
			errno = EEXIST;
			return -1;
		}
		if (!lock_now(fd)) {
			errno = EAGAIN;
			return -1;
		}
		if (is_still(fd, dirfd, name))
			return steal_fd(&fd);
	}
}

static int take_slot(struct part *part, struct error *err)
{
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		autofree char *name = slot_name(part->name, slot);
		part->fd = open_locked(part->dirfd, name, O_CREAT);
		if (part->fd >= 0) {
			part->part_name = steal_ptr(name);
			return 0;
		}
		if (errno != EAGAIN)
			return error_errno(err, errno, "opening %s", name);
	}
	return error_set(err, ERROR_LOCKED, "%u processes are fetching %s", SLOTS, part->name);
}

static int load(struct part *part, struct error *err)
{
	enum { BLOCK = 128 * 1024 };
	autofree char *block = xmalloc(BLOCK);
	for (;;) {
		ssize_t n = pread(part->fd, block, BLOCK, (off_t)part->length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "reading %s", part->part_name);
		if (n == 0)
			return 0;
		hasher_update(part->hasher, block, (size_t)n);
		part->length += (uint64_t)n;
	}
}

int part_restart(struct part *part, struct error *err)
{
	hasher_free(part->hasher);
	part->hasher = hasher_new(part->kind);
	part->length = 0;
	if (ftruncate(part->fd, 0) < 0)
		return error_errno(err, errno, "emptying %s", part->part_name);
	return 0;
}

static int begin(struct part *part, bool resume, uint64_t limit, struct error *err)
{
	struct stat st;
	if (fstat(part->fd, &st) < 0)
		return error_errno(err, errno, "reading %s", part->part_name);
	if (!resume || (uint64_t)st.st_size > limit)
		return part_restart(part, err);
	part->hasher = hasher_new(part->kind);
	return load(part, err);
}

int part_open(struct part *part, int dirfd, const char *name, enum digest_kind kind, bool resume,
	      uint64_t limit, struct error *err)
{
	*part = (struct part){ .dirfd = dirfd, .name = name, .fd = -1, .kind = kind };
	if (take_slot(part, err) < 0)
		return -1;
	if (begin(part, resume, limit, err) < 0) {
		part_close(part, true);
		return -1;
	}
	return 0;
}

int part_append(struct part *part, const void *data, size_t size, struct error *err)
{
	const char *from = data;
	size_t written = 0;
	while (written < size) {
		ssize_t n = pwrite(part->fd, from + written, size - written,
				   (off_t)(part->length + written));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "writing %s", part->part_name);
		written += (size_t)n;
	}
	hasher_update(part->hasher, data, size);
	part->length += size;
	return 0;
}

void part_digest(struct part *part, struct digest *ret)
{
	hasher_finish(part->hasher, ret);
}

/* What processes that are gone have left of the same file. */
static void sweep(const struct part *part)
{
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		autofree char *name = slot_name(part->name, slot);
		autoclose int fd = open_locked(part->dirfd, name, 0);
		if (fd >= 0)
			unlinkat(part->dirfd, name, 0);
	}
}

static void release(struct part *part)
{
	hasher_freep(&part->hasher);
	free(steal_ptr(part->part_name));
	if (part->fd >= 0)
		close(steal_fd(&part->fd));
}

int part_publish(struct part *part, struct error *err)
{
	/* Readable for all whatever the umask: it is public data that other programs show to VEs. */
	if (fchmod(part->fd, 0644) < 0)
		return error_errno(err, errno, "changing the mode of %s", part->part_name);
	if (renameat(part->dirfd, part->part_name, part->dirfd, part->name) < 0)
		return error_errno(err, errno, "renaming %s to %s", part->part_name, part->name);
	sweep(part);
	release(part);
	return 0;
}

void part_close(struct part *part, bool keep)
{
	if (part->fd >= 0 && (!keep || part->length == 0))
		unlinkat(part->dirfd, part->part_name, 0);
	release(part);
}
