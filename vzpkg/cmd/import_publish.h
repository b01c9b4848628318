/*
 * Where an imported template is put: below a templates folder, whole or not at all.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/import/import.h"

struct import_place {
	char *root; /* absolute: TEMPLATE, or what stands for it */
	char *config; /* ROOT/OS/RELEASE/config */
	char *source_config; /* the old tree's own folder, where it would win over `config`; or NULL */
	bool there; /* there is one already */
};

#define IMPORT_PLACE_INIT ((struct import_place){ 0 })

/* `dir` is the tree that was read. ERROR_EXISTS if something is in the way and may not be replaced. */
int import_place_find(const char *root, const char *dir, const struct import *import, bool replace,
		      struct import_place *place, struct error *err);
void import_place_release(struct import_place *place);

/*
 * Writes it as FOLDER/OS/RELEASE/config, with links to the levels above and below it as they will be, so that FOLDER alone in front
 * of the shipped templates is what it will be for the linter.
 */
int import_stage(const struct import *import, const struct import_place *place, const char *folder,
		 struct error *err);

/* Moves what was staged in the work folder, which is below the place's root, to its place. What was there is kept: its new
 * paths are appended to `kept`. */
int import_publish(const struct import *import, const struct import_place *place,
		   const struct workdir *work, struct strvec *kept, struct error *err);
