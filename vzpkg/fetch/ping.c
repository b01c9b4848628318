#include "vzpkg/fetch/ping.h"

#include <curl/curl.h>
#include <string.h>

enum { TIMEOUT_S = 15, CONNECT_TIMEOUT_S = 5, TEXT_MAX = 10000, REDIRECTS = 3 };

static size_t drop(char *data, size_t size, size_t count, void *to)
{
	(void)data;
	(void)to;
	return size * count;
}

static void set_options(CURL *curl, const char *url, const char *text, const char *proxy,
			char *reason)
{
	size_t length = strlen(text);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE,
			 (long)(length < TEXT_MAX ? length : TEXT_MAX));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "vzpkg/" VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
	if (proxy)
		curl_easy_setopt(curl, CURLOPT_PROXY, proxy);
}

int ping_url(const char *url, const char *text, const char *proxy, struct error *err)
{
	char reason[CURL_ERROR_SIZE] = "";
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return error_set(err, ERROR_URL, "%s is no http or https address", url);
	CURL *curl = curl_easy_init();
	if (!curl)
		return error_set(err, ERROR_SYSTEM, "libcurl cannot be set up");
	set_options(curl, url, text, proxy, reason);
	CURLcode code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	if (code == CURLE_OK)
		return 0;
	return error_set(err, ERROR_FETCH, "%s: %s", url,
			 *reason ? reason : curl_easy_strerror(code));
}
