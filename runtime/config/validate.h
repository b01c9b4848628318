/* Looking a CTID.conf or a sample over: every mistake, not the first alone. */
#pragma once

#include <stddef.h>

enum finding_level {
	FINDING_ERROR, /* a VE with it does not start */
	FINDING_WARNING, /* resources that do not fit each other */
	FINDING_RECOMMENDATION,
	FINDING_LEVELS
};

/* "line" counts from 1; 0: of the file as a whole. The message names the key and the value. */
typedef void finding_fn(enum finding_level level, unsigned line, const char *message, void *data);

/* Calls `found` for each, in the order of what is checked. `name` is that of the file. */
void validate(const char *name, const char *text, size_t length, finding_fn *found, void *data);
