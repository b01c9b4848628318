/*
 * Reading a finished tarball back, from the file and not from what is still in memory.
 */
#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "image/member.h"
#include "image/pack.h"
#include "image/pipeline.h"

enum {
	MEMBER_MIN = 18, /* header and trailer (RFC 1952) */
	MEMBER_TAR_MAX = 16 << 20, /* far more than any member of ours holds */
	END_OF_ARCHIVE = 1024,
};

struct verifier {
	int fd;
	const char *name;
	const struct image_packed *expected;
	uint64_t *offsets; /* of each member in the file */
	struct hasher *gzip_hasher;
	uint64_t tar_bytes, gzip_bytes;
	bool ends; /* the last END_OF_ARCHIVE bytes of the tar are zero */
	struct report *report;
};

static int differs(const struct verifier *verifier, const char *what, struct error *err)
{
	error_set(err, ERROR_TRUST, "%s, read back, is not what was written: %s", verifier->name,
		  what);
	error_subject(err, "%s", verifier->name);
	return error_hint(err, "check the disk and the memory of this host");
}

/* `tar` is NULL if it is known to be good, and not the end. */
static void take(struct verifier *verifier, const void *tar, size_t tar_size, const void *gzip,
		 size_t gzip_size)
{
	static const char zeros[END_OF_ARCHIVE];
	hasher_update(verifier->gzip_hasher, gzip, gzip_size);
	verifier->tar_bytes += tar_size;
	verifier->gzip_bytes += gzip_size;
	if (tar && tar_size >= END_OF_ARCHIVE)
		verifier->ends = memcmp((const char *)tar + tar_size - END_OF_ARCHIVE, zeros,
					END_OF_ARCHIVE) == 0;
	report_progress(verifier->report, verifier->tar_bytes, NULL);
}

