/* What a command prints: split into lines as it comes, and its end kept. */
#pragma once

#include <stdbool.h>

#include "base/strbuf.h"

struct output {
	int fd; /* the reading end, non-blocking; owned */
	void (*line)(const char *line, void *data); /* may be NULL */
	void *data;
	struct strbuf partial; /* of a line that has not ended */
	struct strbuf kept;
};

#define OUTPUT_INIT ((struct output){ .fd = -1, .partial = STRBUF_INIT, .kept = STRBUF_INIT })

/* Reads what is there; false at the end of file. */
bool output_read(struct output *output);

/* What is there, to the end, and the last line without a newline. */
void output_finish(struct output *output);
void output_release(struct output *output);
