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
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

/* The caller owns the object. `epoch` is in Unix seconds. */
json_t *manifest_make(const struct template *template, const struct metadata *metadata,
		      const struct plan *plan, const struct image_packed *image, int64_t epoch);

/* One package of a plan, as manifests and `resolve --json` show it. */
json_t *manifest_package(const struct plan *plan, const struct plan_package *package);

/* The rules of which package manager its packages follow. ERROR_TRUST if it does not say; `name` is for the message. */
int manifest_format(const json_t *manifest, const char *name, enum package_format *ret,
		    struct error *err);

/* json_decref() for AUTO(). */
void manifest_release(json_t **manifest);
