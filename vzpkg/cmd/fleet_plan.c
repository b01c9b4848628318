/*
 * Classes of VEs, and what is to be done in each.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/cmd/fleet_former.h"
#include "vzpkg/resolve/former.h"

/* ---- classes ------------------------------------------------------------------------------------------------------- */

static struct fleet_metadata *metadata_of(struct fleet *fleet, const struct template *template)
{
	for (size_t i = 0; i < fleet->metadata_count; i++)
		if (fleet->metadata[i].template == template)
			return &fleet->metadata[i];
	struct fleet_metadata *metadata = &fleet->metadata[fleet->metadata_count++];
	*metadata = (struct fleet_metadata){
		.template = template,
		.applications = APPLICATION_SET_INIT,
		.error = ERROR_INIT,
	};
	return metadata;
}

static struct fleet_class *class_of(struct fleet *fleet, const struct fleet_ve *ve)
{
	for (size_t i = 0; i < fleet->class_count; i++)
		if (fleet->classes[i].template == ve->template && fleet->classes[i].set == ve->set)
			return &fleet->classes[i];
	struct fleet_class *class = &fleet->classes[fleet->class_count++];
	*class = (struct fleet_class){
		.template = ve->template,
		.set = ve->set,
		.metadata = metadata_of(fleet, ve->template),
		.difference = DIFFERENCE_INIT,
		.notes = CHANGE_NOTES_INIT,
		.error = ERROR_INIT,
	};
	return class;
}

const struct error *fleet_class_error(const struct fleet_class *class)
{
	if (class->metadata->error.kind != ERROR_NONE)
		return &class->metadata->error;
	return class->error.kind != ERROR_NONE ? &class->error : NULL;
}

/* No more classes than VEs, and no more templates than classes: the arrays do not move. */
static void make_classes(struct fleet *fleet)
{
	size_t most = fleet->inventory.count + 1;

	fleet->classes = xcalloc(most, sizeof(*fleet->classes));
	fleet->metadata = xcalloc(most, sizeof(*fleet->metadata));
	for (size_t i = 0; i < fleet->inventory.count; i++) {
		struct fleet_task *task = &fleet->tasks[i];
		if (!task->ve->template || task->state != FLEET_WAITING)
			continue;
		task->class = class_of(fleet, task->ve);
		task->class->ves++;
		task->class->any_running |= task->ve->running;
	}
}

/* ---- what is asked for ---------------------------------------------------------------------------------------------- */

static void tell_ignored(const struct fleet *fleet, const struct application_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i]->host_scripts_ignored)
			report_info(fleet->app->report,
				    "%s: its scripts for the host are not run, since vzpkg.conf "
				    "does not say ALLOW_HOST_SCRIPTS=\"yes\"",
				    set->items[i]->name);
}

static int take_applications(struct fleet *fleet, struct fleet_metadata *metadata,
			     struct error *err)
{
	const struct template_source source = app_template_source(fleet->app);
	const struct fleet_request *request = fleet->request;

	if (request->kind != FLEET_APPLICATIONS || !request->objects.count)
		return 0;
	if (application_set_load(&source, metadata->template, &request->objects,
				 &metadata->applications, err) < 0)
		return -1;
	tell_ignored(fleet, &metadata->applications);
	return application_merge(metadata->template, &metadata->applications, NULL,
				 &metadata->merged, err);
}

bool fleet_names(const struct fleet_request *request, const struct application *application)
{
	for (size_t i = 0; i < request->objects.count; i++) {
		const char *word = request->objects.items[i];
		if (strcmp(word + (*word == '.'), application->name) == 0)
			return true;
	}
	return false;
}

/* What an application requires is another's: it stays when that one goes. */
static void erased_packages(const struct fleet_request *request,
			    const struct application_set *applications, struct strvec *ret)
{
	for (size_t i = 0; i < applications->count; i++) {
		const struct application *application = applications->items[i];
		for (size_t p = 0;
		     fleet_names(request, application) && p < application->packages.count; p++)
			if (!strvec_contains(ret, application->packages.items[p]))
				strvec_push(ret, application->packages.items[p]);
	}
}

static void make_wishes(const struct fleet_request *request, const struct fleet_metadata *metadata,
			struct strvec *ret)
{
	if (request->kind == FLEET_APPLICATIONS && request->verb == CHANGE_ERASE) {
		erased_packages(request, &metadata->applications, ret);
		return;
	}
	if (request->kind == FLEET_APPLICATIONS) {
		application_wishes(&metadata->applications, ret);
		return;
	}
	for (size_t i = 0; request->kind != FLEET_FILES && i < request->objects.count; i++)
		strvec_pushf(ret, "%s%s", request->kind == FLEET_GROUPS ? "@" : "",
			     request->objects.items[i]);
}

/* ---- solving --------------------------------------------------------------------------------------------------------- */

static int plan_former(const struct package_pool *pool, struct fleet_class *class,
		       struct error *err)
{
	struct plan *plan;

