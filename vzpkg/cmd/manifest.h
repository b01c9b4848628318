/*
 * The manifest beside a template tarball: what is in it and what it was made from. It depends on the
 * inputs alone (no clock, no resolved URL), so equal inputs give equal manifests. Schema:
 * doc/manifest.schema.json.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "image/pack.h"
#include "vzpkg/metadata/metadata.h"
#include "vzpkg/resolve/difference.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

/* The caller owns the object. `epoch` is in Unix seconds. */
json_t *manifest_make(const struct template *template, const struct metadata *metadata,
		      const struct plan *plan, const struct image_packed *image, int64_t epoch);

/*
 * A refresh of the generation before: how many there were since one was made from nothing, and which paths no package owns
 * ("refresh"). With 0 nothing is noted.
 */
void manifest_note_refresh(json_t *manifest, unsigned refreshes, const struct strvec *unowned);

/* ---- what is read of one: of another format it is 0, "" or false ------------------------------- */

unsigned manifest_refreshes(const json_t *manifest);
int64_t manifest_epoch(const json_t *manifest); /* Unix seconds */
bool manifest_has_members(const json_t *manifest); /* the tarball, many of them */
const char *manifest_gzip(const json_t *manifest); /* the tarball's SHA-256, hexadecimal */

/* Lists, scripts, keys and build format are those that it was made with. */
bool manifest_same_template(const json_t *manifest, const struct template *template);

/* false: it was built by a vzpkg that builds in another way, older or newer, from whatever lists. */
bool manifest_same_build(const json_t *manifest);

/* The repositories' signed files are those that it was made from. */
bool manifest_same_metadata(const json_t *manifest, const struct metadata *metadata);

bool manifest_same_plan(const json_t *manifest, const struct plan *plan);

/* Its packages. ERROR_TRUST if they are not listed as they should be. */
int manifest_installed(const json_t *manifest, struct installed *ret, struct error *err);

/* The paths of manifest_note_refresh(), sorted; nothing if it was made from nothing. */
void manifest_unowned(const json_t *manifest, struct strvec *ret);

/* Appends the application templates that are in it. */
void manifest_applications(const json_t *manifest, struct strvec *names);

/* One package of a plan, as manifests and `resolve --json` show it. */
json_t *manifest_package(const struct plan *plan, const struct plan_package *package);

/* The rules of which package manager its packages follow. ERROR_TRUST if it does not say; `name` is for the message. */
int manifest_format(const json_t *manifest, const char *name, enum package_format *ret,
		    struct error *err);

/* json_decref() for AUTO(). */
void manifest_release(json_t **manifest);
