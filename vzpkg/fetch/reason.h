/* What a failed try was, in words. */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>

/* "not found (HTTP 404)" into `text`. */
const char *reason_of_status(long status, char *text, size_t size);

/* May another try of the same URL go better? */
bool reason_status_passes(long status);
bool reason_curl_passes(CURLcode code);

/* "the server's name cannot be resolved"; NULL if curl's own text says it best. */
const char *reason_of_curl(CURLcode code);

/* The URL without user and password. To be freed. */
char *reason_url(const char *url);
