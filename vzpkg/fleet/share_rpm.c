#include "vzpkg/fleet/share_rpm.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Of the file format: rpm's docs/manual/format_v4.md. Sizes are rpm's own limits. */
enum {
	LEAD_SIZE = 96,
	INTRO_SIZE = 16,
	ENTRY_SIZE = 16,
	ENTRIES_MAX = 0xffff,
	DATA_MAX = 0x0fffffff,

	TYPE_INT32 = 4,
	TYPE_INT64 = 5,
	TYPE_STRING = 6,

	SIGNATURE_SHA1 = 269,
	SIGNATURE_LONG_PAYLOAD_SIZE = 271,
	SIGNATURE_PAYLOAD_SIZE = 1007,
	TAG_PAYLOAD_FORMAT = 1124,
	TAG_PAYLOAD_COMPRESSOR = 1125,
};

static const unsigned char lead_magic[] = { 0xed, 0xab, 0xee, 0xdb };
static const unsigned char header_magic[] = { 0x8e, 0xad, 0xe8, 0x01 };

static uint32_t number_at(const unsigned char *bytes)
{
	uint32_t value;
	memcpy(&value, bytes, sizeof(value));
	return be32toh(value);
}

/* ---- headers ------------------------------------------------------------------------------------------------------- */

struct rpm_header {
	unsigned char *bytes; /* index and data; NULL: none was read */
	size_t entries, data_size;
	uint64_t end; /* offset in the file */
};

static void rpm_header_release(struct rpm_header *header)
{
	free(header->bytes);
}

/* 1, 0 if it is none, or -1. */
static int read_exactly(int fd, void *buffer, size_t size, uint64_t offset, const char *name,
			struct error *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return error_errno(err, errno, "reading %s", name);
		if (got == 0)
			return 0;
		done += (size_t)got;
	}
	return 1;
}

static int rpm_header_read(struct rpm_header *header, int fd, uint64_t offset, const char *name,
			   struct error *err)
{
	unsigned char intro[INTRO_SIZE];
	int status = read_exactly(fd, intro, sizeof(intro), offset, name, err);

	if (status <= 0)
		return status;
	header->entries = number_at(intro + 8);
	header->data_size = number_at(intro + 12);
	if (memcmp(intro, header_magic, sizeof(header_magic)) != 0 ||
	    header->entries > ENTRIES_MAX || header->data_size > DATA_MAX)
		return 0;
	size_t size = header->entries * ENTRY_SIZE + header->data_size;
	header->bytes = xmalloc(size + 1);
	header->bytes[size] = '\0';
	header->end = offset + INTRO_SIZE + size;
	return read_exactly(fd, header->bytes, size, offset + INTRO_SIZE, name, err);
}

/* The value of the tag; NULL if it is not there, of another type, or `size` bytes do not fit in. */
static const unsigned char *find(const struct rpm_header *header, uint32_t tag, uint32_t type,
				 size_t size)
{
	for (size_t i = 0; i < header->entries; i++) {
		const unsigned char *entry = header->bytes + i * ENTRY_SIZE;
		size_t offset = number_at(entry + 8);
		if (number_at(entry) == tag && number_at(entry + 4) == type &&
		    offset < header->data_size && size <= header->data_size - offset)
			return header->bytes + header->entries * ENTRY_SIZE + offset;
	}
	return NULL;
}

static bool says(const struct rpm_header *header, uint32_t tag, const char *text)
{
	/* A NUL follows the data. Before there was a choice the tag was not written. */
	const unsigned char *value = find(header, tag, TYPE_STRING, 1);
	return !value || strcmp((const char *)value, text) == 0;
}

/* What the package announces; 0: nothing. */
static uint64_t payload_size(const struct rpm_header *signature)
{
	uint64_t large;
	const unsigned char *value =
		find(signature, SIGNATURE_LONG_PAYLOAD_SIZE, TYPE_INT64, sizeof(large));
	if (value) {
		memcpy(&large, value, sizeof(large));
		return be64toh(large);
	}
	value = find(signature, SIGNATURE_PAYLOAD_SIZE, TYPE_INT32, 4);
	return value ? number_at(value) : 0;
}

bool share_rpm_id(int fd, char ret[SHARE_RPM_ID_SIZE])
{
	AUTO(error_clear) struct error ignored = ERROR_INIT;
	AUTO(rpm_header_release) struct rpm_header signature = { 0 };
	enum { LENGTH = SHARE_RPM_ID_SIZE - 1 };

	if (rpm_header_read(&signature, fd, LEAD_SIZE, "package", &ignored) <= 0)
		return false;
	const char *id = (const char *)find(&signature, SIGNATURE_SHA1, TYPE_STRING, 1);
	if (!id || strlen(id) != LENGTH || strspn(id, "0123456789abcdef") != LENGTH)
		return false;
	memcpy(ret, id, SHARE_RPM_ID_SIZE);
	return true;
}

/* ---- payload ------------------------------------------------------------------------------------------------------- */

enum { BLOCK = 0xffff, HEADER = 5, INPUT = 1 << 16 };

struct payload {
	int from, to;
	const char *name;
	uint64_t limit, size;
	uLong crc;
	z_stream stream;
	unsigned char input[INPUT];
	unsigned char output[HEADER + BLOCK];
};

