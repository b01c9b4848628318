/* One try of one URL: what curl is told, what it calls back, and what the outcome means. */
#include "vzpkg/fetch/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/fetch/reason.h"

#define HINT_NETWORK "check the network, the proxy settings and the mirror's address"
#define HINT_ADDRESS "check the repository's address and the mirror"
#define HINT_CONTENT                                                                               \
	"the mirror may be in the middle of an update or out of date: try again later, or choose " \
	"another mirror"

enum {
	REDIRECTS = 5,
	BUFFER = 256 * 1024,
	BUFFER_MIN = 1024, /* curl's own least */
	IGNORED_MAX = 64 * 1024, /* of the body of an error page */
	ETAG_MAX = 1024,
	SLOWEST =
		128, /* bytes a second; slower than this for two stall times is as good as stalled */
};

static const char *url_of(const struct transfer *transfer)
{
	return transfer->request->urls.items[transfer->at];
}

static bool is_file(const char *url)
{
	return !strncasecmp(url, "file:", 5);
}

static int refuse(struct transfer *transfer, enum verdict verdict)
{
	transfer->refusal = verdict;
	return -1;
}

/* ---- what curl is told ---- */

static size_t on_body(char *data, size_t size, size_t count, void *userdata);

static const char *strong_etag(const struct validators *version)
{
	return version->etag && strncmp(version->etag, "W/", 2) != 0 ? version->etag : NULL;
}

/* With a digest any continuation is worth a try; without, only of the very version that began. */
static bool may_continue(const struct transfer *transfer)
{
	const struct validators *version = &transfer->incoming;
	if (!transfer->part.length || transfer->from_start || is_file(url_of(transfer)))
		return false;
	if (transfer->request->digest.kind != DIGEST_NONE)
		return true;
	return version->url && !strcmp(version->url, url_of(transfer)) &&
	       (strong_etag(version) || version->last_modified);
}

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
	autofree char *line = xasprintf("%s: %s", name, value);
	struct curl_slist *longer = curl_slist_append(transfer->headers, line);
	if (longer)
		transfer->headers = longer;
}

static void ask_rest(struct transfer *transfer)
{
	const struct validators *version = &transfer->incoming;
	autofree char *range = xasprintf("%" PRIu64 "-", transfer->part.length);
	curl_easy_setopt(transfer->easy, CURLOPT_RANGE, range);
	transfer->asked_from = transfer->part.length;
	if (!version->url || strcmp(version->url, url_of(transfer)) != 0)
		return;
	if (strong_etag(version))
		add_header(transfer, "If-Range", version->etag);
	else if (version->last_modified)
		add_header(transfer, "If-Range", version->last_modified);
}

static void ask_newer(struct transfer *transfer)
{
	const struct validators *current = &transfer->current;
	if (!current->url || strcmp(current->url, url_of(transfer)) != 0)
		return;
	transfer->conditional = true;
	if (current->etag)
		add_header(transfer, "If-None-Match", current->etag);
	if (current->last_modified)
		add_header(transfer, "If-Modified-Since", current->last_modified);
}

static void set_identity(const struct transfer *transfer)
{
	const struct fetch_options *options = transfer->options;
	CURL *easy = transfer->easy;
	curl_easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent);
	if (options->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, options->proxy);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,file");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Waiting for the first connection pays only where that may turn out to be HTTP/2. */
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT,
			 !strncasecmp(url_of(transfer), "https:", 6) ? 1L : 0L);
}

static void set_limits(const struct transfer *transfer)
{
	const struct fetch_options *options = transfer->options;
	CURL *easy = transfer->easy;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)options->connect_timeout_s);
	uint64_t share = options->rate_limit / options->parallel;
	if (options->rate_limit) {
		/* curl pauses after each buffer: a large one would look like a stall. */
		long buffer = share > BUFFER       ? BUFFER
			      : share < BUFFER_MIN ? BUFFER_MIN
						   : (long)share;
		curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, buffer);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)SLOWEST);
	curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)options->stall_timeout_s * 2);
}

static void set_callbacks(struct transfer *transfer)
{
	CURL *easy = transfer->easy;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
	curl_easy_setopt(easy, CURLOPT_URL, url_of(transfer));
}

