#include "vzpkg/install/deb_archive.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

struct deb_archive {
	const char *name;
	struct archive *ar;
	struct archive *tar; /* of the member that is being read */
};

int deb_bad(const char *name, struct error *err, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	autofree char *text = xvasprintf(format, args);
	va_end(args);
	error_set(err, ERROR_INSTALL, "unpacking %s: %s", name, text);
	error_subject(err, "%s", name);
	return error_hint(err,
			  "the package is broken or hostile; leave it out of the list, or tell "
			  "the owner of the repository");
}

static int damaged(const struct deb_archive *deb, struct archive *archive, struct error *err)
{
	return deb_bad(deb->name, err, "the archive is damaged: %s",
		       archive_error_string(archive) ?: "it is cut short");
}

int deb_tar_failed(const struct deb_archive *deb, struct archive *tar, struct error *err)
{
	return damaged(deb, tar, err);
}

int deb_archive_open(int fd, const char *name, struct deb_archive **ret, struct error *err)
{
	AUTO(deb_archive_freep) struct deb_archive *deb = xcalloc(1, sizeof(*deb));
	struct archive_entry *entry;

	deb->name = name;
	deb->ar = archive_read_new();
	archive_read_support_format_ar(deb->ar);
	if (archive_read_open_fd(deb->ar, fd, 1 << 17) != ARCHIVE_OK ||
	    archive_read_next_header(deb->ar, &entry) != ARCHIVE_OK)
		return damaged(deb, deb->ar, err);
	if (strcmp(archive_entry_pathname(entry) ?: "", "debian-binary") != 0)
		return deb_bad(name, err, "it is not a Debian package");
	*ret = steal_ptr(deb);
	return 0;
}

static void close_tar(struct deb_archive *deb)
{
	if (deb->tar)
		archive_read_free(deb->tar);
	deb->tar = NULL;
}

void deb_archive_free(struct deb_archive *deb)
{
	if (!deb)
		return;
	close_tar(deb);
	if (deb->ar)
		archive_read_free(deb->ar);
	free(deb);
}

void deb_archive_freep(struct deb_archive **deb)
{
	deb_archive_free(*deb);
	*deb = NULL;
}

/* The member's bytes, as they come out of the ar archive. */
static la_ssize_t read_member(struct archive *tar, void *data, const void **block)
{
	struct deb_archive *deb = data;
	la_int64_t offset;
	size_t size;
	int status = archive_read_data_block(deb->ar, block, &size, &offset);

	if (status == ARCHIVE_EOF)
		return 0;
	if (status == ARCHIVE_OK)
		return (la_ssize_t)size;
	archive_set_error(tar, archive_errno(deb->ar), "%s",
			  archive_error_string(deb->ar) ?: "the file is cut short");
	return ARCHIVE_FATAL;
}

static struct archive *open_tar(struct deb_archive *deb, struct error *err)
{
	deb->tar = archive_read_new();
	archive_read_support_filter_xz(deb->tar);
	archive_read_support_filter_gzip(deb->tar);
	archive_read_support_filter_zstd(deb->tar);
	archive_read_support_filter_bzip2(deb->tar);
	archive_read_support_filter_lzma(deb->tar);
	archive_read_support_format_tar(deb->tar);
	if (archive_read_open(deb->tar, deb, NULL, read_member, NULL) == ARCHIVE_OK)
		return deb->tar;
	damaged(deb, deb->tar, err);
	return NULL;
}

/* Moves on to the member "WORD.tar" or "WORD.tar.…"; others with a "_" in front may be passed over
 * (deb(5)). */
static struct archive *open_member(struct deb_archive *deb, const char *word, struct error *err)
{
	struct archive_entry *entry;
	size_t length = strlen(word);
	int status;

	close_tar(deb);
	while ((status = archive_read_next_header(deb->ar, &entry)) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry) ?: "";
		if (strncmp(name, word, length) == 0 && strncmp(name + length, ".tar", 4) == 0)
			return open_tar(deb, err);
		if (name[0] != '_') {
			deb_bad(deb->name, err, "\"%s\" stands where %s.tar should be", name, word);
			return NULL;
		}
	}
	if (status == ARCHIVE_EOF)
		deb_bad(deb->name, err, "it has no %s.tar", word);
	else
		damaged(deb, deb->ar, err);
	return NULL;
}

struct archive *deb_archive_control(struct deb_archive *deb, struct error *err)
{
	return open_member(deb, "control", err);
}

struct archive *deb_archive_data(struct deb_archive *deb, struct error *err)
{
	return open_member(deb, "data", err);
}

int deb_tar_next(struct deb_archive *deb, struct archive *tar, struct archive_entry **ret,
		 struct error *err)
{
	int status = archive_read_next_header(tar, ret);
	if (status == ARCHIVE_OK || status == ARCHIVE_WARN)
		return 1;
	return status == ARCHIVE_EOF ? 0 : damaged(deb, tar, err);
}
