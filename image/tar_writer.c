#include "image/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/acl.h"

enum { BLOCK = 512 };

struct tar_writer {
	int tree;
	int64_t epoch;
	struct archive *archive;
	struct archive_entry *entry;
	struct strbuf *tar; /* where the archive writes to now; NULL: dropped */
	locale_t locale;
	const struct walk *walk; /* of a live tree, else NULL */
	unsigned char *changed;
};

static la_ssize_t write_callback(struct archive *archive, void *data, const void *bytes,
				 size_t size)
{
	struct tar_writer *writer = data;
	(void)archive;
	if (writer->tar)
		strbuf_add(writer->tar, bytes, size);
	return (la_ssize_t)size;
}

static int failed(struct tar_writer *writer, const char *what, struct error *err)
{
	return error_set(err, ERROR_SYSTEM, "%s: %s", what,
			 archive_error_string(writer->archive) ?: "unknown error");
}

static int open_archive(struct tar_writer *writer, struct error *err)
{
	struct archive *archive = writer->archive;
	/* Without blocking, every header arrives when it is written. */
	if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
	    archive_write_set_options(archive, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(archive, 0) != ARCHIVE_OK ||
	    archive_write_open(archive, writer, NULL, write_callback, NULL) != ARCHIVE_OK)
		return failed(writer, "setting up the tar writer", err);
	return 0;
}

struct tar_writer *tar_writer_new(int tree, int64_t epoch, struct error *err)
{
	struct tar_writer *writer = xcalloc(1, sizeof(*writer));
	writer->tree = tree;
	writer->epoch = epoch;
	writer->archive = archive_write_new();
	writer->entry = archive_entry_new();
	/* libarchive converts names by the locale; the bytes must not depend on the caller's. */
	writer->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!writer->locale)
		error_errno(err, errno, "loading the locale C.UTF-8");
	if (!writer->locale || open_archive(writer, err) < 0) {
		tar_writer_free(writer);
		return NULL;
	}
	return writer;
}

void tar_writer_live(struct tar_writer *writer, const struct walk *walk, unsigned char *changed)
{
	writer->walk = walk;
	writer->changed = changed;
}

void tar_writer_free(struct tar_writer *writer)
{
	if (!writer)
		return;
	writer->tar = NULL; /* what closing writes */
	archive_write_free(writer->archive);
	archive_entry_free(writer->entry);
	if (writer->locale)
		freelocale(writer->locale);
	free(writer);
}

/* "./usr/bin/x"; libarchive adds the "/" of a folder. */
static char *member_name(const char *path)
{
	return *path ? xasprintf("./%s", path) : xstrdup("./");
}

static int fill_xattrs(struct archive_entry *entry, const struct walk_entry *from,
		       struct error *err)
{
	for (size_t i = 0; i < from->xattr_count; i++) {
		const struct walk_xattr *xattr = &from->xattrs[i];
		if (!acl_is(xattr->name))
			archive_entry_xattr_add_entry(entry, xattr->name, xattr->value,
						      xattr->size);
		else if (acl_add(entry, xattr->name, xattr->value, xattr->size) < 0)
			return error_set(err, ERROR_SYSTEM, "%s has an ACL of an unknown form",
					 from->path);
	}
	return 0;
}

static int fill_entry(const struct tar_writer *writer, const struct walk_entry *from,
		      struct error *err)
{
	struct archive_entry *entry = writer->entry;
	autofree char *name = member_name(from->path);

	archive_entry_clear(entry);
	archive_entry_copy_pathname(entry, name);
	archive_entry_set_mode(entry, from->mode);
	archive_entry_set_uid(entry, from->uid);
	archive_entry_set_gid(entry, from->gid);
	archive_entry_set_size(entry, (la_int64_t)from->size);
	archive_entry_set_mtime(entry, from->mtime > writer->epoch ? writer->epoch : from->mtime,
				0);
	if (from->symlink)
		archive_entry_copy_symlink(entry, from->symlink);
	if (from->hardlink) {
		autofree char *target = member_name(from->hardlink);
		archive_entry_copy_hardlink(entry, target);
		return 0; /* what it is is said where its content is */
	}
	return fill_xattrs(entry, from, err);
}

