#include "image/compressor.h"

#include <libdeflate.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "image/tar_writer.h"

struct member_compressor {
	struct tar_writer *writer;
	struct libdeflate_compressor *deflate;
	struct mac tar; /* of the last member, if there was a cache */
	bool found; /* … and it came from the cache */
	bool unpacked; /* … where it was known to be good */
};

struct member_compressor *member_compressor_new(int tree, int64_t epoch, struct error *err)
{
	struct member_compressor *compressor = xcalloc(1, sizeof(*compressor));

	compressor->deflate = libdeflate_alloc_compressor(COMPRESSION_LEVEL);
	compressor->writer = tar_writer_new(tree, epoch, err);
	if (compressor->writer && compressor->deflate)
		return compressor;
	if (compressor->writer)
		error_set(err, ERROR_SYSTEM, "setting up the compressor failed");
	member_compressor_free(compressor);
	return NULL;
}

void member_compressor_free(struct member_compressor *compressor)
{
	if (!compressor)
		return;
	tar_writer_free(compressor->writer);
	libdeflate_free_compressor(compressor->deflate);
	free(compressor);
}

void member_compressor_live(struct member_compressor *compressor, const struct walk *walk,
			    unsigned char *changed)
{
	tar_writer_live(compressor->writer, walk, changed);
}

static int write_tar(struct member_compressor *compressor, const struct walk *walk,
		     const struct member *member, struct strbuf *tar, struct error *err)
{
	for (size_t i = 0; i < member->count; i++) {
		const struct walk_entry *entry = &walk->entries[member->first + i];
		uint64_t length = member->large ? member->length : entry->size;
		if (tar_write(compressor->writer, entry, member->offset, length, tar, err) < 0)
			return -1;
	}
	if (member->last)
		tar_write_end(tar);
	return 0;
}

static int compress(struct member_compressor *compressor, const struct strbuf *tar,
		    struct strbuf *gzip, struct error *err)
{
	size_t bound = libdeflate_gzip_compress_bound(compressor->deflate, tar->length);

	strbuf_reserve(gzip, bound);
	gzip->length = libdeflate_gzip_compress(compressor->deflate, tar->text, tar->length,
						gzip->text, bound);
	if (!gzip->length)
		return error_set(err, ERROR_INTERNAL, "compressing a member failed");
	return 0;
}

int member_compress(struct member_compressor *compressor, const struct walk *walk,
		    const struct member *member, const struct member_cache *cache,
		    struct strbuf *tar, struct strbuf *gzip, struct error *err)
{
	if (write_tar(compressor, walk, member, tar, err) < 0)
		return -1;
	if (!gzip)
		return 0;
	compressor->found = compressor->unpacked = false;
	if (cache) {
		member_cache_key(cache, tar, &compressor->tar);
		compressor->found =
			member_cache_find(cache, &compressor->tar, gzip, &compressor->unpacked);
	}
	return compressor->found ? 0 : compress(compressor, tar, gzip, err);
}

void member_compressor_keep(struct member_compressor *compressor, struct member_cache *cache,
			    const struct strbuf *gzip)
{
	if (!compressor->found)
		member_cache_append(cache, &compressor->tar, gzip, false, NULL);
}

bool member_compressor_unpacked(const struct member_compressor *compressor)
{
	return compressor->unpacked;
}
