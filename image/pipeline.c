#include "image/pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/interrupt.h"

/* Beside one for each thread; a piece takes 1 MB. */
enum { SLOTS_MORE = 2 };

struct slot {
	struct piece piece;
	size_t index;
	bool ready;
};

struct run {
	const struct pipeline *pipeline;
	struct slot *slots; /* piece i lives in slot i % slot_count */
	size_t slot_count;

	pthread_mutex_t mutex;
	pthread_cond_t produced, consumed;
	size_t next; /* piece to be produced */
	size_t done; /* pieces consumed */
	bool failed;
	struct error error; /* of the first failure */
};

/* With the mutex held. */
static void set_failed(struct run *run, struct error *error)
{
	if (!run->failed)
		error_move(&run->error, error);
	run->failed = true;
	error_clear(error);
	pthread_cond_broadcast(&run->produced);
	pthread_cond_broadcast(&run->consumed);
}

/* The next piece's slot, or NULL if there is nothing left to do. */
static struct slot *take(struct run *run, size_t *index)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&run->mutex);
	while (!run->failed && run->next < run->pipeline->count &&
	       run->next >= run->done + run->slot_count)
		pthread_cond_wait(&run->consumed, &run->mutex);
	if (!run->failed && run->next < run->pipeline->count) {
		*index = run->next++;
		slot = &run->slots[*index % run->slot_count];
	}
	pthread_mutex_unlock(&run->mutex);
	return slot;
}

static void put(struct run *run, struct slot *slot, int status, struct error *error)
{
	pthread_mutex_lock(&run->mutex);
	if (status < 0)
		set_failed(run, error);
	slot->ready = true;
	pthread_cond_signal(&run->produced);
	pthread_mutex_unlock(&run->mutex);
}

static void *thread(void *argument)
{
	struct run *run = argument;
	const struct pipeline *pipeline = run->pipeline;
	struct error error = ERROR_INIT;
	struct slot *slot;
	size_t index;

	void *state = pipeline->begin(pipeline->data, &error);
	if (!state) {
		pthread_mutex_lock(&run->mutex);
		set_failed(run, &error);
		pthread_mutex_unlock(&run->mutex);
		return NULL;
	}
	while ((slot = take(run, &index))) {
		strbuf_truncate(&slot->piece.tar, 0);
		strbuf_truncate(&slot->piece.gzip, 0);
		int status = pipeline->produce(state, pipeline->data, index, &slot->piece, &error);
		put(run, slot, status, &error);
	}
	pipeline->end(state);
	return NULL;
}

static int consume_one(struct run *run, size_t index, struct error *err)
{
	struct slot *slot = &run->slots[index % run->slot_count];

	pthread_mutex_lock(&run->mutex);
	while (!run->failed && !slot->ready)
		pthread_cond_wait(&run->produced, &run->mutex);
	bool failed = run->failed;
	pthread_mutex_unlock(&run->mutex);
	if (failed)
		return -1;
	if (run->pipeline->consume(run->pipeline->data, index, &slot->piece, err) < 0 ||
	    interrupt_check(err) < 0)
		return -1;

	pthread_mutex_lock(&run->mutex);
	slot->ready = false;
	run->done = index + 1;
	pthread_cond_broadcast(&run->consumed);
	pthread_mutex_unlock(&run->mutex);
	return 0;
}

static int consume_all(struct run *run)
{
	struct error error = ERROR_INIT;
	for (size_t i = 0; i < run->pipeline->count; i++) {
		if (consume_one(run, i, &error) == 0)
			continue;
		pthread_mutex_lock(&run->mutex);
		set_failed(run, &error);
		pthread_mutex_unlock(&run->mutex);
		return -1;
	}
	return 0;
}

static unsigned start_threads(struct run *run, pthread_t *threads, struct error *err)
{
	unsigned started = 0;
	for (; started < run->pipeline->threads; started++) {
		int number = pthread_create(&threads[started], NULL, thread, run);
		if (number == 0)
			continue;
		/* Fewer threads give the same bytes; none is a failure. */
		if (!started)
			error_errno(err, number, "starting a thread");
		break;
	}
	return started;
}

/* Buffers that would grow piece by piece leave their earlier places behind. */
static struct piece make_piece(size_t room)
{
	struct piece piece = { .tar = STRBUF_INIT, .gzip = STRBUF_INIT };
	strbuf_reserve(&piece.tar, room);
	strbuf_reserve(&piece.gzip, room);
	return piece;
}

int pipeline_run(const struct pipeline *pipeline, struct error *err)
{
	struct run run = {
		.pipeline = pipeline,
		.slot_count = (size_t)pipeline->threads + SLOTS_MORE,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.produced = PTHREAD_COND_INITIALIZER,
		.consumed = PTHREAD_COND_INITIALIZER,
		.error = ERROR_INIT,
	};
	pthread_t *threads = xcalloc(pipeline->threads, sizeof(*threads));
	int ret = -1;

	run.slots = xcalloc(run.slot_count, sizeof(*run.slots));
	for (size_t i = 0; i < run.slot_count; i++)
		run.slots[i].piece = make_piece(pipeline->room);
	unsigned started = start_threads(&run, threads, err);
	if (started)
		ret = consume_all(&run);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	if (run.error.message)
		error_move(err, &run.error);

	for (size_t i = 0; i < run.slot_count; i++) {
		strbuf_release(&run.slots[i].piece.tar);
		strbuf_release(&run.slots[i].piece.gzip);
	}
	free(run.slots);
	free(threads);
	return ret;
}
