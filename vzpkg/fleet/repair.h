/*
 * After a package manager was cut off in a VE: by the death of its run, by a time limit, by whoever stopped the VE, by its own limits.
 */
#pragma once

#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"
#include "vzpkg/fleet/redo.h"
#include "vzpkg/fleet/share.h"
#include "vzpkg/template.h"

struct repair_job {
	const struct host_config *host;
	unsigned ctid;
	const struct template *template;
	const struct redo
		*redo; /* what it had begun and not ended; NULL: nothing that is known of */
	const struct share *share; /* … whose packages it holds; else it may be NULL */
	unsigned time_limit_s; /* for all of it; 0: none */
	unsigned lock_timeout_s;
	bool skip_lock; /* the caller holds the VE's lock */
	/* It has ended now. May be NULL. */
	void (*manager)(bool ended, void *data);
	void *data;
};

struct repair_result {
	bool repaired; /* something was to be done */
	struct strvec packages; /* … to these, as far as that can be told; clean */
};

#define REPAIR_RESULT_INIT ((struct repair_result){ .packages = STRVEC_INIT })

/*
 * In a process of its own; an untouched VE stays so. dpkg says which packages are there in part: those that it was unpacking are unpacked once more, and all
 * are configured. rpm's transaction is made once more, and what it wrote of packages that it had not finished is taken out of its database before: so their scripts
 * see what they would have seen, and an earlier version that is still there is taken away. What somebody has changed since, to another version, is left
 * alone. Errors are those of apply_change().
 */
int repair_packages(const struct repair_job *job, struct repair_result *ret, struct error *err);
void repair_result_release(struct repair_result *result);
