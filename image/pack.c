#include "image/pack.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "image/compressor.h"
#include "image/member.h"
#include "image/pipeline.h"
#include "image/walk.h"

/* A macro's value as text. */
#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

enum { GZIP_OS_UNKNOWN = 255, LIVE_TRIES = 50 };

struct packer {
	const struct image_pack *pack;
	struct walk walk;
	struct member *members;
	size_t member_count;
	unsigned char *changed; /* for each entry, if the tree is live */
	int fd;
	const char *name;
	struct hasher *tar_hasher, *gzip_hasher;
	struct image_packed *packed;
	z_stream stream; /* for a single member */
};

const char *image_compressor(bool single_member)
{
	return single_member ? "zlib " ZLIB_VERSION " level " TEXT(COMPRESSION_LEVEL_ZLIB)
			     : "libdeflate " LIBDEFLATE_VERSION_STRING
			       " level " TEXT(COMPRESSION_LEVEL);
}

void image_packed_release(struct image_packed *packed)
{
	free(packed->member_sizes);
	free(packed->member_unpacked);
	*packed = IMAGE_PACKED_INIT;
}

/* ---- in the threads ------------------------------------------------------------------------------ */

static void end(void *state)
{
	member_compressor_free(state);
}

static void *begin(void *data, struct error *err)
{
	struct packer *packer = data;
	struct member_compressor *compressor =
		member_compressor_new(packer->pack->tree, packer->pack->epoch, err);
	if (compressor && packer->changed)
		member_compressor_live(compressor, &packer->walk, packer->changed);
	return compressor;
}

static int produce(void *state, void *data, size_t index, struct piece *piece, struct error *err)
{
	struct packer *packer = data;
	struct strbuf *gzip = packer->pack->single_member ? NULL : &piece->gzip;
	if (member_compress(state, &packer->walk, &packer->members[index], packer->pack->cache,
			    &piece->tar, gzip, err) < 0)
		return -1;
	if (gzip)
		packer->packed->member_unpacked[index] = member_compressor_unpacked(state);
	return 0;
}

/* ---- in order ------------------------------------------------------------------------------------- */

static int put_out(struct packer *packer, const void *bytes, size_t size, struct error *err)
{
	hasher_update(packer->gzip_hasher, bytes, size);
	packer->packed->gzip_bytes += size;
	return write_all(packer->fd, bytes, size, packer->name, err);
}

/* Feeds the single member; `flush` is Z_FINISH for the last bytes. */
static int deflate_single(struct packer *packer, const struct strbuf *tar, int flush,
			  struct error *err)
{
	unsigned char out[65536];
	z_stream *stream = &packer->stream;

	stream->next_in = (unsigned char *)tar->text;
	stream->avail_in = (unsigned)tar->length;
	do {
		stream->next_out = out;
		stream->avail_out = sizeof(out);
		if (deflate(stream, flush) == Z_STREAM_ERROR)
			return error_set(err, ERROR_INTERNAL, "compressing %s failed",
					 packer->name);
		if (put_out(packer, out, sizeof(out) - stream->avail_out, err) < 0)
			return -1;
	} while (stream->avail_out == 0);
	return 0;
}

