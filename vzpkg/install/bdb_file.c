#include "vzpkg/install/bdb_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"

/* Offsets in the first page, which holds the file's own data in its first 512 bytes. */
enum {
	META_MAGIC = 12,
	META_VERSION = 16,
	META_PAGE_SIZE = 20,
	META_ENCRYPTED = 24,
	META_FLAGS = 26,
	META_FILE_ID = 52,
	FILE_ID_SIZE = 20,
	META_SIZE = 512,
	MAGIC_HASH = 0x061561,
	MAGIC_BTREE = 0x053162,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 65536,
};

/* … and in the others. Items are at the end of a page, their offsets at its beginning, two bytes each. */
enum {
	PAGE_ENTRIES = 20,
	PAGE_ITEMS = 22, /* where the first item is; of an overflow page, how long it is */
	PAGE_TYPE = 25,
	PAGE_HEADER = 26,
};

enum page_type {
	PAGE_INVALID = 0, /* free */
	PAGE_HASH_UNSORTED = 2,
	PAGE_BTREE_INTERNAL = 3,
	PAGE_RECNO_INTERNAL = 4,
	PAGE_BTREE_LEAF = 5,
	PAGE_RECNO_LEAF = 6,
	PAGE_OVERFLOW = 7,
	PAGE_HASH_META = 8,
	PAGE_BTREE_META = 9,
	PAGE_DUPLICATES = 12,
	PAGE_HASH = 13,
};

/* Items of trees: a length of two bytes, a type, and then the data; or, if the data is elsewhere, twelve bytes. */
enum {
	ITEM_TYPE = 2,
	ITEM_DATA = 3,
	ITEM_TYPE_MASK = 0x7f, /* the other bit: deleted */
	ITEM_KEYDATA = 1,
	ITEM_REFERENCE_SIZE = 12,
	ITEM_INTERNAL_DATA = 12,
	ITEM_RECNO_SIZE = 8,
};

enum { FILE_SIZE_MAX = 1 << 30 };

static uint32_t read_32(const uint8_t *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof(value));
	return le32toh(value);
}

static uint16_t read_16(const uint8_t *from)
{
	uint16_t value;
	memcpy(&value, from, sizeof(value));
	return le16toh(value);
}

/* ---- version 8 --------------------------------------------------------------------------------------- */

/* Version 9 of the hash format differs from 8 in that the items of a page are sorted, and that its pages say so: who does not expect
 * an order reads them as well. */
int bdb_file_make_version_8(const char *path, struct error *err)
{
	static const uint8_t unsorted = PAGE_HASH_UNSORTED;
	uint32_t version = htole32(8), page_size = 0;
	autoclose int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || pread(fd, &page_size, 4, META_PAGE_SIZE) != 4)
		return error_errno(err, errno, "reading %s", path);
	page_size = le32toh(page_size);
	if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX)
		return error_set(err, ERROR_INSTALL, "%s: its pages are of %u bytes", path,
				 page_size);
	bool good = pwrite(fd, &version, 4, META_VERSION) == 4;
	for (off_t page = page_size; good && page < st.st_size; page += page_size) {
		uint8_t type = 0;
		good = pread(fd, &type, 1, page + PAGE_TYPE) == 1 &&
		       (type != PAGE_HASH || pwrite(fd, &unsorted, 1, page + PAGE_TYPE) == 1);
	}
	return good ? 0 : error_errno(err, errno, "writing %s", path);
}

/* ---- what is not set ----------------------------------------------------------------------------------- */

/* A page, and which bytes of it mean something. */
struct page {
	uint8_t *bytes;
	bool *used;
	size_t size;
};

static bool use(struct page *page, size_t from, size_t size)
{
	if (from > page->size || size > page->size - from)
		return false;
	memset(page->used + from, true, size);
	return true;
}

