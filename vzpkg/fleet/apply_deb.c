#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/fleet/applier.h"
#include "vzpkg/fleet/apply_mark.h"

struct unpacking {
	struct applier *applier;
	bool *waiting; /* of each package of the plan: it is to be unpacked */
	bool *configured; /* … or is configured, in the version that the plan says */
};

/* ---- what dpkg says -------------------------------------------------------------------------------------------------------- */

enum { UNFINISHED_MAX = 1000 };

static const char *after(const char *line, const char *beginning)
{
	size_t length = strlen(beginning);
	return strncmp(line, beginning, length) == 0 ? line + length : NULL;
}

/* "NAME (VERSION) …", "NAME:ARCH (VERSION) …" */
static void see_work(struct applier *applier, const char *line)
{
	static const char *const beginnings[] = {
		"Setting up ",
		"Unpacking ",
		"Removing ",
		"Purging configuration files for ",
		"Processing triggers for ",
	};
	const char *name;

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(*beginnings); i++)
		if ((name = after(line, beginnings[i])))
			applier_set_working_on(applier, name, strcspn(name, " :"));
	/* "Preparing to unpack .../FILE ..." */
	name = after(line, "Preparing to unpack .../");
	const struct plan_package *package = name ? applier_package_of(applier, name) : NULL;
	if (package)
		applier_set_working_on(applier, package->name, strlen(package->name));
}

/* A package, or a package's file. To be freed. */
static char *name_of(const struct applier *applier, const char *text)
{
	const char *slash = strrchr(text, '/');
	const struct plan_package *package = slash ? applier_package_of(applier, slash + 1) : NULL;
	autofree char *word = xstrndup(text, strcspn(text, " :"));
	return package ? xstrdup(package->name) : text_clean(word);
}

/* "dpkg: error processing package NAME (--configure):", "… archive FILE (--unpack):", and at the end the list of them. */
static void see_failure(struct applier *applier, const char *line)
{
	const char *name = after(line, "dpkg: error processing package ");

	name = name ?: after(line, "dpkg: error processing archive ");
	/* Until dpkg 1.17. */
	name = name ?: after(line, "dpkg: error processing ");
	if (name && !applier->failed)
		applier->failed = name_of(applier, name);
	if (applier->listing && line[0] == ' ' &&
	    applier->result->unfinished.count < UNFINISHED_MAX)
		strvec_take(&applier->result->unfinished, name_of(applier, line + 1));
	else
		applier->listing = false;
	if (after(line, "Errors were encountered while processing:"))
		applier->listing = true;
}

static void dpkg_line(struct applier *applier, const char *line)
{
	see_work(applier, line);
	see_failure(applier, line);
	if (strstr(line, "locked by another process"))
		applier->locked = true;
}

/* ---- running it ------------------------------------------------------------------------------------------------------------- */

/* What dpkg has begun stays begun, as it does after the tenant's own apt. */
static int explain(const struct applier *applier, struct error *err)
{
	if (err->kind == ERROR_INSTALL && !applier->cut_off)
		error_hint(
			err,
			"when the cause is mended, \"dpkg --configure -a\" in VE %u finishes what "
			"was begun: vzctl exec %u dpkg --configure -a",
			applier->job->ctid, applier->job->ctid);
	return -1;
}

static int run_dpkg(struct applier *applier, const char *what, const char *action,
		    const struct strvec *operands, struct error *err)
{
	/* A tenant's changed configuration stays; a package that is broken by a new one is not configured for as long as its own new version waits. */
	static const char *const options[] = { "dpkg", "--force-confdef", "--force-confold",
					       "--auto-deconfigure" };
	enum { OPTIONS = sizeof(options) / sizeof(*options) };
	autofree const char **argv = xcalloc(operands->count + OPTIONS + 2, sizeof(*argv));
	struct applier_command command = {
		.what = what,
		.argv = argv,
		.script = -1,
		.line = dpkg_line,
	};
	size_t count = 0;

	for (; count < OPTIONS; count++)
		argv[count] = options[count];
	argv[count++] = action;
	for (size_t i = 0; i < operands->count; i++)
		argv[count++] = operands->items[i];
	applier->result->changed = true;
	return applier_run(applier, &command, err) < 0 ? explain(applier, err) : 0;
}

