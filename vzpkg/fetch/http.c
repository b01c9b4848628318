#include "vzpkg/fetch/http.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <sys/param.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "vzpkg/fetch/reason.h"
#include "vzpkg/fetch/transfer.h"

enum { REPORT_MS = 50, POLL_MAX_MS = 500 };

struct fetcher {
	CURLM *multi; /* holds the connections from one run to the next */
	struct fetch_options options; /* owns its strings */
	struct origins origins;
};

struct run {
	struct fetcher *fetcher;
	struct fetch_request *requests;
	size_t count, begun;
	struct transfer *slots; /* options.parallel of them */
	size_t running;
	struct report *report;
	uint64_t done_bytes, reported_ms;
};

/* ---- the fetcher ---- */

static void set_defaults(struct fetch_options *options)
{
	options->parallel = options->parallel ? options->parallel : 8;
	options->retries = options->retries ? options->retries : 3;
	options->connect_timeout_s = options->connect_timeout_s ? options->connect_timeout_s : 15;
	options->stall_timeout_s = options->stall_timeout_s ? options->stall_timeout_s : 30;
	options->proxy = xstrdup_or_null(options->proxy);
	options->user_agent = xstrdup(options->user_agent ? options->user_agent : "vzpkg/" VERSION);
}

struct fetcher *fetcher_new(const struct fetch_options *options, struct error *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		error_set(err, ERROR_SYSTEM, "starting libcurl");
		return NULL;
	}
	struct fetcher *fetcher = xcalloc(1, sizeof(*fetcher));
	fetcher->options = *options;
	set_defaults(&fetcher->options);
	fetcher->multi = curl_multi_init();
	if (!fetcher->multi) {
		error_set(err, ERROR_SYSTEM, "starting libcurl");
		fetcher_free(fetcher);
		return NULL;
	}
	curl_multi_setopt(fetcher->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	curl_multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS,
			  (long)fetcher->options.parallel * 2);
	return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
	if (!fetcher)
		return;
	curl_multi_cleanup(fetcher->multi);
	origins_release(&fetcher->origins);
	free((char *)fetcher->options.proxy);
	free((char *)fetcher->options.user_agent);
	free(fetcher);
	curl_global_cleanup();
}

void fetcher_freep(struct fetcher **fetcher)
{
	fetcher_free(*fetcher);
	*fetcher = NULL;
}

void fetch_request_release(struct fetch_request *request)
{
	strvec_release(&request->urls);
	free(steal_ptr(request->url));
}

/* ---- before it begins ---- */

static bool scheme_allowed(const char *url)
{
	return !strncasecmp(url, "http://", 7) || !strncasecmp(url, "https://", 8) ||
	       !strncasecmp(url, "file://", 7);
}

static int check_urls(const struct fetch_request *request, struct error *err)
{
	for (size_t i = 0; i < request->urls.count; i++) {
		const char *url = request->urls.items[i];
		if (scheme_allowed(url))
			continue;
		autofree char *shown = reason_url(url);
		error_set(err, ERROR_URL, "fetching %s: %s is not a http, https or file address",
			  request_title(request), shown);
		error_subject(err, "%s", shown);
		return error_hint(err, "correct the repository's address");
	}
	return 0;
}

static int check(const struct fetch_request *request, struct error *err)
{
	if (!request->urls.count)
		return error_set(err, ERROR_URL, "fetching %s: it has no address",
				 request_title(request));
	if (!request_limit(request))
		return error_set(err, ERROR_INTERNAL, "fetching %s: without a size limit",
				 request_title(request));
	if (request->size_limit && request->size > request->size_limit)
		return error_set(
			err, ERROR_FETCH,
			"fetching %s: it has %llu bytes, more than the %llu that are allowed",
			request_title(request), (unsigned long long)request->size,
			(unsigned long long)request->size_limit);
	return check_urls(request, err);
}

static void reset_results(struct fetch_request *request)
{
	request->state = FETCH_WAITING;
	free(steal_ptr(request->url));
	request->got = DIGEST_INIT;
	request->received = 0;
}

