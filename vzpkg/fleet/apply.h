/*
 * A change of one VE's packages, made by its own dpkg or rpm inside its own namespaces: running or stopped. Everything of the VE is hostile, also what its
 * package manager prints and how it ends.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"
#include "vzpkg/fleet/share.h"
#include "vzpkg/resolve/difference.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

struct installed_set;

/* Of an application template, to be run in the VE with the template's environment. */
struct application_script {
	const char *
		name; /* "mysql/post-install", for messages; its last part is what the script sees as its own */
	const char *path; /* on the host */
};

/* What is being done in a VE. */
enum apply_phase {
	APPLY_WAITING, /* for those who have its locks */
	APPLY_LOOKING, /* at what it has, and saving it for a rollback */
	APPLY_SCRIPTS, /* of applications */
	APPLY_CHANGING, /* its package manager is at work */
	APPLY_CHECKING,
	APPLY_UNDOING,
	APPLY_PHASES
};

struct apply_job {
	const struct host_config *host;
	unsigned ctid;
	const struct template *template;
	const struct plan *plan; /* what is added or replaced */
	const struct difference *difference;
	const struct share *share; /* holds the plan's packages; may be NULL if there are none */
	const struct installed_set *expected; /* what the difference starts from */
	const struct strvec
		*asked; /* names of what is installed already and is now asked for; may be NULL */
	const struct application_script *before, *after; /* of the packages' change */
	size_t before_count, after_count;
	bool erase_config; /* what is removed loses its configuration files too */
	unsigned time_limit_s; /* for all of it; 0: none */
	unsigned lock_timeout_s; /* for locks of others: vzctl, another vzpkg, the VE's own apt */
	bool skip_lock; /* the caller holds the VE's lock */
	bool rollback; /* after a failure the VE is taken back to what it was (undo.h) */
	const struct plan_package *const
		*former; /* for that: of what is replaced or removed, those that the share holds */
	size_t former_count;
	atomic_int
		*phase; /* written for whoever watches, perhaps in another process; may be NULL */

	/* Its package manager begins, or has come to its end: in between it may be half done (repair.h). May be NULL. */
	void (*manager)(bool ended, void *data);
	/* What package managers and scripts print, a line at a time, as they print it: not clean (base/text.h). May be NULL. */
	void (*line)(const char *line, void *data);
	void *data;
};

struct apply_result {
	bool ran; /* the VE was running */
	bool changed; /* something may have been changed, also after a failure */
	unsigned commands; /* programs that were started in it */
	struct strvec
		restart; /* services, or else programs, that still use replaced files: "nginx.service"; sorted, clean */
	struct strvec
		unfinished; /* after a failure: packages that are not configured, as far as the package manager named them; clean */
	bool half_done; /* after a failure: its package manager was cut off, and has not been taken back */
	bool undone; /* after a failure: the VE is what it was before */
	struct strvec not_undone; /* … or what of it is not; clean */
	char *output; /* the end of what was printed; clean; may be NULL */
};

#define APPLY_RESULT_INIT ((struct apply_result){ 0 })

/*
 * In a process of its own. *ret is filled in after a failure too. ERROR_CHANGED: its packages are not those that were expected, nothing was done.
 * ERROR_LOCKED: its own package manager is at work. ERROR_NO_SPACE: it is full. ERROR_TIME_LIMIT names the package that was at work. ERROR_INSTALL: its package manager or a script failed;
 * what that leaves behind is as the VE's own tools leave it, and the hint says how to go on.
 */
int apply_change(const struct apply_job *job, struct apply_result *ret, struct error *err);
void apply_result_release(struct apply_result *result);
