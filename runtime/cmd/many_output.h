/* What commands print in several VEs, kept apart: whole lines, each with its VE's number, as they come; or all of it, for a record. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/report.h"
#include "base/strbuf.h"

struct many_output {
	unsigned ctid;
	bool prefix; /* each line begins with the number */
	bool keep; /* nothing is printed */
	struct strbuf line; /* that has not ended yet */
	struct strbuf kept;
	bool cut; /* there was more than is kept */
};

#define MANY_OUTPUT_INIT ((struct many_output){ .line = STRBUF_INIT, .kept = STRBUF_INIT })

/* `errors`: it is for standard error. */
void many_output_add(struct many_output *output, struct report *report, bool errors,
		     const char *bytes, size_t size);

/* A last line that has no end gets one. */
void many_output_end(struct many_output *output, struct report *report, bool errors);

/* What was kept, as valid text. */
json_t *many_output_json(const struct many_output *output);
void many_output_release(struct many_output *output);
