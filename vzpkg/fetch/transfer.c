#include "vzpkg/fetch/transfer.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "vzpkg/fetch/reason.h"

enum { BACK_OFF_MS = 500, BACK_OFF_MAX_MS = 15000, RETRY_AFTER_MAX_MS = 30000 };

uint64_t fetch_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t request_limit(const struct fetch_request *request)
{
	return request->size ? request->size : request->size_limit;
}

const char *request_title(const struct fetch_request *request)
{
	return request->title ? request->title : request->name;
}

static enum digest_kind kind_of(const struct fetch_request *request)
{
	return request->digest.kind ? request->digest.kind : DIGEST_SHA256;
}

/* An earlier run may have left all of it. */
static int try_part_alone(struct transfer *transfer, struct error *err)
{
	struct fetch_request *request = transfer->request;
	if (!request->size || transfer->part.length != request->size)
		return 0;
	part_digest(&transfer->part, &request->got);
	if (!digest_equal(&request->got, &request->digest))
		return part_restart(&transfer->part, err);
	if (part_publish(&transfer->part, err) < 0)
		return -1;
	request->state = FETCH_DONE;
	request->url = xstrdup(request->urls.items[0]);
	return 1;
}

static void load_current(struct transfer *transfer)
{
	struct fetch_request *request = transfer->request;
	struct validators *current = &transfer->current;
	if (!request->revalidate ||
	    !validators_load(current, request->dirfd, request->name, request_limit(request)))
		return;
	if (request->digest.kind && !digest_equal(&request->digest, &current->digest))
		validators_release(current);
}

/* The URL with the fewest tries, then one whose server is well, then the first. */
static bool choose(struct transfer *transfer)
{
	const struct strvec *urls = &transfer->request->urls;
	unsigned limit = transfer->options->retries + 1;
	uint64_t best = UINT64_MAX;
	for (size_t i = 0; i < urls->count; i++) {
		const struct source *source = &transfer->sources[i];
		uint64_t rank = (uint64_t)source->tries * 2 +
				origins_failing(transfer->origins, urls->items[i]);
		if (source->given_up || source->tries >= limit || rank >= best)
			continue;
		best = rank;
		transfer->at = i;
	}
	return best != UINT64_MAX;
}

int transfer_begin(struct transfer *transfer, struct fetch_request *request, struct error *err)
{
	transfer->request = request;
	transfer->sources = xcalloc(request->urls.count, sizeof(*transfer->sources));
	transfer->wake_ms = fetch_now_ms();
	transfer->from_start = false;
	bool resume = request->digest.kind != DIGEST_NONE;
	int ended = part_open(&transfer->part, request->dirfd, request->name, kind_of(request),
			      resume, request_limit(request), err);
	if (ended == 0)
		ended = try_part_alone(transfer, err);
	if (ended < 0)
		error_wrap(err, "fetching %s", request_title(request));
	load_current(transfer);
	choose(transfer);
	return ended;
}

/* Doubling, with jitter so that many clients of a server that came back do not come in step. */
static uint64_t back_off_ms(unsigned tries)
{
	if (tries == 0)
		return 0;
	uint64_t wait = BACK_OFF_MS;
	for (unsigned i = 1; i < tries && wait < BACK_OFF_MAX_MS; i++)
		wait *= 2;
	uint32_t random = 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)fetch_now_ms();
	return wait / 2 + random % wait;
}

static uint64_t server_wish_ms(const struct transfer *transfer)
{
	curl_off_t seconds = 0;
	curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return seconds * 1000 < RETRY_AFTER_MAX_MS ? (uint64_t)seconds * 1000 : RETRY_AFTER_MAX_MS;
}

static bool absent_everywhere(const struct transfer *transfer)
{
	for (size_t i = 0; i < transfer->request->urls.count; i++)
		if (!transfer->sources[i].absent)
			return false;
	return true;
}

static void add_failures(const struct transfer *transfer, struct strbuf *text)
{
	const struct fetch_request *request = transfer->request;
	for (size_t i = 0; i < request->urls.count; i++) {
		const struct source *source = &transfer->sources[i];
		if (!source->why)
			continue;
		autofree char *url = reason_url(request->urls.items[i]);
		strbuf_addf(text, "%s%s: %s", text->length ? "; " : "", url, source->why);
		if (source->tries > 1)
			strbuf_addf(text, " (%u tries)", source->tries);
	}
}