static int prepare(struct run *run, struct error *err)
{
	uint64_t total = 0;
	bool all_known = true;
	for (size_t i = 0; i < run->count; i++) {
		if (check(&run->requests[i], err) < 0)
			return -1;
		reset_results(&run->requests[i]);
		total += run->requests[i].size;
		all_known = all_known && run->requests[i].size;
	}
	if (run->report && all_known && run->count)
		report_total(run->report, total);
	return 0;
}

/* ---- one step ---- */

/* All transfers together must not exceed the limit. */
static void share_rate(const struct run *run)
{
	uint64_t limit = run->fetcher->options.rate_limit;
	if (!limit || !run->running)
		return;
	curl_off_t share = (curl_off_t)MAX(limit / run->running, 1);
	for (size_t i = 0; i < run->fetcher->options.parallel; i++)
		if (run->slots[i].running)
			curl_easy_setopt(run->slots[i].easy, CURLOPT_MAX_RECV_SPEED_LARGE, share);
}

static void stop(struct run *run, struct transfer *slot)
{
	if (!slot->running)
		return;
	curl_multi_remove_handle(run->fetcher->multi, slot->easy);
	slot->running = false;
	run->running--;
	share_rate(run);
}

static int start(struct run *run, struct transfer *slot, struct error *err)
{
	if (transfer_try(slot, err) < 0)
		return -1;
	CURLMcode code = curl_multi_add_handle(run->fetcher->multi, slot->easy);
	if (code != CURLM_OK)
		return error_set(err, ERROR_SYSTEM, "fetching %s: %s", request_title(slot->request),
				 curl_multi_strerror(code));
	slot->running = true;
	run->running++;
	share_rate(run);
	return 0;
}

static int finish(struct run *run, struct transfer *slot, struct error *err)
{
	struct fetch_request *request = slot->request;
	transfer_end(slot);
	run->done_bytes += request->size ? request->size : request->received;
	if (request->state == FETCH_MISSING || !request->done)
		return 0;
	return request->done(request, request->data, err);
}

static int settle(struct run *run, struct transfer *slot, enum verdict verdict, struct error *why,
		  struct error *err)
{
	stop(run, slot);
	int ended = transfer_settle(slot, verdict, why, err);
	return ended > 0 ? finish(run, slot, err) : ended;
}

static int begin_next(struct run *run, struct transfer *slot, struct error *err)
{
	struct fetch_request *request = &run->requests[run->begun++];
	if (!slot->easy)
		slot->easy = curl_easy_init();
	if (!slot->easy)
		return error_set(err, ERROR_SYSTEM, "starting libcurl");
	slot->options = &run->fetcher->options;
	slot->origins = &run->fetcher->origins;
	int ended = transfer_begin(slot, request, err);
	return ended > 0 ? finish(run, slot, err) : ended;
}

static int fill_slots(struct run *run, struct error *err)
{
	for (size_t i = 0; i < run->fetcher->options.parallel; i++) {
		struct transfer *slot = &run->slots[i];
		while (!slot->request && run->begun < run->count)
			if (begin_next(run, slot, err) < 0)
				return -1;
		if (slot->request && !slot->running && slot->wake_ms <= fetch_now_ms() &&
		    start(run, slot, err) < 0)
			return -1;
	}
	return 0;
}

static int collect(struct run *run, struct error *err)
{
	int left;
	CURLMsg *message;
	while ((message = curl_multi_info_read(run->fetcher->multi, &left))) {
		struct transfer *slot = NULL;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
		AUTO(error_clear) struct error why = ERROR_INIT;
		enum verdict verdict = transfer_judge(slot, code, &why);
		if (settle(run, slot, verdict, &why, err) < 0)
			return -1;
	}
	return 0;
}