static int run_dpkg_files(struct unpacking *unpacking, const char *what, const char *action,
			  const bool *wanted, struct error *err)
{
	AUTO(strvec_release) struct strvec files = STRVEC_INIT;

	applier_files(unpacking->applier, wanted, &files);
	return run_dpkg(unpacking->applier, what, action, &files, err);
}

static int erase(struct applier *applier, struct error *err)
{
	const struct apply_job *job = applier->job;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	for (size_t i = 0; i < job->difference->count; i++) {
		const struct installed_package *before = job->difference->changes[i].before;
		if (job->difference->changes[i].kind != CHANGE_REMOVE)
			continue;
		/* A dpkg that knows no other architectures knows no names for them. */
		if (strcmp(before->arch, job->template->arch_word) == 0 ||
		    strcmp(before->arch, "all") == 0)
			strvec_push(&names, before->name);
		else
			strvec_pushf(&names, "%s:%s", before->name, before->arch);
	}
	if (!names.count)
		return 0;
	return run_dpkg(applier, "removing packages", job->erase_config ? "--purge" : "--remove",
			&names, err);
}

/* ---- in waves, as pre-dependencies demand ------------------------------------------------------------------------------------ */

static const struct plan *plan_of(const struct unpacking *unpacking)
{
	return unpacking->applier->job->plan;
}

static bool is_ready(const struct unpacking *unpacking, size_t index)
{
	const struct plan_package *package = &plan_of(unpacking)->packages[index];

	for (size_t i = 0; i < package->pre_depend_count; i++)
		if (!unpacking->configured[package->pre_depends[i]])
			return false;
	return true;
}

/* Returns how many there are. */
static size_t next_wave(const struct unpacking *unpacking, bool *wave)
{
	size_t count = 0;

	for (size_t i = 0; i < plan_of(unpacking)->count; i++) {
		wave[i] = unpacking->waiting[i] && is_ready(unpacking, i);
		count += wave[i];
	}
	return count;
}

static size_t left(const struct unpacking *unpacking)
{
	size_t count = 0;

	for (size_t i = 0; i < plan_of(unpacking)->count; i++)
		count += unpacking->waiting[i];
	return count;
}

/* They need each other: what is there in an earlier version has to do. dpkg judges. */
static void be_content(const struct unpacking *unpacking)
{
	const struct difference *difference = unpacking->applier->job->difference;

	for (size_t i = 0; i < difference->count; i++)
		if (difference->changes[i].kind == CHANGE_REPLACE)
			unpacking->configured[difference->changes[i].package] = true;
}

/* Adds a package and all that it depends on; false if something of that is not unpacked yet. */
static bool add_with_depends(const struct unpacking *unpacking, size_t index, bool *wanted)
{
	const struct plan_package *package = &plan_of(unpacking)->packages[index];
	bool whole = !unpacking->waiting[index];

	if (wanted[index] || unpacking->configured[index])
		return true;
	wanted[index] = true;
	for (size_t i = 0; i < package->pre_depend_count; i++)
		whole &= add_with_depends(unpacking, package->pre_depends[i], wanted);
	for (size_t i = 0; i < package->depend_count; i++)
		whole &= add_with_depends(unpacking, package->depends[i], wanted);
	return whole;
}

/* What packages that wait pre-depend on, with all that it depends on. If that waits itself for something, it is for a later wave. */
static void add_needed(const struct unpacking *unpacking, size_t index, bool *needed)
{
	const struct plan *plan = plan_of(unpacking);
	const struct plan_package *package = &plan->packages[index];

	for (size_t i = 0; i < package->pre_depend_count; i++) {
		autofree bool *wanted = xcalloc(plan->count + 1, sizeof(*wanted));
		if (!add_with_depends(unpacking, package->pre_depends[i], wanted))
			continue;
		for (size_t p = 0; p < plan->count; p++)
			needed[p] |= wanted[p];
	}
}

