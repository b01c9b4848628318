/*
 * Bringing the cache of one template up to date, at a cost that follows what has changed. Nothing changed: the signed files of
 * the repositories are all that is read. Packages changed: they are changed in the tree of the current generation. More than
 * that, or once in a while in any case: a build from nothing.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "vzpkg/app.h"

struct refresh_options {
	bool dry_run; /* only say what would be done */
	bool force; /* build it even if nothing has changed */
	bool clean; /* … and from nothing, whatever has to be built */
	int64_t max_age_s; /* younger caches are left alone; 0: none is */
};

/*
 * The result, which the caller owns: "template"; "status": unchanged, pinned, young, refreshed, built, would-be-refreshed,
 * would-be-built; "message": the same in words; and, if there was something to do, "changes", "reason" (of a build from
 * nothing), "seconds", and "drift". NULL with an error: the cache is what it was.
 */
json_t *refresh_template(struct app *app, const struct template *template,
			 const struct refresh_options *options, struct error *err);

/* true if such a result says that something was, or is, to be done. */
bool refresh_had_work(const json_t *row);

/* The result as lines for people. */
void refresh_print(const json_t *row, struct strbuf *text);