static int write_header(struct tar_writer *writer, const struct walk_entry *entry,
			struct strbuf *tar, struct error *err)
{
	locale_t before = uselocale(writer->locale);
	if (fill_entry(writer, entry, err) < 0) {
		uselocale(before);
		return -1;
	}
	writer->tar = tar;
	int status = archive_write_header(writer->archive, writer->entry);
	/* The archive believes that the content is missing and writes zeros: those go nowhere. */
	writer->tar = NULL;
	if (status == ARCHIVE_OK || status == ARCHIVE_WARN)
		status = archive_write_finish_entry(writer->archive);
	uselocale(before);
	if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
		return failed(writer, entry->path, err);
	return 0;
}

/* `fd` is the file, if it has content. */
static int write_whole_header(struct tar_writer *writer, const struct walk_entry *entry, int fd,
			      struct strbuf *tar, struct error *err)
{
	struct walk_entry whole = *entry;

	if (fd < 0 || !entry->xattrs_later)
		return write_header(writer, entry, tar, err);
	int ret = walk_read_xattrs(fd, &whole, err);
	if (ret == 0)
		ret = write_header(writer, &whole, tar, err);
	walk_release_xattrs(&whole);
	return ret;
}

static void pad(struct strbuf *tar, uint64_t size)
{
	static const char zeros[BLOCK];
	if (size % BLOCK)
		strbuf_add(tar, zeros, BLOCK - size % BLOCK);
}

/* 0: that is noted and does not matter. */
static int changed(const struct tar_writer *writer, const struct walk_entry *entry,
		   struct error *err)
{
	if (writer->walk) {
		__atomic_store_n(&writer->changed[entry - writer->walk->entries], 1,
				 __ATOMIC_RELAXED);
		return 0;
	}
	error_set(err, ERROR_SYSTEM, "packing %s: the file has changed meanwhile", entry->path);
	return error_subject(err, "%s", entry->path);
}

/* -1 with errno set; 0 with *fd -1 if it is not there any more, which only a live tree survives. */
static int open_content(const struct tar_writer *writer, const struct walk_entry *entry, int *fd,
			struct error *err)
{
	struct stat st;
	*fd = open_in_root(writer->tree, entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (*fd < 0 && writer->walk && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return changed(writer, entry, err);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		return error_errno(err, errno, "packing %s", entry->path);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == entry->size)
		return 0;
	if (changed(writer, entry, err) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		close(*fd);
		*fd = -1;
	}
	return 0;
}

/* Appends up to `length` bytes; how many is in *ret. */
static int read_content(int fd, const struct walk_entry *entry, uint64_t offset, uint64_t length,
			struct strbuf *tar, uint64_t *ret, struct error *err)
{
	while (*ret < length) {
		ssize_t got =
			pread(fd, tar->text + tar->length, length - *ret, (off_t)(offset + *ret));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "packing %s", entry->path);
		if (got == 0)
			return 0;
		*ret += (uint64_t)got;
		tar->length += (size_t)got;
	}
	return 0;
}

static int write_content(struct tar_writer *writer, const struct walk_entry *entry, int fd,
			 uint64_t offset, uint64_t length, struct strbuf *tar, struct error *err)
{
	uint64_t done = 0;

	strbuf_reserve(tar, length + BLOCK);
	if (fd >= 0 && read_content(fd, entry, offset, length, tar, &done, err) < 0)
		return -1;
	if (done < length) {
		if (changed(writer, entry, err) < 0)
			return -1;
		memset(tar->text + tar->length, 0, length - done);
		tar->length += length - done;
	}
	if (offset + length == entry->size)
		pad(tar, entry->size);
	return 0;
}

int tar_write(struct tar_writer *writer, const struct walk_entry *entry, uint64_t offset,
	      uint64_t length, struct strbuf *tar, struct error *err)
{
	autoclose int fd = -1;

	if (length && open_content(writer, entry, &fd, err) < 0)
		return -1;
	if (offset == 0 && write_whole_header(writer, entry, fd, tar, err) < 0)
		return -1;
	return length ? write_content(writer, entry, fd, offset, length, tar, err) : 0;
}

void tar_write_end(struct strbuf *tar)
{
	static const char zeros[BLOCK * 2];
	strbuf_add(tar, zeros, sizeof(zeros));
}