static void reset(struct transfer *transfer)
{
	curl_easy_reset(transfer->easy);
	curl_slist_free_all(steal_ptr(transfer->headers));
	error_clear(&transfer->trouble);
	transfer->curl_text[0] = '\0';
	transfer->asked_from = transfer->ignored = 0;
	transfer->conditional = transfer->accepted = transfer->looked = transfer->connected = false;
	transfer->last_byte_ms = fetch_now_ms();
}

int transfer_try(struct transfer *transfer, struct error *err)
{
	reset(transfer);
	transfer->sources[transfer->at].tries++;
	set_identity(transfer);
	set_limits(transfer);
	set_callbacks(transfer);
	if (may_continue(transfer))
		ask_rest(transfer);
	else if (part_restart(&transfer->part, err) < 0)
		return error_wrap(err, "fetching %s", request_title(transfer->request));
	else
		ask_newer(transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
	return 0;
}

/* ---- what comes back ---- */

static const char *header(const struct transfer *transfer, const char *name)
{
	struct curl_header *found;
	if (curl_easy_header(transfer->easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK)
		return NULL;
	return found->value;
}

static void remember_version(struct transfer *transfer)
{
	struct validators *version = &transfer->incoming;
	const char *etag = header(transfer, "ETag");
	validators_release(version);
	version->url = xstrdup(url_of(transfer));
	if (etag && strlen(etag) <= ETAG_MAX)
		version->etag = xstrdup(etag);
	version->last_modified = xstrdup_or_null(header(transfer, "Last-Modified"));
}

static int check_total(struct transfer *transfer, uint64_t total)
{
	const struct fetch_request *request = transfer->request;
	uint64_t limit = request_limit(request);
	if (request->size && total != request->size)
		error_set(&transfer->trouble, ERROR_FETCH,
			  "the server announces %" PRIu64 " bytes, but it must have %" PRIu64,
			  total, request->size);
	else if (total > limit)
		error_set(&transfer->trouble, ERROR_FETCH,
			  "the server announces %" PRIu64 " bytes, more than the %" PRIu64
			  " that are allowed",
			  total, limit);
	else
		return 0;
	error_hint(&transfer->trouble, HINT_CONTENT);
	return refuse(transfer, VERDICT_USELESS);
}

static int check_announced(struct transfer *transfer)
{
	curl_off_t announced = -1;
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	/* A file of no bytes has nothing to announce for file://. */
	if (announced < 0 || (announced == 0 && is_file(url_of(transfer))))
		return 0;
	return check_total(transfer, transfer->part.length + (uint64_t)announced);
}

static int accept_whole(struct transfer *transfer)
{
	transfer->accepted = true;
	transfer->asked_from = 0;
	remember_version(transfer);
	if (transfer->part.length && part_restart(&transfer->part, &transfer->trouble) < 0)
		return refuse(transfer, VERDICT_FATAL);
	return check_announced(transfer);
}

/* RFC 9110, 14.4: "bytes FIRST-LAST/TOTAL". */
static bool parse_range(const char *text, uint64_t *first, uint64_t *total)
{
	uint64_t last;
	*total = 0;
	return text &&
	       sscanf(text, "bytes %" SCNu64 "-%" SCNu64 "/%" SCNu64, first, &last, total) >= 2;
}

static int accept_rest(struct transfer *transfer)
{
	uint64_t first, total;
	if (!transfer->asked_from ||
	    !parse_range(header(transfer, "Content-Range"), &first, &total) ||
	    first != transfer->part.length) {
		error_set(&transfer->trouble, ERROR_FETCH,
			  "the server sends another part of the file than was asked for");
		return refuse(transfer, VERDICT_AGAIN);
	}
	transfer->accepted = true;
	if (!transfer->incoming.url)
		remember_version(transfer);
	if (total && check_total(transfer, total) < 0)
		return -1;
	return check_announced(transfer);
}

static long status_of(const struct transfer *transfer)
{
	long status = 0;
	if (is_file(url_of(transfer)))
		return 200;
	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Once, when the body begins or, if there is none, at the end. */
static int look(struct transfer *transfer)
{
	if (transfer->looked)
		return transfer->trouble.kind ? -1 : 0;
	transfer->looked = true;
	switch (status_of(transfer)) {
	case 200:
		return accept_whole(transfer);
	case 206:
		return accept_rest(transfer);
	default:
		return 0;
	}
}

static int take(struct transfer *transfer, const char *data, size_t size)
{
	uint64_t limit = request_limit(transfer->request);
	if (size > limit - transfer->part.length) {
		error_set(&transfer->trouble, ERROR_FETCH,
			  "the server sends more than the %" PRIu64 " bytes that %s", limit,
			  transfer->request->size ? "it must have" : "are allowed");
		error_hint(&transfer->trouble, HINT_CONTENT);
		return refuse(transfer, transfer->asked_from ? VERDICT_AGAIN : VERDICT_USELESS);
	}
	if (part_append(&transfer->part, data, size, &transfer->trouble) < 0)
		return refuse(transfer, VERDICT_FATAL);
	return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata)
{
	struct transfer *transfer = userdata;
	size_t bytes = size * count;
	transfer->last_byte_ms = fetch_now_ms();
	transfer->request->received += bytes;
	if (look(transfer) < 0)
		return CURL_WRITEFUNC_ERROR;
	if (transfer->accepted)
		return take(transfer, data, bytes) < 0 ? CURL_WRITEFUNC_ERROR : bytes;
	transfer->ignored += bytes;
	return transfer->ignored > IGNORED_MAX ? CURL_WRITEFUNC_ERROR : bytes;
}

/* ---- what it means ---- */

static bool connected(struct transfer *transfer)
{
	curl_off_t ready = 0;
	if (transfer->connected)
		return true;
	curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
	if (ready > 0) {
		transfer->connected = true;
		transfer->last_byte_ms = fetch_now_ms();
	}
	return transfer->connected;
}

bool transfer_stalled(struct transfer *transfer, uint64_t now_ms, struct error *why)
{
	unsigned patience = transfer->options->stall_timeout_s;
	bool ready = connected(transfer);
	if (!ready) /* curl has its own time limit for that; this one is for what it does not see */
		patience += transfer->options->connect_timeout_s;
	if (now_ms < transfer->last_byte_ms + (uint64_t)patience * 1000)
		return false;
	error_set(why, ERROR_FETCH, "stalled: no byte came for %u s%s", patience,
		  transfer->accepted ? "" : ", not even an answer");
	error_hint(why, HINT_NETWORK);
	origins_note(transfer->origins, url_of(transfer), true);
	return true;
}

static enum verdict judge_cut(const struct transfer *transfer, struct error *why)
{
	curl_off_t announced = -1;
	curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	uint64_t whole = transfer->request->size;
	if (!whole && announced > 0)
		whole = transfer->asked_from + (uint64_t)announced;
	if (whole)
		error_set(why, ERROR_FETCH, "cut short at %" PRIu64 " of %" PRIu64 " bytes",
			  transfer->part.length, whole);
	else
		error_set(why, ERROR_FETCH, "cut short after %" PRIu64 " bytes",
			  transfer->part.length);
	error_hint(why, HINT_NETWORK);
	return VERDICT_RETRY;
}

static enum verdict judge_digest(struct transfer *transfer, struct error *why)
{
	char want[DIGEST_MAX * 2 + 1], got[DIGEST_MAX * 2 + 1];
	const struct fetch_request *request = transfer->request;
	error_set(why, ERROR_TRUST, "wrong content: its %s is %s, but must be %s",
		  digest_kind_name(request->got.kind), digest_hex(&request->got, got),
		  digest_hex(&request->digest, want));
	error_hint(why, HINT_CONTENT);
	if (transfer->asked_from)
		return VERDICT_AGAIN;
	struct error trouble = ERROR_INIT;
	if (part_restart(&transfer->part, &trouble) == 0)
		return VERDICT_USELESS;
	error_move(why, &trouble);
	return VERDICT_FATAL;
}

static enum verdict judge_content(struct transfer *transfer, struct error *why)
{
	struct fetch_request *request = transfer->request;
	if (transfer->part.length < request->size)
		return judge_cut(transfer, why);
	part_digest(&transfer->part, &request->got);
	if (request->digest.kind != DIGEST_NONE && !digest_equal(&request->got, &request->digest))
		return judge_digest(transfer, why);
	if (part_publish(&transfer->part, why) < 0)
		return VERDICT_FATAL;
	transfer->incoming.digest = request->got;
	if (request->revalidate &&
	    validators_store(&transfer->incoming, request->dirfd, request->name, why) < 0)
		return VERDICT_FATAL;
	return VERDICT_DONE;
}

static enum verdict judge_status(const struct transfer *transfer, struct error *why)
{
	char words[128];
	long status = status_of(transfer);
	if (status == 304 && transfer->conditional)
		return VERDICT_UNCHANGED;
	error_set(why, ERROR_FETCH, "%s", reason_of_status(status, words, sizeof(words)));
	error_hint(why, HINT_ADDRESS);
	if (status == 404 || status == 410)
		return VERDICT_ABSENT;
	if (status == 416)
		return VERDICT_AGAIN;
	return reason_status_passes(status) ? VERDICT_RETRY : VERDICT_USELESS;
}

static void free_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static enum verdict judge_file(const struct transfer *transfer, struct error *why)
{
	AUTO(free_url) CURLU *url = curl_url();
	char *path = NULL;
	int reason = EACCES;
	if (!curl_url_set(url, CURLUPART_URL, url_of(transfer), 0) &&
	    !curl_url_get(url, CURLUPART_PATH, &path, CURLU_URLDECODE) && access(path, R_OK) < 0)
		reason = errno;
	curl_free(path);
	bool absent = reason == ENOENT || reason == ENOTDIR;
	error_set(why, ERROR_FETCH, "%s", absent ? "not found" : strerror(reason));
	error_hint(why, "check the repository's folder");
	return absent ? VERDICT_ABSENT : VERDICT_USELESS;
}

static void describe(const struct transfer *transfer, CURLcode code, struct error *why)
{
	const char *words = reason_of_curl(code), *text = transfer->curl_text;
	if (code == CURLE_OPERATION_TIMEDOUT && transfer->connected)
		error_set(why, ERROR_FETCH, "stalled: slower than %d bytes a second for %u s",
			  SLOWEST, transfer->options->stall_timeout_s * 2);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		error_set(why, ERROR_FETCH, "no connection within %u s",
			  transfer->options->connect_timeout_s);
	else if (words && *text)
		error_set(why, ERROR_FETCH, "%s (%s)", words, text);
	else
		error_set(why, ERROR_FETCH, "%s",
			  words   ? words
			  : *text ? text
				  : curl_easy_strerror(code));
}

static enum verdict judge_failure(struct transfer *transfer, CURLcode code, struct error *why)
{
	connected(transfer);
	if (code == CURLE_FILE_COULDNT_READ_FILE)
		return judge_file(transfer, why);
	bool passes = reason_curl_passes(code);
	if (passes)
		origins_note(transfer->origins, url_of(transfer), true);
	if (passes && transfer->accepted && code != CURLE_OPERATION_TIMEDOUT)
		return judge_cut(transfer, why);
	describe(transfer, code, why);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		error_hint(why, "install ca-certificates, check the clock, or use http: what is "
				"fetched is verified by signatures");
	error_hint(why, HINT_NETWORK);
	return passes ? VERDICT_RETRY : VERDICT_USELESS;
}

enum verdict transfer_judge(struct transfer *transfer, CURLcode code, struct error *why)
{
	const struct fetch_request *request = transfer->request;
	if (code == CURLE_OK)
		look(transfer);
	if (transfer->trouble.kind) {
		error_move(why, &transfer->trouble);
		return transfer->refusal;
	}
	if (transfer->looked && !transfer->accepted)
		return judge_status(transfer, why);
	bool whole = transfer->accepted && request->size && transfer->part.length == request->size;
	if (code != CURLE_OK && !whole)
		return judge_failure(transfer, code, why);
	origins_note(transfer->origins, url_of(transfer), false);
	return judge_content(transfer, why);
}
