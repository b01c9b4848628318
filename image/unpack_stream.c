#include "image/unpack_stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

enum { PIECE = 256 << 10, PIECES = 16, END = 1024, INPUT = 256 << 10 };

struct unpack_stream {
	int fd;
	const char *name;
	pthread_t thread;
	struct hasher *hasher;
	struct digest digest;
	char *input; /* as read from the file */

	/* A ring, under `mutex`: the thread fills, the reader empties; `held` is in the reader's hands. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char *pieces[PIECES];
	size_t sizes[PIECES];
	unsigned filled, emptied; /* counts */
	bool done, stop, held;
	struct error failure; /* of the thread */

	char end[END]; /* the last bytes handed out */
	size_t handed; /* in all */
};

/* ---- the thread ------------------------------------------------------------------------------------------ */

static la_ssize_t read_file(struct archive *archive, void *data, const void **buffer)
{
	struct unpack_stream *stream = data;
	ssize_t got = TEMP_FAILURE_RETRY(read(stream->fd, stream->input, INPUT));
	if (got < 0) {
		archive_set_error(archive, errno, "%s", strerror(errno));
		return -1;
	}
	hasher_update(stream->hasher, stream->input, (size_t)got);
	*buffer = stream->input;
	return got;
}

/* A free place in the ring, or NULL if nobody wants more. */
static char *wait_room(struct unpack_stream *stream)
{
	pthread_mutex_lock(&stream->mutex);
	while (!stream->stop && stream->filled - stream->emptied == PIECES)
		pthread_cond_wait(&stream->changed, &stream->mutex);
	char *place = stream->stop ? NULL : stream->pieces[stream->filled % PIECES];
	pthread_mutex_unlock(&stream->mutex);
	return place;
}

static void hand_over(struct unpack_stream *stream, size_t size)
{
	pthread_mutex_lock(&stream->mutex);
	stream->sizes[stream->filled++ % PIECES] = size;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->mutex);
}

static int bad(struct unpack_stream *stream, struct archive *archive)
{
	if (stream->stop)
		return -1;
	return error_set(&stream->failure, ERROR_BAD_TEMPLATE, "%s cannot be decompressed: %s",
			 stream->name, archive_error_string(archive) ?: "it is damaged");
}

static int decompress(struct unpack_stream *stream, struct archive *archive)
{
	struct archive_entry *entry;
	int opened = archive_read_open(archive, stream, NULL, read_file, NULL);
	int header = opened == ARCHIVE_OK ? archive_read_next_header(archive, &entry) : opened;
	if (header == ARCHIVE_EOF)
		return error_set(&stream->failure, ERROR_BAD_TEMPLATE, "%s is empty", stream->name);
	if (header != ARCHIVE_OK)
		return bad(stream, archive);
	for (char *place; (place = wait_room(stream));) {
		size_t size = 0;
		la_ssize_t got = 1;
		while (size < PIECE && got > 0) {
			got = archive_read_data(archive, place + size, PIECE - size);
			size += got > 0 ? (size_t)got : 0;
		}
		if (got < 0)
			return bad(stream, archive);
		if (size)
			hand_over(stream, size);
		if (got == 0)
			return 0;
	}
	return -1;
}

static void *run(void *data)
{
	struct unpack_stream *stream = data;
	struct archive *archive = archive_read_new();
	archive_read_support_filter_all(archive);
	archive_read_support_format_raw(archive);
	archive_read_support_format_empty(archive);
	decompress(stream, archive);
	archive_read_free(archive);
	/* What the filter did not want belongs to the file all the same. */
	for (ssize_t got = 1; got > 0 && !stream->stop && !stream->failure.message;) {
		got = TEMP_FAILURE_RETRY(read(stream->fd, stream->input, INPUT));
		if (got > 0)
			hasher_update(stream->hasher, stream->input, (size_t)got);
	}
	pthread_mutex_lock(&stream->mutex);
	stream->done = true;
	pthread_cond_broadcast(&stream->changed);
	pthread_mutex_unlock(&stream->mutex);
	return NULL;
}

/* ---- the reader -------------------------------------------------------------------------------------------- */

int unpack_stream_open(int fd, const char *name, struct unpack_stream **ret, struct error *err)
{
	struct unpack_stream *stream = xcalloc(1, sizeof(*stream));
	sigset_t all, before;
	stream->fd = fd;
	stream->name = name;
	stream->hasher = hasher_new(DIGEST_SHA256);
	stream->input = xmalloc(INPUT);
	pthread_mutex_init(&stream->mutex, NULL);
	pthread_cond_init(&stream->changed, NULL);
	for (size_t i = 0; i < PIECES; i++)
		stream->pieces[i] = xmalloc(PIECE);
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

static void keep_end(struct unpack_stream *stream, const char *piece, size_t size)
{
	size_t kept = size < END ? size : END;
	memmove(stream->end, stream->end + kept, END - kept);
	memcpy(stream->end + END - kept, piece + size - kept, kept);
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
		keep_end(stream, *piece, (size_t)size);
	else if (stream->failure.message) {
		error_set(err, stream->failure.kind, "%s", stream->failure.message);
		return -1;
	}
	return size;
}

void unpack_stream_digest(const struct unpack_stream *stream, struct digest *ret)
{
	hasher_finish(stream->hasher, ret);
}

bool unpack_stream_has_end(const struct unpack_stream *stream)
{
	static const char zeros[END];
	return stream->handed >= END && stream->handed % 512 == 0 &&
	       !memcmp(stream->end, zeros, END);
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
	hasher_free(stream->hasher);
	error_clear(&stream->failure);
	free(stream->input);
	free(stream);
}

void unpack_stream_freep(struct unpack_stream **stream)
{
	unpack_stream_free(*stream);
	*stream = NULL;
}
