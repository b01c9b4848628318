/*
 * A backup of a VE: all its files as a tarball (image/pack.h), from which a VE can be made again.
 *
 * A VE that runs goes on meanwhile. What it changes while it is read is in the tarball as it was at some moment of that;
 * files that grow, shrink or go meanwhile are counted.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/report.h"

struct ve_export {
	int tree; /* of its files: tree.h; borrowed */
	int ids; /* in whose user namespace its owners are to be seen: a process (pidfd) of the VE, or a user
		  * namespace; -1: as on disk */
	bool live; /* it runs */
	const char *target; /* path of the tarball; replaced when that is complete, and on disk */
	unsigned threads; /* 0: one for each CPU */
	struct report *report;
};

struct ve_exported {
	uint64_t bytes; /* of the tarball */
	uint64_t entries;
	uint64_t changed; /* files that grew, shrank or vanished */
	uint64_t nodes_dropped; /* device nodes and sockets */
};

/* -1: nothing of it is there, and what was at `target` before is there still. */
int ve_export(const struct ve_export *export, struct ve_exported *ret, struct error *err);
