/*
 * Whether a build is reproducible: the same is built again by a vzpkg of its own, under conditions of which nothing
 * must depend, and what differs is named with its cause.
 */
#pragma once

#include <jansson.h>

#include "vzpkg/cmd/cache_build.h"

/*
 * Compares with the tarball in build->draft, which is packed and not published. ERROR_GATE if there is a difference; then *ret is an
 * object that lists all of them, for the caller to own.
 */
int cache_build_again(struct cache_build *build, json_t **ret, struct error *err);
