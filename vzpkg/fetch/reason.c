#include "vzpkg/fetch/reason.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static const struct {
	long status;
	bool passes; /* may be over in a moment */
	const char *words;
} statuses[] = {
	{ 400, false, "the server does not understand the request" },
	{ 401, false, "the server wants a password" },
	{ 403, false, "access is forbidden" },
	{ 404, false, "not found" },
	{ 407, false, "the proxy wants a password" },
	{ 408, true, "the server waited too long for the request" },
	{ 410, false, "gone" },
	{ 416, false, "the server has no such range" },
	{ 429, true, "too many requests" },
	{ 451, false, "withheld for legal reasons" },
	{ 500, true, "the server failed" },
	{ 502, true, "a server behind the server failed" },
	{ 503, true, "the server is not available now" },
	{ 504, true, "a server behind the server does not answer" },
};

static const struct {
	CURLcode code;
	bool passes;
	const char *words; /* NULL: curl's text */
} failures[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, true, "the proxy's name cannot be resolved" },
	{ CURLE_COULDNT_RESOLVE_HOST, true, "the server's name cannot be resolved" },
	{ CURLE_COULDNT_CONNECT, true, "no connection" },
	{ CURLE_WEIRD_SERVER_REPLY, true, "the answer is not HTTP" },
	{ CURLE_HTTP2, true, NULL },
	{ CURLE_PARTIAL_FILE, true, NULL },
	{ CURLE_OPERATION_TIMEDOUT, true, NULL },
	{ CURLE_SSL_CONNECT_ERROR, true, "no TLS connection" },
	{ CURLE_GOT_NOTHING, true, "the server closed the connection without an answer" },
	{ CURLE_SEND_ERROR, true, "the connection broke" },
	{ CURLE_RECV_ERROR, true, "the connection broke" },
	{ CURLE_HTTP2_STREAM, true, NULL },
	{ CURLE_TOO_MANY_REDIRECTS, false, "redirected too often" },
	{ CURLE_PEER_FAILED_VERIFICATION, false,
	  "the server's certificate is not trusted, or this host's clock is wrong" },
	{ CURLE_URL_MALFORMAT, false, "not a valid URL" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *reason_of_status(long status, char *text, size_t size)
{
	const char *words = status >= 500 ? "the server failed" : "an answer that is of no use";
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i].status == status)
			words = statuses[i].words;
	snprintf(text, size, "%s (HTTP %ld)", words, status);
	return text;
}

bool reason_status_passes(long status)
{
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].passes;
	return status >= 500;
}

bool reason_curl_passes(CURLcode code)
{
	for (size_t i = 0; i < COUNT(failures); i++)
		if (failures[i].code == code)
			return failures[i].passes;
	return false;
}

const char *reason_of_curl(CURLcode code)
{
	for (size_t i = 0; i < COUNT(failures); i++)
		if (failures[i].code == code)
			return failures[i].words;
	return NULL;
}

char *reason_url(const char *url)
{
	const char *host = strstr(url, "://");
	if (!host)
		return xstrdup(url);
	host += 3;
	size_t length = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', length);
	if (!at)
		return xstrdup(url);
	return xasprintf("%.*s%s", (int)(host - url), url, at + 1);
}
