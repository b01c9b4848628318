#include "vzpkg/metadata/ndb.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* The file: a header of two slots' size, slots to the end of its pages, then blocks. All numbers are little-endian. */
enum {
	PAGE = 4096,
	BLOCK = 16,
	BLOB_HEAD = 16,
	BLOB_TAIL = 12,
	PAGES_MAX = 4096, /* of slots: a million packages */
	BLOB_MAX = 256 << 20,
};

struct slot {
	char magic[4];
	uint32_t package, offset, count; /* offset, count: blocks */
};

static const char header_magic[] = "RpmP", slot_magic[] = "Slot", blob_magic[] = "BlbS",
		  tail_magic[] = "BlbE";

static int damaged(struct error *err, const char *what)
{
	return error_set(err, ERROR_PACKAGES, "%s is damaged", what);
}

static bool read_at(int fd, void *data, size_t size, uint64_t offset)
{
	return pread(fd, data, size, (off_t)offset) == (ssize_t)size;
}

static bool has_magic(const void *data, const char *magic)
{
	return memcmp(data, magic, 4) == 0;
}

/* A blob: magic, package, generation, length; the data; checksum, length, magic, at the end of its last block. */
static int read_blob(int fd, const struct slot *slot, ndb_take *take, void *data, struct error *err)
{
	uint64_t size = (uint64_t)le32toh(slot->count) * BLOCK;
	autofree char *blob = NULL;
	uint32_t length, package;

	if (size < BLOB_HEAD + BLOB_TAIL || size > BLOB_MAX)
		return damaged(err, "the size of a package");
	blob = xmalloc(size);
	if (!read_at(fd, blob, size, (uint64_t)le32toh(slot->offset) * BLOCK) ||
	    !has_magic(blob, blob_magic) || !has_magic(blob + size - 4, tail_magic))
		return damaged(err, "a package");
	memcpy(&package, blob + 4, sizeof(package));
	memcpy(&length, blob + 12, sizeof(length));
	length = le32toh(length);
	if (package != slot->package || length > size - BLOB_HEAD - BLOB_TAIL)
		return damaged(err, "a package");
	return take(blob + BLOB_HEAD, length, data, err);
}

static int read_page(int fd, uint32_t page, uint64_t blocks, ndb_take *take, void *data,
		     struct error *err)
{
	struct slot slots[PAGE / sizeof(struct slot)];
	const size_t count = sizeof(slots) / sizeof(slots[0]);

	if (!read_at(fd, slots, sizeof(slots), (uint64_t)page * PAGE))
		return damaged(err, "its list of packages");
	for (size_t i = page ? 0 : 2; i < count; i++) {
		if (!has_magic(slots[i].magic, slot_magic))
			return damaged(err, "its list of packages");
		uint64_t offset = le32toh(slots[i].offset), size = le32toh(slots[i].count);
		if (!offset)
			continue;
		if (offset + size > blocks)
			return damaged(err, "its list of packages");
		if (read_blob(fd, &slots[i], take, data, err) < 0)
			return -1;
	}
	return 0;
}

int ndb_read(const char *path, ndb_take *take, void *data, struct error *err)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint32_t header[8];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, errno, "opening it");
	if (!read_at(fd, header, sizeof(header), 0) || !has_magic(header, header_magic) ||
	    header[1] != 0)
		return damaged(err, "its beginning");
	uint32_t pages = le32toh(header[3]);
	if (pages > PAGES_MAX)
		return damaged(err, "its beginning");
	for (uint32_t page = 0; page < pages; page++)
		if (read_page(fd, page, (uint64_t)st.st_size / BLOCK, take, data, err) < 0)
			return -1;
	return 0;
}