static int consume(void *data, size_t index, const struct piece *piece, struct error *err)
{
	struct packer *packer = data;
	struct image_packed *packed = packer->packed;
	bool last = index + 1 == packer->member_count;

	hasher_update(packer->tar_hasher, piece->tar.text, piece->tar.length);
	packed->tar_bytes += piece->tar.length;
	if (packer->pack->single_member) {
		if (deflate_single(packer, &piece->tar, last ? Z_FINISH : Z_NO_FLUSH, err) < 0)
			return -1;
	} else {
		packed->member_sizes[index] = (uint32_t)piece->gzip.length;
		if (put_out(packer, piece->gzip.text, piece->gzip.length, err) < 0)
			return -1;
	}
	report_progress(packer->pack->report, packed->tar_bytes, NULL);
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static int run_pipeline(struct packer *packer, struct error *err)
{
	struct pipeline pipeline = {
		.count = packer->member_count,
		.threads = packer->pack->threads,
		.room = MEMBER_CLOSE_AT + MEMBER_PART,
		.begin = begin,
		.end = end,
		.produce = produce,
		.consume = consume,
		.data = packer,
	};
	return pipeline_run(&pipeline, err);
}

static int run_single(struct packer *packer, struct error *err)
{
	gz_header header = { .os = GZIP_OS_UNKNOWN };
	z_stream *stream = &packer->stream;
	/* 16 more than the window's bits: with a gzip header (zlib.h). */
	if (deflateInit2(stream, COMPRESSION_LEVEL_ZLIB, Z_DEFLATED, MAX_WBITS + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return error_set(err, ERROR_SYSTEM, "setting up zlib failed");
	deflateSetHeader(stream, &header);
	int ret = run_pipeline(packer, err);
	deflateEnd(stream);
	return ret;
}

static uint64_t tar_size_guess(const struct walk *walk)
{
	uint64_t size = 0;
	for (size_t i = 0; i < walk->count; i++)
		size += 512 + (walk->entries[i].size + 511) / 512 * 512;
	return size;
}

static void packer_release(struct packer *packer)
{
	walk_release(&packer->walk);
	free(packer->members);
	free(packer->changed);
	hasher_freep(&packer->tar_hasher);
	hasher_freep(&packer->gzip_hasher);
}

/* What is removed between being listed and being looked at ends a walk. In a live tree that happens, and the next walk
 * has another chance. */
static int walk(struct packer *packer, struct error *err)
{
	const struct image_pack *pack = packer->pack;
	for (unsigned tries = pack->live ? LIVE_TRIES : 1;; tries--) {
		AUTO(error_clear) struct error failure = ERROR_INIT;
		if (walk_tree_lightly(pack->tree, pack->leave_out, pack->data, &packer->walk,
				      &failure) == 0)
			return 0;
		if (tries == 1) {
			error_move(err, &failure);
			return -1;
		}
		if (interrupt_check(err) < 0)
			return -1;
		walk_release(&packer->walk);
	}
}

static int load_cache(const struct image_pack *pack, struct error *err)
{
	if (pack->precompress)
		precompress_stop(pack->precompress);
	return pack->cache ? member_cache_load(pack->cache, err) : 0;
}

static uint64_t count_changed(const struct packer *packer)
{
	uint64_t count = 0;
	for (size_t i = 0; packer->changed && i < packer->walk.count; i++)
		count += packer->changed[i];
	return count;
}

int image_pack(const struct image_pack *pack, int fd, const char *name, struct image_packed *ret,
	       struct error *err)
{
	AUTO(packer_release)
	struct packer packer = {
		.pack = pack,
		.fd = fd,
		.name = name,
		.packed = ret,
		.tar_hasher = hasher_new(DIGEST_SHA256),
		.gzip_hasher = hasher_new(DIGEST_SHA256),
	};

	*ret = IMAGE_PACKED_INIT;
	if (walk(&packer, err) < 0 || load_cache(pack, err) < 0)
		return error_wrap(err, "packing %s", name);
	packer.members = members_plan(&packer.walk, &packer.member_count);
	if (pack->live)
		packer.changed = xcalloc(packer.walk.count, 1);
	report_total(pack->report, tar_size_guess(&packer.walk));
	if (!pack->single_member) {
		ret->member_sizes = xcalloc(packer.member_count, sizeof(*ret->member_sizes));
		ret->member_unpacked = xcalloc(packer.member_count, sizeof(*ret->member_unpacked));
	}
	int status = pack->single_member ? run_single(&packer, err) : run_pipeline(&packer, err);
	if (status < 0)
		return error_wrap(err, "packing %s", name);
	if (fsync(fd) < 0)
		return error_errno(err, errno, "writing %s", name);

	hasher_finish(packer.tar_hasher, &ret->tar);
	hasher_finish(packer.gzip_hasher, &ret->gzip);
	ret->entries = packer.walk.count;
	ret->members = pack->single_member ? 1 : packer.member_count;
	ret->nodes_dropped = packer.walk.nodes;
	ret->changed = count_changed(&packer);
	return 0;
}
