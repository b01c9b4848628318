/*
 * Applies a plan: packages from the store become the tree of a new template, installed inside a
 * temporary VE.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/fetch/package_signature.h"
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
	int tree; /* an empty folder, owned by root, mode 0755 */
	unsigned jobs; /* unpacking processes at a time */
	unsigned time_limit_s; /* of one script or package manager run; 0: 1800 */
	unsigned processes_max; /* at a time in the VE; 0: as of ve_spec */
	uint64_t memory_max; /* bytes, of the VE; 0: as of ve_spec */
	int64_t *ret_epoch; /* the newest file time in the plan's packages, Unix seconds */

	/* Called when packages have been unpacked and their configuration begins: most of what is
	 * in the tree now will stay as it is. `epoch` is as above, of the packages so far. May be NULL. */
	void (*unpacked)(int64_t epoch, void *data);
	void *data;
};

/*
 * ERROR_INSTALL names the package and shows the end of what its script printed; ERROR_TIME_LIMIT if
 * it hung; ERROR_TRUST for a package that is not what signed metadata says. The tree is then of no
 * use; nothing else is left.
 */
int install_apply(const struct install_job *job, struct error *err);