	if (resolve_former(pool, &class->difference, &plan, err) < 0)
		return -1;
	fleet_former_take(&class->former, plan);
	return 0;
}

static int solve(struct fleet *fleet, struct package_pool *pool, struct fleet_class *class,
		 const struct strvec *wishes, struct error *err)
{
	const struct change_request request = {
		.verb = fleet->request->verb,
		.wishes = wishes,
		.local = fleet->request->kind == FLEET_FILES,
		.dependants = fleet->request->dependants,
		.unneeded = fleet->request->unneeded,
		.only_if_installed = fleet->request->verb != CHANGE_INSTALL,
	};

	fleet->solves++;
	if (resolve_change(pool, class->set, &request, &class->plan, &class->difference,
			   &class->notes, err) < 0)
		return -1;
	return fleet->request->rollback && class->any_running ? plan_former(pool, class, err) : 0;
}

static int add_local(struct fleet *fleet, const struct template *template,
		     struct package_pool *pool, struct error *err)
{
	AUTO(keyring_freep) struct keyring *keyring = NULL;
	AUTO(package_keys_freep) struct package_keys *keys = NULL;

	if (pool_add_local(pool, fleet->local, fleet->local_count, err) < 0)
		return -1;
	if (template->format != PACKAGE_RPM)
		return 0;
	if (fleet_open_keys(fleet, template, &keyring, &keys, err) < 0)
		return -1;
	for (size_t i = 0; i < fleet->local_count; i++)
		if (local_package_verify(&fleet->local[i], keys, err) < 0)
			return -1;
	return 0;
}

static int load(struct fleet *fleet, const struct fleet_metadata *metadata,
		struct metadata **ret_metadata, struct package_pool **ret_pool, struct error *err)
{
	const struct template *template = metadata->merged ?: metadata->template;

	if (app_metadata(fleet->app, template, ret_metadata, err) < 0)
		return -1;
	if (fleet->local_count)
		metadata_add_local(*ret_metadata);
	report_phase(fleet->app->report, "resolving packages", REPORT_ITEMS, 0, 5);
	if (metadata_load(*ret_metadata, fleet->app->report, ret_pool, err) < 0)
		return -1;
	return fleet->local_count ? add_local(fleet, template, *ret_pool, err) : 0;
}

/* The classes of one template, one after the other in the same pool. */
static int solve_all(struct fleet *fleet, struct fleet_metadata *metadata, struct error *err)
{
	AUTO(package_pool_freep) struct package_pool *pool = NULL;
	AUTO(metadata_freep) struct metadata *brought = NULL;
	AUTO(strvec_release) struct strvec wishes = STRVEC_INIT;

	if (take_applications(fleet, metadata, err) < 0 ||
	    load(fleet, metadata, &brought, &pool, err) < 0)
		return -1;
	make_wishes(fleet->request, metadata, &wishes);
	for (size_t i = 0; i < fleet->class_count; i++) {
		struct fleet_class *class = &fleet->classes[i];
		if (class->metadata == metadata &&
		    solve(fleet, pool, class, &wishes, &class->error) < 0 &&
		    class->error.kind == ERROR_INTERRUPTED) {
			error_move(err, &class->error);
			return -1;
		}
	}
	report_phase_end(fleet->app->report);
	return 0;
}

/* ---- how much it is --------------------------------------------------------------------------------------------------- */

static bool counted(const struct fleet *fleet, size_t classes, const struct plan_package *package)
{
	for (size_t c = 0; c < classes; c++)
		for (size_t i = 0; fleet->classes[c].plan && i < fleet->classes[c].plan->count; i++)
			if (digest_equal(&fleet->classes[c].plan->packages[i].digest,
					 &package->digest))
				return true;
	return false;
}

static int count_packages(struct fleet *fleet, struct error *err)
{
	AUTO(store_freep) struct store *store = NULL;

	if (store_open(app_pm(fleet->app, err), &store, err) < 0)
		return -1;
	for (size_t c = 0; c < fleet->class_count; c++) {
		const struct plan *plan = fleet->classes[c].plan;
		for (size_t i = 0; plan && i < plan->count; i++) {
			struct plan one = { .packages = &plan->packages[i], .count = 1 };
			uint64_t missing = 0;
			if (counted(fleet, c, &plan->packages[i]))
				continue;
			if (!fleet_local(fleet, &plan->packages[i].digest))
				store_missing(store, &one, &missing);
			fleet->packages++;
			fleet->package_bytes += plan->packages[i].size;
			fleet->missing_bytes += missing;
		}
	}
	return 0;
}

int fleet_plan(struct fleet *fleet, struct error *err)
{
	make_classes(fleet);
	for (size_t i = 0; i < fleet->metadata_count; i++) {
		struct fleet_metadata *metadata = &fleet->metadata[i];
		if (solve_all(fleet, metadata, &metadata->error) == 0 ||
		    metadata->error.kind != ERROR_INTERRUPTED)
			continue;
		error_move(err, &metadata->error);
		return -1;
	}
	return count_packages(fleet, err);
}
