/*
 * dpkg's database in a tree that is being built, in the form that the guest's dpkg writes: status,
 * info/, triggers/ (dpkg's doc/spec and lib/dpkg; deb-triggers(5)). The guest's dpkg reads it next.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "vzpkg/install/deb_unpack.h"
#include "vzpkg/resolve/plan.h"

struct dpkg_database {
	int tree; /* borrowed */
	int dpkg; /* var/lib/dpkg */
	int info; /* var/lib/dpkg/info */
	int triggers; /* var/lib/dpkg/triggers */
	bool multi_arch;
};

#define DPKG_DATABASE_INIT \
	((struct dpkg_database){ .tree = -1, .dpkg = -1, .info = -1, .triggers = -1 })

/* Makes its folders if they are not there. `multi_arch`: the guest's dpkg knows of it (1.16.2 on). */
int dpkg_database_open(struct dpkg_database *database, int tree, bool multi_arch,
		       struct error *err);
void dpkg_database_release(struct dpkg_database *database);

/* Adds packages as "install ok unpacked" to the status file, and what they are interested in to
 * triggers/. No dpkg may be running. */
int dpkg_database_add(struct dpkg_database *database, const struct unpacked *const *packages,
		      size_t count, struct error *err);

/* Activates the file triggers that unpacked paths set off; the next dpkg run handles them. */
int dpkg_database_activate(struct dpkg_database *database, const struct unpacked *const *packages,
			   size_t count, struct error *err);

/* Takes a path out of a package's list: another package's file has replaced it. */
int dpkg_database_unlist(struct dpkg_database *database, const char *info_name, const char *path,
			 struct error *err);

/* Where the database that the tree has now and the plan, all of it installed, differ: appended as "NAME (STATE)" a
 * word. */
int dpkg_database_compare(const struct dpkg_database *database, const struct plan *plan,
			  struct strbuf *text, struct error *err);

/* Marks the plan's automatic packages in apt's extended_states, if apt is there. `arch` is the packager's
 * word for the system's architecture. */
int apt_mark_automatic(int tree, const struct plan *plan, const char *arch, struct error *err);
