/*
 * Files of an unpacked tarball against what the packages themselves say of them.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/app.h"

struct verified_tree {
	size_t files; /* whose digests were compared */
	size_t changed; /* configuration files that differ, as they may */
	struct strvec absent; /* packages that are not in the store, and could not be asked */
	struct strvec findings; /* "usr/bin/x of coreutils differs" */
};

#define VERIFIED_TREE_INIT ((struct verified_tree){ 0 })

/* `tree` is a descriptor of the folder. Packages are found by their digests in the package store. */
int verify_tree(struct app *app, const json_t *manifest, enum package_format format, int tree,
		struct verified_tree *ret, struct error *err);
void verified_tree_release(struct verified_tree *tree);
