#include "image/unpack_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/unpack_gzip.h"
#include "image/unpack_input.h"

enum { PIECES = 6 };

struct unpack_stream {
	pthread_t thread;
	struct unpack_input input; /* the thread's, while it runs */
	uint64_t given; /* bytes of it, to libarchive */
	struct member_cache *cache;

	/* A ring, under `mutex`: the thread fills, the reader empties; `held` is in the reader's hands. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char *pieces[PIECES];
	size_t sizes[PIECES];
	unsigned filled, emptied; /* counts */
	bool done, stop, held;
	struct error failure; /* of the thread */

	uint64_t handed; /* bytes, in all */
	uint64_t zeros; /* so many of them at the end are zeros */
};

/* ---- the thread ------------------------------------------------------------------------------------------ */

static la_ssize_t read_input(struct archive *archive, void *data, const void **buffer)
{
	struct unpack_stream *stream = data;
	struct unpack_input *input = &stream->input;
	if (unpack_input_want(input, 1, &stream->failure) < 0) {
		archive_set_error(archive, EIO, "%s", stream->failure.message);
		return -1;
	}
	*buffer = unpack_input_at(input);
	size_t size = unpack_input_size(input);
	input->begin = input->end;
	stream->given += size;
	return (la_ssize_t)size;
}

/* A free place in the ring, or NULL if nobody wants more. */
static char *wait_room(void *data)
{
	struct unpack_stream *stream = data;
	pthread_mutex_lock(&stream->mutex);
	while (!stream->stop && stream->filled - stream->emptied == PIECES)
		pthread_cond_wait(&stream->changed, &stream->mutex);
	char *place = stream->stop ? NULL : stream->pieces[stream->filled % PIECES];
	pthread_mutex_unlock(&stream->mutex);
	return place;
}

static void hand_over(void *data, size_t size)
{
	struct unpack_stream *stream = data;
	pthread_mutex_lock(&stream->mutex);
	stream->sizes[stream->filled++ % PIECES] = size;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->mutex);
}

static int bad(struct unpack_stream *stream, const char *why)
{
	/* A reason that is known already is better than what libarchive makes of it. */
	if (stream->failure.message)
		return -1;
	return error_set(&stream->failure, ERROR_BAD_TEMPLATE, "%s %s", stream->input.name, why);
}

static int cannot_decompress(struct unpack_stream *stream, struct archive *archive)
{
	autofree char *why = xasprintf("cannot be decompressed: %s",
				       archive_error_string(archive) ?: "it is damaged");
	return bad(stream, why);
}

/* bzip2's filter ends quietly where something else begins. */
static int check_all_used(struct unpack_stream *stream, struct archive *archive)
{
	if (unpack_input_want(&stream->input, 1, &stream->failure) < 0)
		return -1;
	if ((uint64_t)archive_filter_bytes(archive, -1) != stream->given ||
	    unpack_input_size(&stream->input))
		return bad(stream, "has something after its end");
	return 0;
}

