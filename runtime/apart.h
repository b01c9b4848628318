/*
 * Something that is done in a process of its own, since it takes other namespaces or another identity, which ours is not to have
 * afterwards. The process is a copy of the caller, ends with it, and nobody can look into it.
 */
#pragma once

#include "base/error.h"
#include "base/strbuf.h"

/* At most so many bytes can be said. */
enum { APART_SAID_MAX = 16384 };

/* Returns a descriptor or -1 with *err. What it appends to `said` arrives in the caller's. */
typedef int apart_open_function(const void *data, struct strbuf *said, struct error *err);

/* The descriptor is the caller's. `said` may be NULL. */
int apart_open(apart_open_function *function, const void *data, struct strbuf *said,
	       struct error *err);

/* The same without a descriptor: 0 or -1. */
typedef int apart_function(const void *data, struct error *err);
int apart_do(apart_function *function, const void *data, struct error *err);
