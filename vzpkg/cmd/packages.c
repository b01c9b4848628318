#include "vzpkg/cmd/packages.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "vzpkg/cache/verify.h"
#include "vzpkg/template_keyring.h"

static bool needs_keys(const struct plan *plan)
{
	for (size_t i = 0; i < plan->repository_count; i++)
		if (plan->repositories[i].packages_signed)
			return true;
	return false;
}

static int verify_rpm(struct app *app, const struct template *template, struct plan *plan,
		      unsigned jobs, struct packages *packages, struct error *err)
{
	if (needs_keys(plan) &&
	    template_keyring_open(template, app_pm(app, err), &packages->keyring, err) < 0)
		return -1;
	if (package_keys_open(packages->keyring, &template->key_files, &packages->keys, err) < 0)
		return -1;
	report_phase(app->report, "verifying packages", REPORT_BYTES, plan->size, 5);
	return cache_verify(packages->store, plan, packages->keys, jobs, app->report,
			    &packages->newest, err);
}

static int download(struct app *app, const struct plan *plan, struct packages *packages,
		    struct error *err)
{
	struct fetcher *fetcher;

	if (app_fetcher(app, &fetcher, err) < 0)
		return -1;
	report_phase(app->report, "downloading packages", REPORT_BYTES, 0, 25);
	return cache_fill(packages->store, plan, fetcher, app->report, err);
}

int packages_fill(struct app *app, const struct template *template, struct app_plan *solved,
		  unsigned jobs, struct packages *ret, struct error *err)
{
	if (store_open(app_pm(app, err), &ret->store, err) < 0 ||
	    download(app, solved->plan, ret, err) < 0 ||
	    store_keep(ret->store, template->text, solved->plan, err) < 0)
		return -1;
	if (template->format != PACKAGE_RPM)
		return 0;
	return verify_rpm(app, template, solved->plan, jobs, ret, err);
}

/* Opening is what verifies, and moves what is damaged out of the way. */
static int hash_all(struct app *app, const struct plan *plan, const struct packages *packages,
		    size_t *damaged, struct error *err)
{
	uint64_t done = 0;

	*damaged = 0;
	report_phase(app->report, "verifying packages", REPORT_BYTES, plan->size, 5);
	for (size_t i = 0; i < plan->count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		autoclose int fd = store_package_open(packages->store, &plan->packages[i], &why);
		if (fd < 0 && why.kind != ERROR_TRUST) {
			error_move(err, &why);
			return -1;
		}
		if (fd < 0) {
			report_info(app->report, "%s", why.message);
			++*damaged;
		}
		report_progress(app->report, done += plan->packages[i].size,
				plan->packages[i].name);
		if (interrupt_check(err) < 0)
			return -1;
	}
	return 0;
}

int packages_fill_verified(struct app *app, const struct template *template,
			   struct app_plan *solved, unsigned jobs, struct packages *ret,
			   struct error *err)
{
	size_t damaged;

	if (packages_fill(app, template, solved, jobs, ret, err) < 0)
		return -1;
	if (template->format == PACKAGE_RPM)
		return 0;
	if (hash_all(app, solved->plan, ret, &damaged, err) < 0)
		return -1;
	/* What arrives is hashed on its way. */
	return damaged ? download(app, solved->plan, ret, err) : 0;
}

void packages_release(struct packages *packages)
{
	store_freep(&packages->store);
	package_keys_freep(&packages->keys);
	keyring_freep(&packages->keyring);
}
