/*
 * Downloads (libcurl multi): many at once, connections reused, HTTP/2 where offered. A file gets its
 * name only when its size and digest are right; what was cut short is kept as NAME.part and resumed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/report.h"
#include "base/strvec.h"

struct fetcher;

struct fetch_options {
	unsigned parallel; /* transfers at a time; 0: 8 */
	unsigned retries; /* further tries of one URL, with back-off; 0: 3 */
	unsigned connect_timeout_s; /* 0: 15 */
	unsigned stall_timeout_s; /* no byte for so long: given up, next try or mirror; 0: 30 */
	const char *proxy; /* NULL: http_proxy, https_proxy, no_proxy of the environment */
	const char *user_agent;
	uint64_t rate_limit; /* bytes a second for all transfers; 0: none */
};

struct fetcher *fetcher_new(const struct fetch_options *options, struct error *err);
void fetcher_free(struct fetcher *fetcher);
void fetcher_freep(struct fetcher **fetcher);

enum fetch_state { FETCH_WAITING, FETCH_DONE, FETCH_NOT_MODIFIED, FETCH_MISSING, FETCH_FAILED };

struct fetch_request {
	struct strvec urls; /* the same file at several mirrors, in order of preference;
				 * http, https or file */
	int dirfd; /* destination */
	const char *name;
	const char *title; /* for messages and progress; NULL: the URL */
	uint64_t size; /* exact size if known, else 0 */
	uint64_t size_limit; /* more than this is refused; required */
	struct digest digest; /* what it must be; DIGEST_NONE: not known */
	bool optional; /* 404 is FETCH_MISSING and not a failure */
	bool revalidate; /* NAME exists: ask only for a newer one (ETag and Last-Modified of
				 * NAME.fetched, written beside it) */

	/* Called when it is complete under its real name (FETCH_DONE, FETCH_NOT_MODIFIED); -1 fails
	 * the run. May be NULL. */
	int (*done)(struct fetch_request *request, void *data, struct error *err);
	void *data;

	/* Results. */
	enum fetch_state state;
	char *url; /* the one of `urls` that served it; owned by the request */
	struct digest got; /* computed while it arrived, of `digest.kind` or SHA-256 */
	uint64_t received; /* bytes that came over the network */
};

void fetch_request_release(struct fetch_request *request);

/*
 * Runs all requests to their end. The first one that fails on every mirror stops the run:
 * ERROR_FETCH (unreachable, 404, stalled, cut short, longer than announced or allowed) or
 * ERROR_TRUST (digest) naming the URL and what to do. ERROR_URL for a scheme that is not allowed.
 * Progress goes to the current phase of `report` (may be NULL) in bytes.
 */
int fetch_run(struct fetcher *fetcher, struct fetch_request *requests, size_t count,
	      struct report *report, struct error *err);

/* What to do about something that --offline does not find: the hint of every such error. */
extern const char fetch_offline_hint[];