static bool use_tree_item(struct page *page, enum page_type type, size_t at)
{
	if (type == PAGE_RECNO_INTERNAL)
		return use(page, at, ITEM_RECNO_SIZE);
	if (at > page->size || page->size - at < ITEM_DATA)
		return false;
	size_t length = read_16(page->bytes + at);
	bool here = (page->bytes[at + ITEM_TYPE] & ITEM_TYPE_MASK) == ITEM_KEYDATA;
	if (type == PAGE_BTREE_INTERNAL)
		return use(page, at, ITEM_DATA) &&
		       use(page, at + ITEM_DATA + 1, ITEM_INTERNAL_DATA - ITEM_DATA - 1 + length);
	if (here)
		return use(page, at, ITEM_DATA + length);
	return use(page, at + ITEM_TYPE, 1) &&
	       use(page, at + ITEM_DATA + 1, ITEM_REFERENCE_SIZE - ITEM_DATA - 1);
}

static bool use_tree_items(struct page *page, enum page_type type, size_t entries)
{
	for (size_t i = 0; i < entries; i++)
		if (!use_tree_item(page, type, read_16(page->bytes + PAGE_HEADER + 2 * i)))
			return false;
	return true;
}

/* False if that is not a page of a kind that we know. */
static bool find_used(struct page *page)
{
	enum page_type type = page->bytes[PAGE_TYPE];
	size_t entries = read_16(page->bytes + PAGE_ENTRIES);
	size_t items = read_16(page->bytes + PAGE_ITEMS);

	memset(page->used, false, page->size);
	use(page, 0, PAGE_HEADER);
	switch (type) {
	case PAGE_INVALID:
		return true;
	case PAGE_HASH_META:
	case PAGE_BTREE_META:
		return use(page, 0, META_SIZE);
	case PAGE_OVERFLOW:
		return use(page, PAGE_HEADER, items);
	case PAGE_HASH_UNSORTED:
	case PAGE_HASH:
		if (!items) /* 65536 */
			items = page->size;
		return use(page, PAGE_HEADER, 2 * entries) && items <= page->size &&
		       use(page, items, page->size - items);
	case PAGE_BTREE_INTERNAL:
	case PAGE_RECNO_INTERNAL:
	case PAGE_BTREE_LEAF:
	case PAGE_RECNO_LEAF:
	case PAGE_DUPLICATES:
		return use(page, PAGE_HEADER, 2 * entries) && use_tree_items(page, type, entries);
	}
	return false;
}

/* Whether anything was to be cleared. */
static bool clear_unused(struct page *page)
{
	bool changed = false;

	if (!find_used(page))
		return false;
	for (size_t i = 0; i < page->size; i++)
		if (!page->used[i] && page->bytes[i]) {
			page->bytes[i] = 0;
			changed = true;
		}
	return changed;
}

static int clear_pages(int fd, const char *name, off_t size, size_t page_size, struct error *err)
{
	autofree uint8_t *bytes = xcalloc(page_size, 1);
	autofree bool *used = xcalloc(page_size, sizeof(bool));
	struct page page = { bytes, used, page_size };

	for (off_t at = 0; at + (off_t)page_size <= size; at += (off_t)page_size) {
		if (pread(fd, bytes, page_size, at) != (ssize_t)page_size)
			return error_errno(err, errno, "reading %s", name);
		if (clear_unused(&page) && pwrite(fd, bytes, page_size, at) != (ssize_t)page_size)
			return error_errno(err, errno, "writing %s", name);
	}
	return 0;
}

int bdb_file_make_reproducible(int folder, const char *name, struct error *err)
{
	autoclose int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	uint8_t meta[META_SIZE];
	struct digest digest;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX ||
	    pread(fd, meta, sizeof(meta), 0) != sizeof(meta))
		return 0;
	uint32_t magic = read_32(meta + META_MAGIC), page_size = read_32(meta + META_PAGE_SIZE);
	if ((magic != MAGIC_HASH && magic != MAGIC_BTREE) || page_size < PAGE_SIZE_MIN ||
	    page_size > PAGE_SIZE_MAX || meta[META_ENCRYPTED] || meta[META_FLAGS])
		return 0;
	digest_data(DIGEST_SHA256, name, strlen(name), &digest);
	if (pwrite(fd, digest.bytes, FILE_ID_SIZE, META_FILE_ID) != FILE_ID_SIZE)
		return error_errno(err, errno, "writing %s", name);
	return clear_pages(fd, name, st.st_size, page_size, err);
}