static int fail(struct transfer *transfer, struct error *err)
{
	struct fetch_request *request = transfer->request;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	add_failures(transfer, &text);
	enum error_kind kind = transfer->wrong_digest ? ERROR_TRUST : ERROR_FETCH;
	autofree char *subject = reason_url(request->urls.items[0]);
	if (request->title)
		error_set(err, kind, "fetching %s: %s", request->title, text.text);
	else
		error_set(err, kind, "fetching %s", text.text);
	error_subject(err, "%s", subject);
	error_hint(err, "%s", transfer->hint ? transfer->hint : "check the mirror and the network");
	request->state = FETCH_FAILED;
	return -1;
}

static int next(struct transfer *transfer, struct error *err)
{
	if (choose(transfer)) {
		unsigned tries = transfer->sources[transfer->at].tries;
		uint64_t wait = back_off_ms(tries), wish = tries ? server_wish_ms(transfer) : 0;
		transfer->wake_ms = fetch_now_ms() + (wait > wish ? wait : wish);
		return 0;
	}
	if (!transfer->request->optional || !absent_everywhere(transfer))
		return fail(transfer, err);
	transfer->request->state = FETCH_MISSING;
	return 1;
}

static void note(struct transfer *transfer, enum verdict verdict, struct error *why)
{
	struct source *source = &transfer->sources[transfer->at];
	source->absent = verdict == VERDICT_ABSENT;
	source->given_up = verdict == VERDICT_ABSENT || verdict == VERDICT_USELESS;
	free(source->why);
	source->why = xstrdup(why->message ? why->message : "failed");
	free(transfer->hint);
	transfer->hint = xstrdup_or_null(why->hint);
	if (why->kind == ERROR_TRUST)
		transfer->wrong_digest = true;
}

static int succeed(struct transfer *transfer, enum fetch_state state)
{
	struct fetch_request *request = transfer->request;
	request->state = state;
	request->url = xstrdup(request->urls.items[transfer->at]);
	if (state == FETCH_NOT_MODIFIED)
		request->got = transfer->current.digest;
	return 1;
}

static int from_first_byte(struct transfer *transfer, struct error *err)
{
	transfer->from_start = true;
	transfer->sources[transfer->at].tries--;
	transfer->wake_ms = fetch_now_ms();
	return part_restart(&transfer->part, err);
}

int transfer_settle(struct transfer *transfer, enum verdict verdict, struct error *why,
		    struct error *err)
{
	switch (verdict) {
	case VERDICT_DONE:
		return succeed(transfer, FETCH_DONE);
	case VERDICT_UNCHANGED:
		return succeed(transfer, FETCH_NOT_MODIFIED);
	case VERDICT_FATAL:
		transfer->request->state = FETCH_FAILED;
		error_move(err, why);
		return error_wrap(err, "fetching %s", request_title(transfer->request));
	case VERDICT_AGAIN:
		if (!transfer->from_start)
			return from_first_byte(transfer, err);
		break;
	case VERDICT_ABSENT:
	case VERDICT_USELESS:
	case VERDICT_RETRY:
		break;
	}
	note(transfer, verdict, why);
	return next(transfer, err);
}

static void forget_sources(struct transfer *transfer)
{
	for (size_t i = 0; i < transfer->request->urls.count; i++)
		free(transfer->sources[i].why);
	free(steal_ptr(transfer->sources));
}

void transfer_end(struct transfer *transfer)
{
	if (!transfer->request)
		return;
	part_close(&transfer->part, transfer->request->digest.kind != DIGEST_NONE);
	forget_sources(transfer);
	validators_release(&transfer->current);
	validators_release(&transfer->incoming);
	error_clear(&transfer->trouble);
	curl_slist_free_all(steal_ptr(transfer->headers));
	free(steal_ptr(transfer->hint));
	transfer->wrong_digest = false;
	transfer->request = NULL;
}
