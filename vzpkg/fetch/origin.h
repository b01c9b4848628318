/* Which servers gave trouble lately, so that hundreds of requests do not wait for the same dead
 * mirror one after the other. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct origins {
	char **failing; /* "http://host:port" */
	size_t count, capacity;
};

bool origins_failing(const struct origins *origins, const char *url);
void origins_note(struct origins *origins, const char *url, bool failing);
void origins_release(struct origins *origins);
