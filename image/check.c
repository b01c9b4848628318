#include "image/check.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "image/compressor.h"
#include "image/unpack_input.h"

struct checker {
	const struct image_check *check;
	struct walk walk;
	struct member *members;
	size_t member_count;
	struct unpack_input input;
	struct member_compressor *writer;
	struct libdeflate_decompressor *decompressor;
	struct strbuf tar, unpacked; /* of one member: as the tree has it, and the file */
};

static void checker_release(struct checker *checker)
{
	walk_release(&checker->walk);
	free(checker->members);
	unpack_input_release(&checker->input);
	member_compressor_free(checker->writer);
	libdeflate_free_decompressor(checker->decompressor);
	strbuf_release(&checker->tar);
	strbuf_release(&checker->unpacked);
}

static int differs(const struct checker *checker, size_t index, struct error *err)
{
	const struct member *member = &checker->members[index];
	const char *path = member->last ? "its end" : checker->walk.entries[member->first].path;

	return error_set(err, ERROR_TRUST, "%s is not what was unpacked of it, at or after /%s",
			 checker->check->name, path);
}

/* The next member of the file becomes checker->unpacked. Returns its size in the file, 0 if it is damaged or larger than the tree's. */
static size_t unpack_member(struct checker *checker)
{
	struct unpack_input *input = &checker->input;
	struct strbuf *unpacked = &checker->unpacked;
	size_t used = 0;

	strbuf_truncate(unpacked, 0);
	strbuf_reserve(unpacked, checker->tar.length);
	if (libdeflate_gzip_decompress_ex(checker->decompressor, unpack_input_at(input),
					  unpack_input_size(input), unpacked->text,
					  checker->tar.length, &used,
					  &unpacked->length) != LIBDEFLATE_SUCCESS)
		used = 0;
	return used;
}

static int keep(const struct checker *checker, size_t size, struct error *err)
{
	struct member_cache *cache = checker->check->cache;
	const struct strbuf gzip = {
		.text = (char *)unpack_input_at(&checker->input),
		.length = size,
	};
	struct mac mac;

	if (!cache)
		return 0;
	member_cache_key(cache, &checker->tar, &mac);
	return member_cache_append(cache, &mac, &gzip, true, err);
}

static int check_member(struct checker *checker, size_t index, struct error *err)
{
	strbuf_truncate(&checker->tar, 0);
	if (member_compress(checker->writer, &checker->walk, &checker->members[index], NULL,
			    &checker->tar, NULL, err) < 0 ||
	    unpack_input_want(&checker->input, UNPACK_INPUT_MAX / 2, err) < 0)
		return -1;
	size_t size = unpack_member(checker);
	if (!size || checker->unpacked.length != checker->tar.length ||
	    memcmp(checker->unpacked.text, checker->tar.text, checker->tar.length) != 0)
		return differs(checker, index, err);
	if (keep(checker, size, err) < 0)
		return -1;
	checker->input.begin += size;
	return interrupt_check(err);
}

static int check_all(struct checker *checker, struct digest *ret, struct error *err)
{
	for (size_t i = 0; i < checker->member_count; i++)
		if (check_member(checker, i, err) < 0)
			return -1;
	if (unpack_input_want(&checker->input, 1, err) < 0)
		return -1;
	if (unpack_input_size(&checker->input))
		return differs(checker, checker->member_count - 1, err);
	hasher_finish(checker->input.hasher, ret);
	return 0;
}

int image_check(const struct image_check *check, struct digest *ret, struct error *err)
{
	AUTO(checker_release)
	struct checker checker = {
		.check = check,
		.walk = WALK_INIT,
		.tar = STRBUF_INIT,
		.unpacked = STRBUF_INIT,
	};

	unpack_input_init(&checker.input, check->fd, check->name);
	if (lseek(check->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", check->name);
	if (walk_tree_lightly(check->tree, NULL, NULL, &checker.walk, err) < 0)
		return -1;
	checker.members = members_plan(&checker.walk, &checker.member_count);
	checker.writer = member_compressor_new(check->tree, check->epoch, err);
	if (!checker.writer)
		return -1;
	checker.decompressor = libdeflate_alloc_decompressor();
	if (!checker.decompressor)
		return error_set(err, ERROR_SYSTEM, "setting up the decompressor failed");
	return check_all(&checker, ret, err);
}
