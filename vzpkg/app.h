/*
 * What every command of vzpkg starts from: where things are on this host, the options that all
 * commands have, and the report. One per program run, made by main().
 */
#pragma once

#include <stdbool.h>

#include "base/conf.h"
#include "base/error.h"
#include "base/host.h"
#include "base/report.h"
#include "base/strvec.h"
#include "vzpkg/fetch/http.h"
#include "vzpkg/metadata/metadata.h"
#include "vzpkg/resolve/lockfile.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

struct app_options {
	const char *conf;
	bool json, quiet, verbose, help, version;
	bool timing; /* show what each phase took */
	bool skip_lock; /* the caller holds the VE's lock (libvzctl) */
	const char *progress_fd; /* a number; text so that "not given" can be told from 0 */
	unsigned timeout_s; /* for a lock that somebody else holds */
	bool offline;
	struct strvec repositories; /* --repository lines */
};

struct app {
	struct app_options options;
	struct host_config host;
	struct conf variables;
	struct strvec roots; /* where template metadata is looked up */
	struct report *report;
	struct fetcher *fetcher; /* made when it is first needed */
	int pm; /* TEMPLATE/pm, or -1; see app_pm() */
	const char *
		locked; /* the lock file that app_plan() is to go by; NULL: the template's own, if it has one */
	bool unlocked; /* app_plan() is to go by no lock file */
};

#define APP_INIT ((struct app){ .pm = -1, .options.timeout_s = 600 })

/* Reads the configuration. The report must be there. */
int app_open(struct app *app, struct error *err);
void app_release(struct app *app);

/* ERROR_NOT_ROOT unless root runs us; `what` completes "… needs root". */
int app_need_root(const char *what, struct error *err);

struct template_source app_template_source(const struct app *app);
/* A template by the name that a user typed: "debian-12", "debian-12+nginx". */
int app_template(const struct app *app, const char *name, struct template **ret, struct error *err);

/* A plan and the metadata that it came from; the solver's memory is given back by then. */
struct app_plan {
	struct metadata *metadata;
	struct plan *plan;
	pid_t cache_writer; /* of metadata_load(), still at work; or 0 */
	struct lockfile *lockfile; /* that it is from; NULL: it is resolved */
};

#define APP_PLAN_INIT ((struct app_plan){ 0 })

/* Metadata → pool → plan: resolves the template's packages and those in `more` (may be NULL). */
int app_solve(struct app *app, const struct template *template, const struct strvec *more,
	      struct app_plan *ret, struct error *err);

/* true if the template's plan is that of a lock file. */
bool app_locked(const struct app *app, const struct template *template);

/*
 * app_metadata() and app_solve(). If there is a lock file, the plan is that one's instead, but not with `more`; the repositories
 * are then only asked where they are, and that only if a package is not in the store.
 */
int app_plan(struct app *app, const struct template *template, const struct strvec *more,
	     struct app_plan *ret, struct error *err);
void app_plan_release(struct app_plan *plan);

/* The first half of it: only syncs the repositories. The caller frees *ret. */
int app_metadata(struct app *app, const struct template *template, struct metadata **ret,
		 struct error *err);

/* A number of vzpkg.conf, or `otherwise` if it is not set. ERROR_PARSE if it is none, or not from 1 to
 * `most`. */
int app_number(const struct app *app, const char *key, unsigned otherwise, unsigned most,
	       unsigned *ret, struct error *err);

/* The descriptor of TEMPLATE/pm, created on first use; borrowed. -1 on failure. */
int app_pm(struct app *app, struct error *err);

/* NULL with --offline; `*ret` is borrowed. */
int app_fetcher(struct app *app, struct fetcher **ret, struct error *err);
