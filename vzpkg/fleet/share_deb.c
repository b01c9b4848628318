#include "vzpkg/fleet/share_deb.h"

#include <archive.h>
#include <archive_entry.h>
#include <ar.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Members of an ar archive begin at even offsets; a size has ten digits. */
enum { PIECE = 1 << 16 };
#define SIZE_MAX_TEN UINT64_C(9999999999)

struct repacking {
	int from, to;
	const char *name;
	uint64_t size; /* of the package's file */
	uint64_t data; /* where the content of its data.tar.… begins */
	uint64_t data_size;
	uint64_t read; /* … of it */
	char piece[PIECE];
	int failure; /* errno of a read that failed */
};

static bool number_of(const char *field, size_t length, uint64_t *ret)
{
	uint64_t value = 0;
	size_t i = 0;

	for (; i < length && field[i] >= '0' && field[i] <= '9'; i++)
		value = value * 10 + (uint64_t)(field[i] - '0');
	if (!i)
		return false;
	for (; i < length; i++)
		if (field[i] != ' ')
			return false;
	*ret = value;
	return true;
}

static bool is_member(const struct ar_hdr *header, const char *name)
{
	size_t length = strlen(name);
	return strncmp(header->ar_name, name, length) == 0;
}

/*
 * Finds the data.tar.… member: after debian-binary and control.tar.…, but for members with a "_" in front (deb(5)). false: it is another kind of
 * file, or data.tar is not compressed.
 */
static bool find_data(struct repacking *repacking)
{
	static const char *const order[] = { "debian-binary", "control.tar", "data.tar." };
	uint64_t offset = SARMAG, size;
	size_t next = 0;
	char magic[SARMAG];
	struct ar_hdr header;

	if (pread(repacking->from, magic, SARMAG, 0) != SARMAG || memcmp(magic, ARMAG, SARMAG) != 0)
		return false;
	while (pread(repacking->from, &header, sizeof(header), (off_t)offset) == sizeof(header)) {
		offset += sizeof(header);
		if (memcmp(header.ar_fmag, ARFMAG, 2) != 0 ||
		    !number_of(header.ar_size, sizeof(header.ar_size), &size) ||
		    size > repacking->size - offset)
			return false;
		if (next == 2 && is_member(&header, order[next])) {
			repacking->data = offset;
			repacking->data_size = size;
			return true;
		}
		if (is_member(&header, order[next]))
			next++;
		else if (header.ar_name[0] != '_')
			return false;
		offset += size + (size & 1);
		if (offset > repacking->size)
			return false;
	}
	return false;
}

/* ---- the members before it ----------------------------------------------------------------------------------------- */

static int copy_front(const struct repacking *repacking, struct error *err)
{
	uint64_t left = repacking->data - sizeof(struct ar_hdr);
	off_t offset = 0;

	while (left) {
		ssize_t sent = sendfile(repacking->to, repacking->from, &offset, left);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return error_errno(err, sent < 0 ? errno : EIO, "copying %s",
					   repacking->name);
		left -= (uint64_t)sent;
	}
	return 0;
}

static int write_header(const struct repacking *repacking, uint64_t size, struct error *err)
{
	char text[sizeof(struct ar_hdr) + 1];
	uint64_t offset = repacking->data - sizeof(struct ar_hdr);

	snprintf(text, sizeof(text), "%-16s%-12d%-6d%-6d%-8o%-10llu%s", "data.tar", 0, 0, 0,
		 0100644, (unsigned long long)size, ARFMAG);
	if (pwrite(repacking->to, text, sizeof(struct ar_hdr), (off_t)offset) !=
	    sizeof(struct ar_hdr))
		return error_errno(err, errno, "writing %s", repacking->name);
	return 0;
}

/* ---- its data ------------------------------------------------------------------------------------------------------ */

static la_ssize_t read_data(struct archive *archive, void *data, const void **piece)
{
	struct repacking *repacking = data;
	uint64_t left = repacking->data_size - repacking->read;
	size_t size = left < PIECE ? (size_t)left : PIECE;

	*piece = repacking->piece;
	ssize_t got = pread(repacking->from, repacking->piece, size,
			    (off_t)(repacking->data + repacking->read));
	if (got < 0) {
		repacking->failure = errno;
		archive_set_error(archive, errno, "reading");
		return ARCHIVE_FATAL;
	}
	repacking->read += (uint64_t)got;
	return got;
}

static void archive_freep(struct archive **archive)
{
	if (*archive)
		archive_read_free(*archive);
}

static struct archive *open_compressed(struct repacking *repacking)
{
	AUTO(archive_freep) struct archive *archive = archive_read_new();
	struct archive_entry *entry;

	archive_read_support_filter_xz(archive);
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_filter_lzma(archive);
	archive_read_support_format_raw(archive);
	if (archive_read_open(archive, repacking, NULL, read_data, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(archive, &entry) != ARCHIVE_OK)
		return NULL;
	return steal_ptr(archive);
}

/* *ret: its bytes. Returns 1, 0 if that cannot be done, or -1. */
static int decompress(struct repacking *repacking, uint64_t limit, uint64_t *ret, struct error *err)
{
	AUTO(archive_freep) struct archive *archive = open_compressed(repacking);
	const void *block;
	la_int64_t offset;
	size_t size;
	int status = archive ? ARCHIVE_OK : ARCHIVE_FATAL;

	*ret = 0;
	while (status == ARCHIVE_OK &&
	       (status = archive_read_data_block(archive, &block, &size, &offset)) == ARCHIVE_OK) {
		*ret += size;
		if (*ret > limit || *ret > SIZE_MAX_TEN)
			return 0;
		if (write_all(repacking->to, block, size, repacking->name, err) < 0)
			return -1;
	}
	if (repacking->failure)
		return error_errno(err, repacking->failure, "reading %s", repacking->name);
	return status == ARCHIVE_EOF && repacking->read == repacking->data_size;
}

/* What was written is a tar from its beginning to its end. */
static bool is_tar(const struct repacking *repacking)
{
	AUTO(archive_freep) struct archive *archive = archive_read_new();
	struct archive_entry *entry;
	int status;

	if (lseek(repacking->to, (off_t)repacking->data, SEEK_SET) < 0)
		return false;
	archive_read_support_format_tar(archive);
	if (archive_read_open_fd(archive, repacking->to, PIECE) != ARCHIVE_OK)
		return false;
	while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK ||
	       status == ARCHIVE_WARN)
		;
	return status == ARCHIVE_EOF;
}

int share_deb(int from, int to, uint64_t limit, const char *name, bool *done, struct error *err)
{
	struct stat st;
	uint64_t size;

	*done = false;
	if (fstat(from, &st) < 0)
		return error_errno(err, errno, "reading %s", name);
	autofree struct repacking *repacking = xcalloc(1, sizeof(*repacking));
	repacking->from = from;
	repacking->to = to;
	repacking->name = name;
	repacking->size = (uint64_t)st.st_size;
	if (!find_data(repacking))
		return 0;
	if (copy_front(repacking, err) < 0 || write_header(repacking, 0, err) < 0)
		return -1;
	if (lseek(to, (off_t)repacking->data, SEEK_SET) < 0)
		return error_errno(err, errno, "writing %s", name);
	int status = decompress(repacking, limit, &size, err);
	if (status <= 0)
		return status;
	if (write_header(repacking, size, err) < 0)
		return -1;
	*done = size % 2 == 0 && is_tar(repacking);
	return 0;
}
