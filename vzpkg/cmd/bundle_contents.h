/*
 * A bundle that was unpacked, before anything of it is believed: cmd/bundle.h says what is in one.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"

struct bundle_contents {
	char *template; /* its name, which can stand in a path */
	struct strvec repositories; /* their lines */
	bool locked; /* it was made by a lock file */
	bool has_cache;
};

#define BUNDLE_CONTENTS_INIT ((struct bundle_contents){ .repositories = STRVEC_INIT })

/*
 * Reads bundle.json in the folder, of which from then on nothing leads anywhere else, and all of it is root's alone to write. `file` is what
 * was unpacked, for messages. ERROR_PARSE if it is no bundle, or one of a newer vzpkg.
 */
int bundle_contents_read(int folder, const char *file, struct bundle_contents *ret,
			 struct error *err);
void bundle_contents_release(struct bundle_contents *contents);
