/*
 * From what is installed in a VE to what is wished for, with as few changes as can be.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/difference.h"
#include "vzpkg/resolve/plan.h"

enum change_verb {
	CHANGE_INSTALL, /* what is wished for is there afterwards; what is there already stays as it is */
	CHANGE_UPDATE, /* to the newest versions; nothing is removed but what a newer package takes the place of (rpm: Obsoletes) */
	CHANGE_ERASE, /* what is wished for is not there afterwards; nothing is added */
};

struct change_request {
	enum change_verb verb;
	const struct strvec
		*wishes; /* vzpkg/resolve/wish.h; empty for CHANGE_UPDATE: all packages */
	bool recommends; /* of packages that are new, follow Recommends */
	bool dependants; /* CHANGE_ERASE: what needs it goes too; otherwise that is ERROR_UNSATISFIABLE, naming who needs it */
	bool unneeded; /* CHANGE_ERASE: dependencies of what goes that nothing needs any more go too */
	bool local; /* CHANGE_INSTALL, CHANGE_UPDATE: not the wishes, but just the packages of pool->local; with CHANGE_UPDATE, where one of the name is installed */
	bool only_if_installed; /* CHANGE_UPDATE and CHANGE_ERASE: names of what is not installed are passed over */
};

/* What is to be told besides. */
struct change_notes {
	struct strvec
		asked; /* names: wished for, and installed already, but marked as automatic: to be marked as asked for */
	struct strvec
		kept; /* "NAME: WHY": there is a newer version, or nothing needs it any more, and it stays as it is */
};

#define CHANGE_NOTES_INIT ((struct change_notes){ 0 })

/*
 * The plan has the packages to be added or replaced, the difference every change with its `before`, which is borrowed from `set`. What is asked
 * for by name is not `automatic`; what is replaced is what it was. Nothing to do: an empty difference. `notes` may be NULL.
 *
 * Nothing that is installed is removed, or gets an earlier version, to make an installation or an update possible: that, and what cannot be for other reasons, is
 * ERROR_UNSATISFIABLE with every problem in words, a line each, and what would help. The pool may be used again, with other sets.
 */
int resolve_change(struct package_pool *pool, const struct installed_set *set,
		   const struct change_request *request, struct plan **ret_plan,
		   struct difference *ret_difference, struct change_notes *notes,
		   struct error *err);

void change_notes_release(struct change_notes *notes);
