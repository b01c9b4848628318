/*
 * The packages of a manifest in the form of a plan, so that their files can be found in the package store and their digest compared with that
 * of other plans. Nothing is known of where they came from.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

/* To be freed. ERROR_TRUST if they are not listed as they should be. */
int manifest_plan(const json_t *manifest, enum package_format format, struct plan **ret,
		  struct error *err);