static int write_block(struct payload *payload, bool last, struct error *err)
{
	size_t size = BLOCK - payload->stream.avail_out;
	unsigned char *block = payload->output;

	payload->crc = crc32(payload->crc, block + HEADER, (uInt)size);
	payload->size += size;
	block[0] = last;
	block[1] = size & 0xff;
	block[2] = (unsigned char)(size >> 8);
	block[3] = (unsigned char)~block[1];
	block[4] = (unsigned char)~block[2];
	payload->stream.next_out = block + HEADER;
	payload->stream.avail_out = BLOCK;
	return write_all(payload->to, block, HEADER + size, payload->name, err);
}

static int write_front(struct payload *payload, struct error *err)
{
	/* gzip, deflate, no flags, no time, Unix (RFC 1952) */
	static const unsigned char front[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
	return write_all(payload->to, front, sizeof(front), payload->name, err);
}

static int write_end(struct payload *payload, struct error *err)
{
	if (write_block(payload, true, err) < 0)
		return -1;
	uint32_t end[] = { htole32((uint32_t)payload->crc), htole32((uint32_t)payload->size) };
	return write_all(payload->to, end, sizeof(end), payload->name, err);
}

/* Z_OK: there is more; Z_STREAM_END; Z_DATA_ERROR: it is unusual; Z_ERRNO: *err. */
static int inflate_input(struct payload *payload, struct error *err)
{
	z_stream *stream = &payload->stream;
	int status;

	do {
		if (!stream->avail_out && write_block(payload, false, err) < 0)
			return Z_ERRNO;
		status = inflate(stream, Z_NO_FLUSH);
		if (payload->size > payload->limit)
			return Z_DATA_ERROR;
		/* Nothing could be done: that was all of the input. */
		if (status == Z_BUF_ERROR)
			return Z_OK;
	} while (status == Z_OK && (stream->avail_in || !stream->avail_out));
	return status == Z_OK || status == Z_STREAM_END ? status : Z_DATA_ERROR;
}

/* The same; Z_STREAM_END: of the one gzip member, which is all that there is. */
static int inflate_all(struct payload *payload, struct error *err)
{
	int status = Z_OK;

	while (status == Z_OK) {
		ssize_t got = read(payload->from, payload->input, INPUT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			error_errno(err, errno, "reading %s", payload->name);
			return Z_ERRNO;
		}
		if (got == 0)
			return Z_DATA_ERROR;
		payload->stream.next_in = payload->input;
		payload->stream.avail_in = (uInt)got;
		status = inflate_input(payload, err);
	}
	if (status == Z_STREAM_END &&
	    (payload->stream.avail_in || read(payload->from, payload->input, 1) != 0))
		return Z_DATA_ERROR;
	return status;
}

static int store_payload(struct payload *payload, uint64_t announced, bool *done, struct error *err)
{
	payload->crc = crc32(0, NULL, 0);
	payload->stream.next_out = payload->output + HEADER;
	payload->stream.avail_out = BLOCK;
	if (inflateInit2(&payload->stream, MAX_WBITS + 16) != Z_OK)
		return error_set(err, ERROR_SYSTEM, "starting zlib");
	int status = write_front(payload, err) < 0 ? Z_ERRNO : inflate_all(payload, err);
	inflateEnd(&payload->stream);
	if (status != Z_STREAM_END)
		return status == Z_ERRNO ? -1 : 0;
	if (write_end(payload, err) < 0)
		return -1;
	*done = payload->size <= payload->limit && (!announced || payload->size == announced);
	return 0;
}

static int copy_front(int from, int to, uint64_t size, const char *name, struct error *err)
{
	autofree char *front = xmalloc(size);

	int status = read_exactly(from, front, size, 0, name, err);

	if (status < 0)
		return -1;
	if (!status || lseek(from, (off_t)size, SEEK_SET) < 0)
		return error_errno(err, status ? errno : EIO, "reading %s", name);
	return write_all(to, front, size, name, err);
}

int share_rpm(int from, int to, uint64_t limit, const char *name, bool *done, struct error *err)
{
	AUTO(rpm_header_release) struct rpm_header signature = { 0 };
	AUTO(rpm_header_release) struct rpm_header header = { 0 };
	unsigned char lead[LEAD_SIZE];
	int status;

	*done = false;
	status = read_exactly(from, lead, sizeof(lead), 0, name, err);
	if (status <= 0 || memcmp(lead, lead_magic, sizeof(lead_magic)) != 0)
		return status < 0 ? -1 : 0;
	status = rpm_header_read(&signature, from, LEAD_SIZE, name, err);
	if (status <= 0)
		return status;
	status = rpm_header_read(&header, from, (signature.end + 7) & ~UINT64_C(7), name, err);
	if (status <= 0)
		return status;
	if (!says(&header, TAG_PAYLOAD_FORMAT, "cpio") ||
	    !says(&header, TAG_PAYLOAD_COMPRESSOR, "gzip"))
		return 0;
	if (copy_front(from, to, header.end, name, err) < 0)
		return -1;
	uint64_t announced = payload_size(&signature);
	autofree struct payload *payload = xcalloc(1, sizeof(*payload));
	payload->from = from;
	payload->to = to;
	payload->name = name;
	payload->limit = announced && announced < limit ? announced : limit;
	return store_payload(payload, announced, done, err);
}
