#include "image/member_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

struct record_head {
	struct mac tar;
	uint32_t size; /* bytes that follow */
	uint32_t unpacked; /* 1: they have been */
};

struct record {
	struct mac tar;
	uint32_t size;
	bool unpacked;
	off_t offset;
	UT_hash_handle hh;
};

struct member_cache {
	int fd;
	struct mac_key key;
	off_t loaded; /* up to here */
	struct record *records;
};

int member_cache_new(int dir, struct member_cache **ret, struct error *err)
{
	struct member_cache *cache = xcalloc(1, sizeof(*cache));

	if (mac_key_make(&cache->key, err) < 0) {
		free(cache);
		return -1;
	}
	/* Appending, since the writer is another process with another idea of the offset. */
	cache->fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	if (cache->fd < 0) {
		error_errno(err, errno, "creating a temporary file");
		free(cache);
		return -1;
	}
	*ret = cache;
	return 0;
}

void member_cache_free(struct member_cache *cache)
{
	struct record *record, *next;

	if (!cache)
		return;
	HASH_ITER (hh, cache->records, record, next) {
		HASH_DEL(cache->records, record);
		free(record);
	}
	close(cache->fd);
	free(cache);
}

void member_cache_freep(struct member_cache **cache)
{
	member_cache_free(*cache);
	*cache = NULL;
}

void member_cache_key(const struct member_cache *cache, const struct strbuf *tar, struct mac *ret)
{
	mac_data(&cache->key, tar->text, tar->length, ret);
}

int member_cache_append(struct member_cache *cache, const struct mac *tar,
			const struct strbuf *gzip, bool unpacked, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct record_head head = {
		.tar = *tar,
		.size = (uint32_t)gzip->length,
		.unpacked = unpacked,
	};

	strbuf_add(&text, &head, sizeof(head));
	strbuf_add(&text, gzip->text, gzip->length);
	return write_all(cache->fd, text.text, text.length, "a temporary file", err);
}

static void add_record(struct member_cache *cache, const struct record_head *head, off_t offset)
{
	struct record *record;

	HASH_FIND(hh, cache->records, &head->tar, sizeof(head->tar), record);
	if (record)
		return;
	record = xcalloc(1, sizeof(*record));
	record->tar = head->tar;
	record->size = head->size;
	record->unpacked = head->unpacked;
	record->offset = offset;
	HASH_ADD(hh, cache->records, tar, sizeof(record->tar), record);
}

int member_cache_load(struct member_cache *cache, struct error *err)
{
	struct record_head head;
	struct stat st;

	if (fstat(cache->fd, &st) < 0)
		return error_errno(err, errno, "reading a temporary file");
	while (cache->loaded + (off_t)sizeof(head) <= st.st_size) {
		off_t content = cache->loaded + (off_t)sizeof(head);
		if (pread(cache->fd, &head, sizeof(head), cache->loaded) != sizeof(head))
			return error_errno(err, errno, "reading a temporary file");
		if (content + (off_t)head.size > st.st_size)
			break;
		add_record(cache, &head, content);
		cache->loaded = content + (off_t)head.size;
	}
	/* The writer was killed in the middle of a record; the next one is not to go on in there. */
	if (cache->loaded < st.st_size && ftruncate(cache->fd, cache->loaded) < 0)
		return error_errno(err, errno, "cutting a temporary file");
	return 0;
}

bool member_cache_find(const struct member_cache *cache, const struct mac *tar, struct strbuf *gzip,
		       bool *ret_unpacked)
{
	struct record *record;

	HASH_FIND(hh, cache->records, tar, sizeof(*tar), record);
	if (!record)
		return false;
	strbuf_reserve(gzip, record->size);
	for (uint32_t done = 0; done < record->size;) {
		ssize_t got = pread(cache->fd, gzip->text + gzip->length + done,
				    record->size - done, record->offset + done);
		if (got <= 0 && errno != EINTR)
			return false;
		done += got > 0 ? (uint32_t)got : 0;
	}
	gzip->length += record->size;
	gzip->text[gzip->length] = '\0';
	*ret_unpacked = record->unpacked;
	return true;
}
