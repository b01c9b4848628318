#include "image/unpack_gzip.h"

#include <libdeflate.h>
#include <zlib.h>

enum { MEMBER_MAX = UNPACK_PIECE + (64 << 10) }; /* what does not shrink grows a little */

bool unpack_gzip_is(const struct unpack_input *input)
{
	const unsigned char *at = (const unsigned char *)unpack_input_at(input);
	return unpack_input_size(input) >= 2 && at[0] == 0x1f && at[1] == 0x8b;
}

static int bad(const struct unpack_input *input, const char *why, struct error *err)
{
	return error_set(err, ERROR_BAD_TEMPLATE, "%s %s", input->name, why);
}

/* ---- a member of any size ------------------------------------------------------------------------------- */

static int inflate_piece(struct unpack_input *input, z_stream *stream, char *room, bool *ended,
			 struct error *err)
{
	stream->next_out = (unsigned char *)room;
	stream->avail_out = UNPACK_PIECE;
	while (stream->avail_out && !*ended) {
		if (unpack_input_want(input, 1, err) < 0)
			return -1;
		if (unpack_input_size(input) == 0)
			return bad(input, "is cut short: the last gzip member has no end", err);
		stream->next_in = (unsigned char *)unpack_input_at(input);
		stream->avail_in = (unsigned)unpack_input_size(input);
		int status = inflate(stream, Z_NO_FLUSH);
		input->begin = input->end - stream->avail_in;
		if (status != Z_OK && status != Z_STREAM_END)
			return bad(input,
				   "is damaged: a gzip member has bad data or a bad check sum",
				   err);
		*ended = status == Z_STREAM_END;
	}
	return 0;
}

/* 1, 0 if nobody wants more, -1. */
static int inflate_member(struct unpack_input *input, const struct unpack_sink *sink, char *room,
			  struct error *err)
{
	z_stream stream = { 0 };
	bool ended = false;
	int ret = 0;

	/* 16 more than the window's bits: with a gzip header (zlib.h). */
	if (inflateInit2(&stream, MAX_WBITS + 16) != Z_OK)
		return error_set(err, ERROR_SYSTEM, "setting up zlib failed");
	while (ret == 0 && room && !ended) {
		ret = inflate_piece(input, &stream, room, &ended, err);
		if (ret == 0 && stream.avail_out < UNPACK_PIECE)
			sink->hand_over(sink->data, UNPACK_PIECE - stream.avail_out);
		if (ret == 0 && !ended)
			room = sink->room(sink->data);
	}
	inflateEnd(&stream);
	return ret < 0 ? -1 : ended;
}

/* ---- the series ----------------------------------------------------------------------------------------------- */

/* 1, 0 if nobody wants more, -1. What libdeflate cannot do, because the member is too large or bad, is
 * zlib's to do or to refuse. */
static int take_member(struct unpack_input *input, const struct unpack_sink *sink,
		       struct libdeflate_decompressor *decompressor, struct error *err)
{
	size_t used, made;
	char *room = sink->room(sink->data);

	if (!room)
		return 0;
	if (libdeflate_gzip_decompress_ex(decompressor, unpack_input_at(input),
					  unpack_input_size(input), room, UNPACK_PIECE, &used,
					  &made) != LIBDEFLATE_SUCCESS)
		return inflate_member(input, sink, room, err);
	if (sink->member && made) {
		const struct strbuf tar = { .text = room, .length = made };
		const struct strbuf gzip = { .text = (char *)unpack_input_at(input),
					     .length = used };
		sink->member(sink->data, &tar, &gzip);
	}
	input->begin += used;
	if (made)
		sink->hand_over(sink->data, made);
	return 1;
}

/* Tapes and block devices pad with zeros. */
static int check_padding(struct unpack_input *input, struct error *err)
{
	while (unpack_input_size(input)) {
		for (size_t i = 0; i < unpack_input_size(input); i++)
			if (unpack_input_at(input)[i])
				return bad(input, "has something after its end", err);
		input->begin = input->end;
		if (unpack_input_want(input, 1, err) < 0)
			return -1;
	}
	return 0;
}

static int take_members(struct unpack_input *input, const struct unpack_sink *sink,
			struct libdeflate_decompressor *decompressor, struct error *err)
{
	int ret = 1;
	while (ret > 0) {
		if (unpack_input_want(input, MEMBER_MAX, err) < 0)
			return -1;
		if (!unpack_gzip_is(input))
			return check_padding(input, err);
		ret = take_member(input, sink, decompressor, err);
	}
	return ret;
}

int unpack_gzip(struct unpack_input *input, const struct unpack_sink *sink, struct error *err)
{
	struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
	if (!decompressor)
		return error_set(err, ERROR_SYSTEM, "setting up the decompressor failed");
	int ret = take_members(input, sink, decompressor, err);
	libdeflate_free_decompressor(decompressor);
	return ret;
}
