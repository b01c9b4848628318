#include "image/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/worker.h"
#include "image/walk.h"

enum {
	BUFFER = 128 << 10, /* stays in the CPU's cache */
	FILE_COST = 8 << 10, /* making a file takes as long as copying so many bytes */
	PARTS_EACH = 4, /* for each process, since not all have equally much to do */
};

struct copier {
	int from, to;
	struct walk walk;
	size_t parts;
	size_t *begins; /* of each part, in the walk; and the end */
	char *buffer;
	bool shares; /* contents can be shared, as far as is known */
};

static void copier_release(struct copier *copier)
{
	walk_release(&copier->walk);
	free(copier->begins);
	free(copier->buffer);
}

static int failed(const struct walk_entry *entry, struct error *err)
{
	return error_errno(err, errno, "copying /%s", entry->path);
}

static const char *place(const struct walk_entry *entry)
{
	return *entry->path ? entry->path : ".";
}

/* ---- one entry -------------------------------------------------------------------------------------------- */

/* Links have no descriptor, and no call that takes another. */
static int set_xattrs(const struct copier *copier, const struct walk_entry *entry)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", copier->to, place(entry)) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t i = 0; i < entry->xattr_count; i++) {
		const struct walk_xattr *xattr = &entry->xattrs[i];
		if (lsetxattr(path, xattr->name, xattr->value, xattr->size, 0) < 0)
			return -1;
	}
	return 0;
}

/* In this order: a new owner takes set-id bits and capabilities away, a mode changes an ACL. */
static int set_attributes(const struct copier *copier, const struct walk_entry *entry,
			  struct error *err)
{
	const struct timespec mtime = { entry->mtime, (long)entry->mtime_ns };
	const struct timespec times[2] = { mtime, mtime };

	if (fchownat(copier->to, place(entry), entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!entry->symlink && fchmodat(copier->to, place(entry), entry->mode & 07777, 0) < 0) ||
	    set_xattrs(copier, entry) < 0 ||
	    utimensat(copier->to, place(entry), times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(entry, err);
	return 0;
}

static int copy_bytes(const struct copier *copier, int from, int to, const char *name,
		      struct error *err)
{
	ssize_t got;

	while ((got = read(from, copier->buffer, BUFFER)) != 0) {
		if (got < 0 && errno != EINTR)
			return error_errno(err, errno, "copying /%s", name);
		if (got > 0 && write_all(to, copier->buffer, (size_t)got, name, err) < 0)
			return -1;
	}
	return 0;
}

static int copy_content(struct copier *copier, const struct walk_entry *entry, struct error *err)
{
	autoclose int from =
		openat(copier->from, entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	autoclose int to = openat(copier->to, entry->path,
				  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (from < 0 || to < 0)
		return failed(entry, err);
	if (!entry->size)
		return 0;
	copier->shares = copier->shares && ioctl(to, FICLONE, from) == 0;
	return copier->shares ? 0 : copy_bytes(copier, from, to, entry->path, err);
}

static int copy_entry(struct copier *copier, const struct walk_entry *entry, struct error *err)
{
	if (S_ISDIR(entry->mode) || entry->hardlink)
		return 0;
	if (S_ISREG(entry->mode) && copy_content(copier, entry, err) < 0)
		return -1;
	if ((entry->symlink && symlinkat(entry->symlink, copier->to, entry->path) < 0) ||
	    (S_ISFIFO(entry->mode) && mknodat(copier->to, entry->path, S_IFIFO | 0600, 0) < 0))
		return failed(entry, err);
	return set_attributes(copier, entry, err);
}

/* ---- the processes ------------------------------------------------------------------------------------------- */

static uint64_t cost(const struct walk_entry *entry)
{
	return S_ISDIR(entry->mode) ? 0 : FILE_COST + entry->size;
}

/* Neighbours stay together: two processes that make files in one folder wait for each other. */
static void divide(struct copier *copier, unsigned jobs)
{
	uint64_t total = 0, seen = 0;
	size_t part = 0;

	copier->parts = jobs > 1 ? (size_t)jobs * PARTS_EACH : 1;
	copier->begins = xcalloc(copier->parts + 1, sizeof(*copier->begins));
	for (size_t i = 0; i < copier->walk.count; i++)
		total += cost(&copier->walk.entries[i]);
	for (size_t i = 0; i < copier->walk.count; i++) {
		while (part < copier->parts && seen >= total / copier->parts * part)
			copier->begins[part++] = i;
		seen += cost(&copier->walk.entries[i]);
	}
	while (part <= copier->parts)
		copier->begins[part++] = copier->walk.count;
}

static int copy_part(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct copier *copier = data;

	(void)result;
	for (size_t i = copier->begins[index]; i < copier->begins[index + 1]; i++)
		if (interrupt_check(err) < 0 ||
		    copy_entry(copier, &copier->walk.entries[i], err) < 0)
			return -1;
	return 0;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

/* What is in them comes after them in the list. */
static int make_folders(const struct copier *copier, struct error *err)
{
	for (size_t i = 1; i < copier->walk.count; i++) {
		const struct walk_entry *entry = &copier->walk.entries[i];
		if (S_ISDIR(entry->mode) && mkdirat(copier->to, entry->path, 0700) < 0)
			return failed(entry, err);
	}
	return 0;
}

static int make_links(const struct copier *copier, struct error *err)
{
	for (size_t i = 0; i < copier->walk.count; i++) {
		const struct walk_entry *entry = &copier->walk.entries[i];
		if (entry->hardlink &&
		    linkat(copier->to, entry->hardlink, copier->to, entry->path, 0) < 0)
			return failed(entry, err);
	}
	return 0;
}

/* When nothing is made in them any more. */
static int finish_folders(const struct copier *copier, struct error *err)
{
	for (size_t i = 0; i < copier->walk.count; i++)
		if (S_ISDIR(copier->walk.entries[i].mode) &&
		    set_attributes(copier, &copier->walk.entries[i], err) < 0)
			return -1;
	return 0;
}

int tree_copy(int from, int to, unsigned jobs, struct error *err)
{
	AUTO(copier_release)
	struct copier copier = {
		.from = from,
		.to = to,
		.walk = WALK_INIT,
		.buffer = xmalloc(BUFFER),
		.shares = true,
	};
	if (walk_tree(from, NULL, NULL, &copier.walk, err) < 0)
		return -1;
	divide(&copier, jobs);
	struct worker_job job = {
		.name = "copying a tree",
		.jobs = jobs,
		.count = copier.parts,
		.task = copy_part,
		.data = &copier,
	};
	if (make_folders(&copier, err) < 0 || workers_run(&job, err) < 0 ||
	    make_links(&copier, err) < 0)
		return -1;
	return finish_folders(&copier, err);
}
