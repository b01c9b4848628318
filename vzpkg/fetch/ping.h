/* Telling a monitoring service that something has happened: one small request, whose answer is not looked at. */
#pragma once

#include "base/error.h"

/*
 * POSTs `text` (may be ""; at most 10 kB of it) to an http or https URL. `proxy` as in http.h. ERROR_URL; ERROR_FETCH if it is not
 * taken within a quarter of a minute.
 */
int ping_url(const char *url, const char *text, const char *proxy, struct error *err);
