#include "vzpkg/cmd/ve_packages.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/application.h"
#include "vzpkg/fleet/inventory.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/origin.h"

/* In OpenVZ's form: name, architecture, version. */
static void row(unsigned ctid, const struct installed_package *package, struct command_result *ret)
{
	strbuf_addf(&ret->text, "%-22s %-9s %s\n", package->name, package->arch, package->version);
	json_array_append_new(
		ret->json, json_pack("{s:I s:s s:s s:s s:s s:b}", "ctid", (json_int_t)ctid, "kind",
				     "package", "name", package->name, "arch", package->arch,
				     "version", package->version, "automatic", package->automatic));
}

/* With the repositories of what the VE has. An application whose metadata is gone has none any more. */
static int with_applications(struct app *app, const struct fleet_ve *ve, struct template **ret,
			     struct error *err)
{
	AUTO(application_set_release) struct application_set set = APPLICATION_SET_INIT;
	struct template_source source = app_template_source(app);

	for (size_t i = 0; i < ve->applications.count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		struct strvec one = { .items = &ve->applications.items[i], .count = 1 };
		if (application_set_load(&source, ve->template, &one, &set, &why) < 0)
			report_warning(app->report, ve->title, "%s is left out of account: %s",
				       one.items[0], why.message);
	}
	return application_merge(ve->template, &set, NULL, ret, err);
}

static int mark_foreign(struct app *app, const struct fleet_ve *ve, bool *foreign,
			struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(metadata_freep) struct metadata *metadata = NULL;
	AUTO(package_pool_freep) struct package_pool *pool = NULL;

	if (with_applications(app, ve, &template, err) < 0 ||
	    app_metadata(app, template, &metadata, err) < 0 ||
	    metadata_load(metadata, app->report, &pool, err) < 0)
		return -1;
	origin_mark_foreign(pool, &ve->set->installed, foreign);
	report_phase_end(app->report);
	return 0;
}

static int rows(struct app *app, struct fleet_ve *ve, bool foreign_only, struct command_result *ret,
		struct error *err)
{
	if (ve->error.kind != ERROR_NONE) {
		error_move(err, &ve->error);
		return error_subject(err, "%s", ve->title);
	}
	const struct installed *installed = &ve->set->installed;
	autofree bool *wanted = xcalloc(installed->count + 1, sizeof(*wanted));
	if (foreign_only && mark_foreign(app, ve, wanted, err) < 0)
		return -1;
	for (size_t i = 0; i < installed->count; i++)
		if (!foreign_only || wanted[i])
			row(ve->ctid, &installed->packages[i], ret);
	return 0;
}

int ve_packages(struct app *app, unsigned ctid, bool foreign_only, struct command_result *ret,
		struct error *err)
{
	AUTO(inventory_release) struct inventory inventory = INVENTORY_INIT;
	struct template_source source = app_template_source(app);
	struct fleet_choice choice = { .ctid = ctid };
	const struct fleet_selection selection = { .items = &choice, .count = 1 };
	const struct inventory_options options = {
		.host = &app->host,
		.source = &source,
		.report = app->report,
		.timeout_s = app->options.timeout_s,
		.skip_lock = app->options.skip_lock,
	};

	if (app_need_root("reading the packages of a VE", err) < 0 ||
	    inventory_take(&options, &selection, &inventory, err) < 0)
		return -1;
	report_phase_end(app->report);
	return rows(app, &inventory.ves[0], foreign_only, ret, err);
}