/* One piece; 1, 0 at the end, -1. */
static int filter_piece(struct unpack_stream *stream, struct archive *archive, char *place)
{
	size_t size = 0;
	la_ssize_t got = 1;
	while (size < UNPACK_PIECE && got > 0) {
		got = archive_read_data(archive, place + size, UNPACK_PIECE - size);
		size += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		return cannot_decompress(stream, archive);
	if (size)
		hand_over(stream, size);
	return got > 0;
}

static int filter(struct unpack_stream *stream, struct archive *archive)
{
	struct archive_entry *entry;
	int got = 1;
	if (archive_read_open(archive, stream, NULL, read_input, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(archive, &entry) != ARCHIVE_OK)
		return cannot_decompress(stream, archive);
	while (got > 0) {
		char *place = wait_room(stream);
		if (!place)
			return 0;
		got = filter_piece(stream, archive, place);
	}
	return got < 0 ? -1 : check_all_used(stream, archive);
}

/* No more than these: others would have libarchive start a program. */
static struct archive *filter_new(void)
{
	struct archive *archive = archive_read_new();
	archive_read_support_filter_bzip2(archive);
	archive_read_support_filter_lz4(archive);
	archive_read_support_filter_xz(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_format_raw(archive);
	return archive;
}

/* Without it, it is compressed again. */
static void keep_member(void *data, const struct strbuf *tar, const struct strbuf *gzip)
{
	struct unpack_stream *stream = data;
	struct mac mac;
	member_cache_key(stream->cache, tar, &mac);
	member_cache_append(stream->cache, &mac, gzip, true, NULL);
}

static int decompress(struct unpack_stream *stream)
{
	const struct unpack_sink sink = { wait_room, hand_over, stream->cache ? keep_member : NULL,
					  stream };
	/* As many bytes as the signatures of gzip have. */
	if (unpack_input_want(&stream->input, 2, &stream->failure) < 0)
		return -1;
	if (unpack_input_size(&stream->input) == 0)
		return bad(stream, "is empty");
	if (unpack_gzip_is(&stream->input))
		return unpack_gzip(&stream->input, &sink, &stream->failure);
	struct archive *archive = filter_new();
	int ret = filter(stream, archive);
	archive_read_free(archive);
	return ret;
}

static void *run(void *data)
{
	struct unpack_stream *stream = data;
	decompress(stream);
	pthread_mutex_lock(&stream->mutex);
	stream->done = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->mutex);
	return NULL;
}

/* ---- the reader -------------------------------------------------------------------------------------------- */

int unpack_stream_open(int fd, const char *name, struct member_cache *cache,
		       struct unpack_stream **ret, struct error *err)
{
	struct unpack_stream *stream = xcalloc(1, sizeof(*stream));
	sigset_t all, before;
	stream->cache = cache;
	unpack_input_init(&stream->input, fd, name);
	pthread_mutex_init(&stream->mutex, NULL);
	pthread_cond_init(&stream->changed, NULL);
	for (size_t i = 0; i < PIECES; i++)
		stream->pieces[i] = xmalloc(UNPACK_PIECE);
	/* Signals are for the other thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int number = pthread_create(&stream->thread, NULL, run, stream);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (number) {
		stream->thread = 0;
		unpack_stream_free(stream);
		return error_errno(err, number, "starting a thread");
	}
	*ret = stream;
	return 0;
}

static void count_zeros(struct unpack_stream *stream, const char *piece, size_t size)
{
	size_t zeros = 0;
	while (zeros < size && !piece[size - 1 - zeros])
		zeros++;
	stream->zeros = zeros == size ? stream->zeros + size : zeros;
	stream->handed += size;
}

ssize_t unpack_stream_read(struct unpack_stream *stream, const void **piece, struct error *err)
{
	ssize_t size = 0;
	pthread_mutex_lock(&stream->mutex);
	if (stream->held) {
		stream->held = false;
		stream->emptied++;
		pthread_cond_broadcast(&stream->changed);
	}
	while (stream->filled == stream->emptied && !stream->done)
		pthread_cond_wait(&stream->changed, &stream->mutex);
	if (stream->filled != stream->emptied) {
		stream->held = true;
		*piece = stream->pieces[stream->emptied % PIECES];
		size = (ssize_t)stream->sizes[stream->emptied % PIECES];
	}
	pthread_mutex_unlock(&stream->mutex);
	if (size)
		count_zeros(stream, *piece, (size_t)size);
	else if (stream->failure.message) {
		error_set(err, stream->failure.kind, "%s", stream->failure.message);
		return -1;
	}
	return size;
}

void unpack_stream_digest(const struct unpack_stream *stream, struct digest *ret)
{
	hasher_finish(stream->input.hasher, ret);
}

uint64_t unpack_stream_size(const struct unpack_stream *stream)
{
	return stream->handed;
}

uint64_t unpack_stream_zeros(const struct unpack_stream *stream)
{
	return stream->zeros;
}

void unpack_stream_free(struct unpack_stream *stream)
{
	if (!stream)
		return;
	pthread_mutex_lock(&stream->mutex);
	stream->stop = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->mutex);
	if (stream->thread)
		pthread_join(stream->thread, NULL);
	pthread_mutex_destroy(&stream->mutex);
	pthread_cond_destroy(&stream->changed);
	for (size_t i = 0; i < PIECES; i++)
		free(stream->pieces[i]);
	error_clear(&stream->failure);
	unpack_input_release(&stream->input);
	free(stream);
}

void unpack_stream_freep(struct unpack_stream **stream)
{
	unpack_stream_free(*stream);
	*stream = NULL;
}
