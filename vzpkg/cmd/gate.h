/*
 * The gate: before a new cache is published it has to work. Its tarball is unpacked, or the tree that is packed is taken as it
 * is; a throw-away VE is made of it by vzctl, which is run as a program, in folders of its own in the build's work folder, without a network; its init has to
 * come up, its package database has to be whole and to list what the manifest lists. And its size and
 * the number of its packages must not have jumped (GATE_SIZE_CHANGE, GATE_PACKAGES_CHANGE).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "vzpkg/app.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/template.h"

/* All borrowed. */
struct gate {
	struct app *app;
	const struct template *template;
	const struct workdir *workdir;
	const struct generation_draft *draft; /* its tarball is complete, but for gate_try_tree() */
	const json_t *manifest; /* of the draft; see manifest.h */
};

/*
 * 0 if the draft may be published. Else ERROR_GATE with what is wrong with it, or what kept us from finding out; nothing
 * of the VE is left. Writes into the draft's folder what the next gate wants to know of this one (NAME.gate.json).
 */
int gate_run(const struct gate *gate, struct error *err);

/*
 * The same in two parts: the VE first, while the tarball is still being packed. It is made of `tree`, a folder in the work folder, which is
 * what would be unpacked (image/settle.h), and which goes; who has it open keeps it. *ret is false if a VE cannot be made so here: then
 * the folder is where it was, and gate_run() has to do it. Afterwards the sizes, for which the manifest has to be complete.
 */
int gate_try_tree(const struct gate *gate, const char *tree, bool *ret, struct error *err);
int gate_compare(const struct gate *gate, struct error *err);

/* After gate_run(): true if the tarball was read to its end, each member's check sum was right, and the whole had the manifest's digest. */
bool gate_has_read_all(const struct gate *gate);

/* After publishing: what the gate has made its VE of becomes the layer that the next VE is made on, and the
 * next refresh. Without that it is unpacked again then, so that a failure is none of the caller's. */
int gate_keep_layer(const struct gate *gate, struct error *err);

/* Takes away the VEs of gates that were killed; before workdir_sweep(), which takes their folders. Returns how many. */
unsigned gate_sweep(const struct app *app);