static int drop_stalled(struct run *run, uint64_t now_ms, struct error *err)
{
	for (size_t i = 0; i < run->fetcher->options.parallel; i++) {
		struct transfer *slot = &run->slots[i];
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (slot->running && transfer_stalled(slot, now_ms, &why) &&
		    settle(run, slot, VERDICT_RETRY, &why, err) < 0)
			return -1;
	}
	return 0;
}

static void report_bytes(struct run *run)
{
	uint64_t now = fetch_now_ms(), bytes = run->done_bytes;
	if (!run->report || now < run->reported_ms + REPORT_MS)
		return;
	const char *item = NULL;
	for (size_t i = 0; i < run->fetcher->options.parallel; i++) {
		const struct transfer *slot = &run->slots[i];
		if (!slot->request)
			continue;
		bytes += slot->part.length;
		item = item ? item : request_title(slot->request);
	}
	run->reported_ms = now;
	report_progress(run->report, bytes, item);
}

static bool busy(const struct run *run)
{
	for (size_t i = 0; i < run->fetcher->options.parallel; i++)
		if (run->slots[i].request)
			return true;
	return run->begun < run->count;
}

/* A slot that has just become free is filled at once: the others' sockets may have nothing to say. */
static int patience_ms(const struct run *run)
{
	uint64_t now = fetch_now_ms(), wait = POLL_MAX_MS;
	for (size_t i = 0; i < run->fetcher->options.parallel; i++) {
		const struct transfer *slot = &run->slots[i];
		if (!slot->request && run->begun < run->count)
			return 0;
		if (!slot->request || slot->running)
			continue;
		wait = slot->wake_ms <= now ? 0 : MIN(wait, slot->wake_ms - now);
	}
	return (int)wait;
}

static void wait_for_more(struct run *run)
{
	struct curl_waitfd interrupt = { .fd = interrupt_fd(), .events = CURL_WAIT_POLLIN };
	curl_multi_poll(run->fetcher->multi, &interrupt, interrupt.fd >= 0 ? 1 : 0,
			patience_ms(run), NULL);
}

static int step(struct run *run, struct error *err)
{
	/* Taken before the bytes are: a long done() must not look like a stall. */
	uint64_t now = fetch_now_ms();
	int going;
	CURLMcode code = curl_multi_perform(run->fetcher->multi, &going);
	if (code != CURLM_OK)
		return error_set(err, ERROR_SYSTEM, "fetching: %s", curl_multi_strerror(code));
	if (collect(run, err) < 0 || drop_stalled(run, now, err) < 0)
		return -1;
	report_bytes(run);
	return 0;
}

static int work(struct run *run, struct error *err)
{
	for (;;) {
		if (interrupt_check(err) < 0 || fill_slots(run, err) < 0)
			return -1;
		if (!busy(run))
			return 0;
		if (step(run, err) < 0)
			return -1;
		if (busy(run))
			wait_for_more(run);
	}
}

static void free_slots(struct run *run)
{
	for (size_t i = 0; i < run->fetcher->options.parallel; i++) {
		stop(run, &run->slots[i]);
		transfer_end(&run->slots[i]);
		curl_easy_cleanup(run->slots[i].easy);
	}
	free(run->slots);
}

int fetch_run(struct fetcher *fetcher, struct fetch_request *requests, size_t count,
	      struct report *report, struct error *err)
{
	struct run run = {
		.fetcher = fetcher, .requests = requests, .count = count, .report = report
	};
	if (prepare(&run, err) < 0)
		return -1;
	run.slots = xcalloc(fetcher->options.parallel, sizeof(*run.slots));
	for (size_t i = 0; i < fetcher->options.parallel; i++)
		run.slots[i].part = PART_INIT;
	int status = work(&run, err);
	free_slots(&run);
	if (status == 0 && report && count)
		report_progress(report, run.done_bytes, NULL);
	return status;
}

const char fetch_offline_hint[] =
	"run it once without --offline (\"vzpkg fetch TEMPLATE\" downloads all and builds "
	"nothing), or "
	"bring it from a host that has a network: \"vzpkg bundle TEMPLATE\"";
