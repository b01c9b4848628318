/*
 * Debian packages as tests want them, good and bad, written by libarchive.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/strbuf.h"

struct member {
	const char *path;
	mode_t mode; /* with the kind: S_IFREG | 0644; 0: a hard link */
	const char *text; /* content, or where a link leads */
	uint64_t zeros; /* more of the content */
	unsigned uid, gid;
};

enum { MEMBER_TIME = 1600000000 }; /* of all members, Unix seconds */

struct deb {
	const char *control; /* NULL: there is none */
	const struct member *info; /* more members of control.tar, until path NULL; may be NULL */
	const struct member *data; /* until path NULL */
	const char *filter; /* "xz", "gzip", "zstd", "bzip2"; NULL: none */
};

static la_ssize_t deb_collect(struct archive *archive, void *data, const void *bytes, size_t size)
{
	(void)archive;
	strbuf_add(data, bytes, size);
	return (la_ssize_t)size;
}

static struct archive *deb_writer(struct strbuf *bytes, const char *filter)
{
	struct archive *tar = archive_write_new();
	archive_write_set_format_gnutar(tar);
	if (filter)
		assert_int_equal(archive_write_add_filter_by_name(tar, filter), ARCHIVE_OK);
	archive_write_set_bytes_in_last_block(tar, 1);
	assert_int_equal(archive_write_open(tar, bytes, NULL, deb_collect, NULL), ARCHIVE_OK);
	return tar;
}

static void deb_add(struct archive *tar, const struct member *member)
{
	static const char zeros[65536];
	struct archive_entry *entry = archive_entry_new();
	bool regular = S_ISREG(member->mode);
	size_t length = regular && member->text ? strlen(member->text) : 0;

	archive_entry_set_pathname(entry, member->path);
	archive_entry_set_mode(entry, member->mode ? member->mode : S_IFREG | 0644);
	archive_entry_set_uid(entry, member->uid);
	archive_entry_set_gid(entry, member->gid);
	archive_entry_set_mtime(entry, MEMBER_TIME, 0);
	archive_entry_set_size(entry, regular ? (la_int64_t)(length + member->zeros) : 0);
	if (S_ISLNK(member->mode))
		archive_entry_set_symlink(entry, member->text);
	if (!member->mode)
		archive_entry_set_hardlink(entry, member->text);
	if (S_ISCHR(member->mode) || S_ISBLK(member->mode))
		archive_entry_set_rdev(entry, 0x103);
	assert_int_equal(archive_write_header(tar, entry), ARCHIVE_OK);
	if (length)
		assert_int_equal(archive_write_data(tar, member->text, length), length);
	for (uint64_t left = regular ? member->zeros : 0; left;) {
		size_t part = left < sizeof(zeros) ? left : sizeof(zeros);
		assert_int_equal(archive_write_data(tar, zeros, part), part);
		left -= part;
	}
	archive_entry_free(entry);
}

static void deb_add_all(struct archive *tar, const struct member *members)
{
	for (; members && members->path; members++)
		deb_add(tar, members);
	assert_int_equal(archive_write_free(tar), ARCHIVE_OK);
}

/* A member of an ar archive (ar(5)). */
static void deb_add_part(struct strbuf *deb, const char *name, const struct strbuf *content)
{
	strbuf_addf(deb, "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, MEMBER_TIME, 0, 0, 0100644,
		    content->length);
	strbuf_add(deb, content->text, content->length);
	if (content->length % 2)
		strbuf_addc(deb, '\n');
}

static const char *deb_suffix(const char *filter)
{
	return !filter                        ? ""
	       : strcmp(filter, "gzip") == 0  ? ".gz"
	       : strcmp(filter, "bzip2") == 0 ? ".bz2"
	       : strcmp(filter, "zstd") == 0  ? ".zst"
					      : ".xz";
}

static void deb_make(const struct deb *from, struct strbuf *deb)
{
	struct strbuf version = STRBUF_INIT, control = STRBUF_INIT, data = STRBUF_INIT;
	char *control_name = xasprintf("control.tar%s", deb_suffix(from->filter));
	char *data_name = xasprintf("data.tar%s", deb_suffix(from->filter));
	struct archive *tar = deb_writer(&control, from->filter);

	if (from->control)
		deb_add(tar,
			&(struct member){ "./control", S_IFREG | 0644, from->control, 0, 0, 0 });
	deb_add_all(tar, from->info);
	deb_add_all(deb_writer(&data, from->filter), from->data);
	strbuf_adds(&version, "2.0\n");
	strbuf_adds(deb, "!<arch>\n");
	deb_add_part(deb, "debian-binary", &version);
	deb_add_part(deb, control_name, &control);
	deb_add_part(deb, data_name, &data);
	strbuf_release(&version);
	strbuf_release(&control);
	strbuf_release(&data);
	free(control_name);
	free(data_name);
}

/* The bytes as a file, at offset 0. */
static inline int deb_file(const struct strbuf *deb)
{
	int fd = memfd_create("deb", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, deb->text, deb->length, "deb", NULL), 0);
	lseek(fd, 0, SEEK_SET);
	return fd;
}