static int read_at(const struct verifier *verifier, uint64_t offset, size_t size,
		   struct strbuf *buffer, struct error *err)
{
	strbuf_reserve(buffer, size);
	while (size) {
		ssize_t got =
			pread(verifier->fd, buffer->text + buffer->length, size, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", verifier->name);
		if (got == 0)
			return differs(verifier, "it is too short", err);
		buffer->length += (size_t)got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return 0;
}

/* ---- many members, in threads ---------------------------------------------------------------------- */

static void *begin(void *data, struct error *err)
{
	void *decompressor = libdeflate_alloc_decompressor();
	(void)data;
	if (!decompressor)
		error_set(err, ERROR_SYSTEM, "setting up the decompressor failed");
	return decompressor;
}

static void end(void *state)
{
	libdeflate_free_decompressor(state);
}

/* The last four bytes of a member are its uncompressed size (RFC 1952, ISIZE). */
static uint32_t uncompressed_size(const struct strbuf *gzip)
{
	const unsigned char *tail = (const unsigned char *)gzip->text + gzip->length - 4;
	return (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 |
	       (uint32_t)tail[3] << 24;
}

static bool is_known(const struct verifier *verifier, size_t index)
{
	return verifier->expected->member_unpacked[index] &&
	       index + 1 < verifier->expected->members;
}

static int produce(void *state, void *data, size_t index, struct piece *piece, struct error *err)
{
	struct verifier *verifier = data;
	uint32_t size = verifier->expected->member_sizes[index];

	if (read_at(verifier, verifier->offsets[index], size, &piece->gzip, err) < 0)
		return -1;
	uint32_t tar_size =
		size < MEMBER_MIN ? MEMBER_TAR_MAX + 1 : uncompressed_size(&piece->gzip);
	if (tar_size > MEMBER_TAR_MAX)
		return differs(verifier, "a gzip member is damaged", err);
	if (is_known(verifier, index))
		return 0;
	strbuf_reserve(&piece->tar, tar_size);
	if (libdeflate_gzip_decompress(state, piece->gzip.text, size, piece->tar.text, tar_size,
				       &piece->tar.length) != LIBDEFLATE_SUCCESS)
		return differs(verifier, "a gzip member is damaged", err);
	return 0;
}

static int consume(void *data, size_t index, const struct piece *piece, struct error *err)
{
	const struct strbuf *gzip = &piece->gzip;

	(void)err;
	if (is_known(data, index))
		take(data, NULL, uncompressed_size(gzip), gzip->text, gzip->length);
	else
		take(data, piece->tar.text, piece->tar.length, gzip->text, gzip->length);
	return 0;
}

static int verify_members(struct verifier *verifier, unsigned threads, struct error *err)
{
	uint64_t count = verifier->expected->members, offset = 0;
	struct pipeline pipeline = {
		.count = count,
		.threads = threads,
		.room = MEMBER_CLOSE_AT + MEMBER_PART,
		.begin = begin,
		.end = end,
		.produce = produce,
		.consume = consume,
		.data = verifier,
	};

	verifier->offsets = xcalloc(count, sizeof(*verifier->offsets));
	for (uint64_t i = 0; i < count; i++) {
		verifier->offsets[i] = offset;
		offset += verifier->expected->member_sizes[i];
	}
	return pipeline_run(&pipeline, err);
}

/* ---- a single member --------------------------------------------------------------------------------- */

static int inflate_piece(struct verifier *verifier, z_stream *stream, struct strbuf *gzip,
			 bool *finished, struct error *err)
{
	AUTO(strbuf_release) struct strbuf tar = STRBUF_INIT;
	unsigned char out[65536];

	stream->next_in = (unsigned char *)gzip->text;
	stream->avail_in = (unsigned)gzip->length;
	do {
		stream->next_out = out;
		stream->avail_out = sizeof(out);
		int status = inflate(stream, Z_NO_FLUSH);
		if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
			return differs(verifier, "the gzip member is damaged", err);
		strbuf_add(&tar, out, sizeof(out) - stream->avail_out);
		*finished = status == Z_STREAM_END;
	} while (!*finished && stream->avail_out == 0);
	if (*finished && stream->avail_in)
		return differs(verifier, "there is more after its end", err);
	take(verifier, tar.text, tar.length, gzip->text, gzip->length);
	return interrupt_check(err);
}

static int verify_single(struct verifier *verifier, struct error *err)
{
	AUTO(strbuf_release) struct strbuf gzip = STRBUF_INIT;
	uint64_t left = verifier->expected->gzip_bytes, offset = 0;
	z_stream stream = { 0 };
	bool finished = false;
	int ret = 0;

	if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
		return error_set(err, ERROR_SYSTEM, "setting up zlib failed");
	while (ret == 0 && left) {
		size_t size = left > 65536 ? 65536 : (size_t)left;
		strbuf_truncate(&gzip, 0);
		ret = read_at(verifier, offset, size, &gzip, err);
		if (ret == 0)
			ret = inflate_piece(verifier, &stream, &gzip, &finished, err);
		offset += size;
		left -= size;
	}
	inflateEnd(&stream);
	if (ret == 0 && !finished)
		return differs(verifier, "the gzip member has no end", err);
	return ret;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

static int compare(struct verifier *verifier, struct error *err)
{
	const struct image_packed *expected = verifier->expected;
	struct digest gzip;

	hasher_finish(verifier->gzip_hasher, &gzip);
	if (!verifier->ends)
		return differs(verifier, "the end-of-archive blocks are missing", err);
	if (verifier->tar_bytes != expected->tar_bytes)
		return differs(verifier, "the tar's size differs", err);
	if (lseek(verifier->fd, 0, SEEK_END) != (off_t)expected->gzip_bytes ||
	    !digest_equal(&gzip, &expected->gzip))
		return differs(verifier, "the file's digest differs", err);
	return 0;
}

static void verifier_release(struct verifier *verifier)
{
	free(verifier->offsets);
	hasher_freep(&verifier->gzip_hasher);
}

int image_verify(int fd, const char *name, const struct image_packed *expected, unsigned threads,
		 struct report *report, struct error *err)
{
	AUTO(verifier_release)
	struct verifier verifier = {
		.fd = fd,
		.name = name,
		.expected = expected,
		.gzip_hasher = hasher_new(DIGEST_SHA256),
		.report = report,
	};
	report_total(report, expected->tar_bytes);
	int ret = expected->member_sizes ? verify_members(&verifier, threads, err)
					 : verify_single(&verifier, err);
	return ret < 0 ? -1 : compare(&verifier, err);
}
