/*
 * Taking a VE back to what it was when a change of its packages has failed, if that was asked for. A VE that is stopped is what it was, to the byte. In one that
 * runs nobody can tell what is the change's and what is its services'; so its package manager is told to bring the earlier packages
 * back, as far as their files are at hand, and configuration files get their contents again. Inside of fleet/ only.
 */
#pragma once

#include "vzpkg/fleet/applier.h"
#include "vzpkg/fleet/undo_files.h"

struct undo {
	bool saved; /* a stopped one */
	struct undo_files files; /* of one that runs */
	struct strvec before; /* … its packages, as undo_look() lists them */
};

#define UNDO_INIT ((struct undo){ .files = UNDO_FILES_INIT })

/* Before anything of it is looked at: a VE that is stopped is saved. */
int undo_prepare(struct applier *applier, struct undo *undo, struct error *err);

/* Before anything is changed: the configuration files of one that runs. */
int undo_save_files(struct applier *applier, struct undo *undo, struct error *err);

/* After a failure, which *err says. Returns -1 with the same error; what has become of the VE is said in the result. */
int undo_change(struct applier *applier, struct undo *undo, struct error *err);

/* After a success. */
int undo_forget(struct applier *applier, struct undo *undo, struct error *err);

void undo_release(struct undo *undo);