static int configure_needed(struct unpacking *unpacking, struct error *err)
{
	const struct plan *plan = plan_of(unpacking);
	autofree bool *needed = xcalloc(plan->count + 1, sizeof(*needed));
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	for (size_t i = 0; i < plan->count; i++)
		if (unpacking->waiting[i])
			add_needed(unpacking, i, needed);
	for (size_t i = 0; i < plan->count; i++) {
		if (!needed[i])
			continue;
		strvec_push(&names, plan->packages[i].name);
		unpacking->configured[i] = true;
	}
	if (!names.count)
		return 0;
	return run_dpkg(unpacking->applier, "configuring packages", "--configure", &names, err);
}

static int unpack_wave(struct unpacking *unpacking, const bool *wave, struct error *err)
{
	if (run_dpkg_files(unpacking, "unpacking packages", "--unpack", wave, err) < 0)
		return -1;
	for (size_t i = 0; i < plan_of(unpacking)->count; i++) {
		unpacking->waiting[i] &= !wave[i];
		unpacking->configured[i] &= !wave[i];
	}
	return left(unpacking) ? configure_needed(unpacking, err) : 0;
}

int apply_deb_configure(struct applier *applier, struct error *err)
{
	AUTO(strvec_release) struct strvec all = STRVEC_INIT;

	strvec_push(&all, "-a");
	return run_dpkg(applier, "configuring packages", "--configure", &all, err);
}

static int install(struct unpacking *unpacking, struct error *err)
{
	autofree bool *wave = xcalloc(plan_of(unpacking)->count + 1, sizeof(*wave));
	bool content = false;

	if (!left(unpacking))
		return 0;
	/* Most often nothing has to wait. */
	if (next_wave(unpacking, wave) == left(unpacking))
		return run_dpkg_files(unpacking, "installing packages", "--install", wave, err);
	while (left(unpacking)) {
		if (next_wave(unpacking, wave)) {
			if (unpack_wave(unpacking, wave, err) < 0)
				return -1;
			continue;
		}
		if (content)
			return error_set(err, ERROR_INSTALL,
					 "packages pre-depend on each other in a circle");
		be_content(unpacking);
		content = true;
	}
	/* Nothing was left unfinished before, so that this is about ours, and about whose triggers they have set off. */
	return apply_deb_configure(unpacking->applier, err);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------- */

/* In a VE that does not run nobody is at work. */
int applier_lock_deb(struct applier *applier, struct error *err)
{
	static const char locked[] = "DPKG_FRONTEND_LOCKED=1";

	if (!visit_is_running(applier->visit) || applier->holds_lock)
		return 0;
	if (!strvec_contains(&applier->env, locked))
		strvec_push(&applier->env, locked);
	if (visit_hold(applier->visit, "/var/lib/dpkg/lock-frontend", applier->job->lock_timeout_s,
		       err) < 0)
		return -1;
	applier->holds_lock = true;
	return 0;
}

static void unpacking_release(struct unpacking *unpacking)
{
	free(unpacking->waiting);
	free(unpacking->configured);
}

int apply_deb(struct applier *applier, struct error *err)
{
	const struct apply_job *job = applier->job;
	AUTO(unpacking_release)
	struct unpacking unpacking = {
		.applier = applier,
		.waiting = xcalloc(job->plan->count + 1, sizeof(bool)),
		.configured = xcalloc(job->plan->count + 1, sizeof(bool)),
	};

	for (size_t i = 0; i < job->plan->count; i++)
		unpacking.configured[i] = true;
	for (size_t i = 0; i < job->difference->count; i++) {
		if (job->difference->changes[i].kind == CHANGE_REMOVE)
			continue;
		unpacking.waiting[job->difference->changes[i].package] = true;
		unpacking.configured[job->difference->changes[i].package] = false;
	}
	applier_enter(applier, APPLY_WAITING);
	if (applier_lock_deb(applier, err) < 0)
		return -1;
	applier_enter(applier, APPLY_CHANGING);
	if (erase(applier, err) < 0 || install(&unpacking, err) < 0)
		return -1;
	return apply_mark_deb(applier, err);
}
