/*
 * The packages of all classes: downloaded once, verified once, and made ready for the VEs once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/worker.h"
#include "vzpkg/cache/verify.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/cmd/fleet_files.h"
#include "vzpkg/cmd/fleet_former.h"
#include "vzpkg/cmd/packages.h"
#include "vzpkg/template_keyring.h"

void fleet_files_freep(struct fleet_files **files)
{
	struct fleet_files *gone = *files;

	*files = NULL;
	if (!gone)
		return;
	share_freep(&gone->share);
	store_freep(&gone->store);
	workdir_remove(&gone->workdir);
	free(gone);
}

int fleet_open_files(struct fleet *fleet, struct error *err)
{
	struct fleet_files *files = fleet->files;
	struct share_spec spec = { .jobs = cpu_count(), .report = fleet->app->report };

	if (files)
		return 0;
	files = fleet->files = xcalloc(1, sizeof(*files));
	files->workdir = WORKDIR_INIT;
	workdir_sweep(fleet->app->host.template_dir);
	if (store_open(app_pm(fleet->app, err), &files->store, err) < 0 ||
	    workdir_create(&files->workdir, fleet->app->host.template_dir, "fleet", err) < 0)
		return -1;
	spec.store = files->store;
	spec.work_dir = files->workdir.path;
	return share_open(&spec, &files->share, err);
}

int fleet_open_keys(struct fleet *fleet, const struct template *template, struct keyring **keyring,
		    struct package_keys **keys, struct error *err)
{
	if (template->format != PACKAGE_RPM)
		return 0;
	if (template_keyring_open(template, app_pm(fleet->app, err), keyring, err) < 0)
		return -1;
	return package_keys_open(*keyring, &template->key_files, keys, err);
}

static int add_plan(struct fleet *fleet, const struct template *template, struct plan *plan,
		    struct fetcher *fetcher, const struct package_keys *keys, struct error *err)
{
	struct app *app = fleet->app;
	int64_t newest;

	if (!plan->count)
		return 0;
	report_phase(app->report, "downloading packages", REPORT_BYTES, 0, 20);
	if (cache_fill(fleet->files->store, plan, fetcher, app->report, err) < 0)
		return -1;
	if (template->format == PACKAGE_RPM) {
		report_phase(app->report, "verifying packages", REPORT_BYTES, plan->size, 5);
		if (cache_verify(fleet->files->store, plan, keys, cpu_count(), app->report, &newest,
				 err) < 0)
			return -1;
	}
	report_phase(app->report, "preparing packages", REPORT_BYTES, plan->size, 5);
	return share_add(fleet->files->share, plan, template->format, keys, err);
}

static int store_local(struct fleet *fleet, const struct plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct local_package *local = fleet_local(fleet, &plan->packages[i].digest);
		if (local && store_put(fleet->files->store, plan, i, local->fd, err) < 0)
			return -1;
	}
	return 0;
}

static int add_class(struct fleet *fleet, struct fleet_class *class, struct error *err)
{
	const struct template *template = class->metadata->merged ?: class->template;
	AUTO(keyring_freep) struct keyring *keyring = NULL;
	AUTO(package_keys_freep) struct package_keys *keys = NULL;
	struct fetcher *fetcher;

	if (!class->plan || (!class->plan->count && !class->former.plan_count))
		return 0;
	if (app_fetcher(fleet->app, &fetcher, err) < 0 ||
	    store_local(fleet, class->plan, err) < 0 ||
	    fleet_open_keys(fleet, template, &keyring, &keys, err) < 0 ||
	    add_plan(fleet, template, class->plan, fetcher, keys, err) < 0)
		return -1;
	const struct fleet_bringer bringer = {
		.store = fleet->files->store,
		.share = fleet->files->share,
		.fetcher = fetcher,
		.report = fleet->app->report,
		.format = template->format,
		.keys = keys,
	};
	if (class->former.plan_count)
		fleet_former_bring(&class->former, fleet->app, class->template, &class->difference,
				   &bringer);
	return 0;
}

int fleet_fetch(struct fleet *fleet, struct error *err)
{
	if (fleet_open_files(fleet, err) < 0)
		return -1;
	for (size_t i = 0; i < fleet->class_count; i++) {
		struct fleet_class *class = &fleet->classes[i];
		if (class->error.kind != ERROR_NONE || add_class(fleet, class, &class->error) == 0)
			continue;
		if (class->error.kind == ERROR_INTERRUPTED) {
			error_move(err, &class->error);
			return -1;
		}
	}
	report_phase_end(fleet->app->report);
	return 0;
}
