/*
 * Which changes of a cache's packages are security updates.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "vzpkg/app.h"

/*
 * Adds to each of `changes` (package_changes()) "security": a boolean, or null if it cannot be said; and, where its repository names them,
 * "advisories": [{"id", "severity"}], the most severe first. *known: it can be said of this template's packages at all.
 *
 * deb: what comes from a repository of security updates. rpm: what takes a package past a version that an advisory names; the
 * repositories' lists of advisories are brought, if there is a change.
 */
int security_mark(struct app *app, const struct app_plan *solved, json_t *changes, bool *known,
		  struct error *err);

/* "security", "security: RHSA-2024:1234 (Important) and 2 more", to be freed; NULL: it is none. */
char *security_note(const json_t *change);
