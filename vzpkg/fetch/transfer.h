/*
 * One request on its way: which of its URLs is tried, how often, what came back, and what follows
 * from that. Knows curl's easy interface; the loop over all transfers is http.c.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "vzpkg/fetch/http.h"
#include "vzpkg/fetch/origin.h"
#include "vzpkg/fetch/part.h"
#include "vzpkg/fetch/validators.h"

/* What one try showed about its URL. */
enum verdict {
	VERDICT_DONE, /* the file has its name */
	VERDICT_UNCHANGED, /* 304 */
	VERDICT_ABSENT, /* 404: this URL has no such file */
	VERDICT_USELESS, /* this URL is of no use to us: not to be asked again */
	VERDICT_RETRY, /* may go better another time */
	VERDICT_AGAIN, /* at once, from the first byte: what we had kept was in the way */
	VERDICT_FATAL, /* nothing to do with the URL (our disk): ends the run */
};

/* What is known of one of the request's URLs. */
struct source {
	unsigned tries;
	bool given_up;
	bool absent;
	char *why; /* of the last failure */
};

struct transfer {
	const struct fetch_options *options;
	struct origins *origins;
	struct fetch_request *request; /* NULL: this slot is free */
	struct source *sources; /* one for each URL of the request */
	size_t at; /* the URL in use */
	bool wrong_digest; /* some URL had other content than we want */
	char *hint; /* of the last failure */

	CURL *easy;
	struct curl_slist *headers;
	char curl_text[CURL_ERROR_SIZE];
	bool running; /* to be removed from the multi handle */
	uint64_t wake_ms; /* not before */

	struct part part;
	bool from_start; /* a continued part has failed: no more of that */
	struct validators current; /* NAME as it is on disk */
	struct validators incoming; /* the version that `part` holds the beginning of */

	/* Of the try that runs. */
	uint64_t asked_from; /* first byte asked for */
	bool conditional;
	bool accepted; /* the answer's headers were looked at and its body is the file's */
	bool looked; /* … looked at */
	uint64_t ignored; /* bytes of a body that is not the file's */
	bool connected;
	uint64_t last_byte_ms;
	enum verdict refusal; /* with `trouble`: why a callback ended it */
	struct error trouble;
};

uint64_t fetch_now_ms(void); /* CLOCK_MONOTONIC */

/* The most bytes that the file may have. */
uint64_t request_limit(const struct fetch_request *request);
const char *request_title(const struct fetch_request *request);

int transfer_begin(struct transfer *transfer, struct fetch_request *request, struct error *err);

/* Prepares `easy` for the next try; the caller adds it to the multi handle. */
int transfer_try(struct transfer *transfer, struct error *err);

/* What the ended try means; on failure `why` says it. */
enum verdict transfer_judge(struct transfer *transfer, CURLcode code, struct error *why);

/* True if no byte came for too long; `why` says it. */
bool transfer_stalled(struct transfer *transfer, uint64_t now_ms, struct error *why);

/*
 * Notes the verdict and chooses what is next. Returns 1 if the request is at its end (its state is
 * set), 0 if there is to be another try (not before wake_ms), or -1 if it failed.
 */
int transfer_settle(struct transfer *transfer, enum verdict verdict, struct error *why,
		    struct error *err);

/* Lets go of the request; the part stays if it can be continued. `easy` may be used again. */
void transfer_end(struct transfer *transfer);
