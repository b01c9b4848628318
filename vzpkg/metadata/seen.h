/*
 * What was last seen of each repository, so that nobody can give us older metadata: pm/seen/NAME,
 * "DATE SHA256 [signed]\n"; further words are of other versions of vzpkg, and are passed over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

struct seen {
	int64_t date; /* Unix seconds; 0: never seen */
	struct digest top; /* SHA-256 of the top file's text */
	bool is_signed; /* by a key of the template */
};

/* `pm` is the descriptor of TEMPLATE/pm. A damaged file counts as never seen. */
struct seen seen_read(int pm, const char *name);
int seen_write(int pm, const char *name, const struct seen *seen, struct error *err);
