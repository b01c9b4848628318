/*
 * For --rollback in VEs that run: package files of what is to be replaced or removed, as far as they are to be had.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/fleet_former.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/manifest_plan.h"

void fleet_former_release(struct fleet_former *former)
{
	for (size_t i = 0; i < former->plan_count; i++)
		plan_free(former->plans[i]);
	free(former->plans);
	free(former->items);
	*former = FLEET_FORMER_INIT;
}

void fleet_former_take(struct fleet_former *former, struct plan *plan)
{
	former->plans =
		xreallocarray(former->plans, former->plan_count + 1, sizeof(*former->plans));
	former->plans[former->plan_count++] = plan;
}

static bool is(const struct plan_package *package, const struct installed_package *wanted)
{
	return strcmp(package->name, wanted->name) == 0 &&
	       strcmp(package->version, wanted->version) == 0 &&
	       strcmp(package->arch, wanted->arch) == 0;
}

static bool find(const struct plan *plan, const struct installed_package *wanted, struct plan *ret)
{
	for (size_t i = 0; i < plan->count; i++)
		if (is(&plan->packages[i], wanted)) {
			*ret = *plan;
			ret->packages = &plan->packages[i];
			ret->count = 1;
			ret->size = plan->packages[i].size;
			return true;
		}
	return false;
}

/* What a cache of the template was built from is often still in the store, if no repository has it any more. Its signature counts as that of any package that comes without a
 * signed index. */
static void take_manifests(struct fleet_former *former, const struct app *app,
			   const struct template *template)
{
	struct generation *list = NULL;
	size_t count = 0;

	if (generation_list(app->host.template_dir, template->text, &list, &count, NULL) < 0)
		return;
	for (size_t i = count; i-- > 0;) {
		AUTO(manifest_release) json_t *manifest = NULL;
		struct plan *plan;
		if (generation_manifest(app->host.template_dir, template->text, list[i].number,
					&manifest, NULL) < 0 ||
		    manifest_plan(manifest, template->format, &plan, NULL) < 0)
			continue;
		plan->repositories = xcalloc(1, sizeof(*plan->repositories));
		plan->repository_count = 1;
		plan->repositories[0].packages_signed = true;
		fleet_former_take(former, plan);
	}
	free(list);
}

static bool bring(const struct fleet_bringer *bringer, const struct plan *plan)
{
	uint64_t bytes;

	if (store_missing(bringer->store, plan, &bytes) &&
	    (!plan->repositories[0].text ||
	     cache_fill(bringer->store, plan, bringer->fetcher, bringer->report, NULL) < 0))
		return false;
	return share_add(bringer->share, plan, bringer->format, bringer->keys, NULL) == 0;
}

void fleet_former_bring(struct fleet_former *former, const struct app *app,
			const struct template *template, const struct difference *difference,
			const struct fleet_bringer *bringer)
{
	take_manifests(former, app, template);
	former->items = xcalloc(difference->count + 1, sizeof(*former->items));
	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *before = difference->changes[i].before;
		bool brought = false;
		for (size_t p = 0; before && !brought && p < former->plan_count; p++) {
			struct plan one;
			brought = find(former->plans[p], before, &one) && bring(bringer, &one);
			if (brought)
				former->items[former->count++] = one.packages;
		}
	}
}
