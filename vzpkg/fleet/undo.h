/*
 * Taking a VE back to what it was when a change of its packages has failed, if that was asked for. A VE that is stopped is what it was, to the byte. In one that
 * runs nobody can tell what is the change's and what is its services'; so its package manager is told to bring the earlier packages
 * back, as far as their files are to be had, and configuration files get their contents again. Inside of fleet/ only.
 */
#pragma once

#include "vzpkg/fleet/applier.h"

struct undo {
	bool saved; /* a stopped one */
};

#define UNDO_INIT ((struct undo){ 0 })

/* Before anything is changed. */
int undo_prepare(struct applier *applier, struct undo *undo, struct error *err);

/* After a failure, which *err says. Returns -1 with the same error; what has become of the VE is said in the result. */
int undo_change(struct applier *applier, struct undo *undo, struct error *err);

/* After a success. */
int undo_forget(struct applier *applier, struct undo *undo, struct error *err);

void undo_release(struct undo *undo);
