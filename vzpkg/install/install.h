/*
 * Applies a plan inside a temporary VE: packages from the store become the tree of a new template, or an earlier
 * template's tree is changed to what the plan says.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/fetch/package_signature.h"
#include "vzpkg/resolve/difference.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

struct install_job {
	const struct template *template;
	const struct plan *plan;
	struct store *store;
	const struct package_keys *keys; /* rpm: what the packages are verified with once more */
	int64_t newest; /* rpm: the newest file time in the plan's packages, Unix seconds */
	const struct host_config *host;
	struct report *report;
	int tree; /* owned by root, mode 0755; empty unless there is a difference */
	/* NULL: the tree is empty. Else it is what `installed` of the difference says. */
	const struct difference *difference;
	int64_t before_epoch; /* with a difference: of the tree, Unix seconds; no file in it is newer */
	/* With a difference: an empty folder of the host on the store's file system or another, in which the package
	 * files are shown to the VE. */
	const char *packages;
	unsigned jobs; /* unpacking processes at a time */
	unsigned time_limit_s; /* of one script or package manager run; 0: 1800 */
	unsigned processes_max; /* at a time in the VE; 0: as of ve_spec */
	uint64_t memory_max; /* bytes, of the VE; 0: as of ve_spec */
	int64_t *ret_epoch; /* the newest file time in the plan's packages, Unix seconds */

	struct strvec *ret_unowned; /* sorted paths of what no package owns; see ownership.h */

	/* Called when packages have been unpacked and their configuration begins: most of what is
	 * in the tree now will stay as it is. `epoch` is as above, of the packages so far. May be NULL. */
	void (*unpacked)(int64_t epoch, void *data);
	/* Called instead where unpacking and configuring take turns: before the first package. May be NULL. */
	void (*unpacking)(int64_t epoch, void *data);
	void *data;
};

/*
 * ERROR_INSTALL names the package and shows the end of what its script printed; ERROR_TIME_LIMIT if
 * it hung; ERROR_TRUST for a package that is not what signed metadata says; ERROR_GATE if the tree that was changed is not what
 * its packages say. The tree is then of no use; nothing else is left.
 */
int install_apply(const struct install_job *job, struct error *err);
