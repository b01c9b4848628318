#include "vzpkg/cmd/ve_packages.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/application.h"
#include "vzpkg/cmd/fleet_look.h"
#include "vzpkg/fleet/inventory.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/origin.h"

/* What the last VE's repositories are: one that is alike needs not read them again. */
struct repositories {
	const struct fleet_ve *of; /* NULL: none were read */
	struct template *template;
	struct metadata *metadata;
	struct package_pool *pool;
};

static void repositories_release(struct repositories *repositories)
{
	package_pool_freep(&repositories->pool);
	metadata_freep(&repositories->metadata);
	template_freep(&repositories->template);
	*repositories = (struct repositories){ 0 };
}

/* In OpenVZ's form: name, architecture, version. */
static void row(unsigned ctid, const struct installed_package *package, struct command_result *ret)
{
	strbuf_addf(&ret->text, "%-22s %-9s %s%s\n", package->name, package->arch, package->version,
		    package->automatic ? " (a dependency)" : "");
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

static bool same_strings(const struct strvec *a, const struct strvec *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

static int read_repositories(struct app *app, const struct fleet_ve *ve,
			     struct repositories *repositories, struct error *err)
{
	const struct fleet_ve *of = repositories->of;

	if (of && of->template == ve->template &&
	    same_strings(&of->applications, &ve->applications))
		return 0;
	repositories_release(repositories);
	if (with_applications(app, ve, &repositories->template, err) < 0 ||
	    app_metadata(app, repositories->template, &repositories->metadata, err) < 0 ||
	    metadata_load(repositories->metadata, app->report, &repositories->pool, err) < 0)
		return -1;
	repositories->of = ve;
	report_phase_end(app->report);
	return 0;
}

static int rows(struct app *app, const struct fleet_ve *ve, struct repositories *repositories,
		struct command_result *ret, struct error *err)
{
	const struct installed *installed = &ve->set->installed;
	autofree bool *wanted = xcalloc(installed->count + 1, sizeof(*wanted));

	if (repositories) {
		if (read_repositories(app, ve, repositories, err) < 0)
			return -1;
		origin_mark_foreign(repositories->pool, installed, wanted);
	}
	for (size_t i = 0; i < installed->count; i++)
		if (!repositories || wanted[i])
			row(ve->ctid, &installed->packages[i], ret);
	return 0;
}

static int all_rows(struct app *app, struct inventory *inventory, bool foreign_only,
		    struct command_result *ret, struct error *err)
{
	AUTO(repositories_release) struct repositories repositories = { 0 };
	size_t failed = 0;

	for (size_t i = 0; i < inventory->count; i++) {
		struct fleet_ve *ve = &inventory->ves[i];
		if (ve->set && inventory->count > 1)
			strbuf_addf(&ret->text, "%s%s:\n", ret->text.length ? "\n" : "", ve->title);
		if (ve->set &&
		    rows(app, ve, foreign_only ? &repositories : NULL, ret, &ve->error) < 0 &&
		    ve->error.kind == ERROR_INTERRUPTED) {
			error_move(err, &ve->error);
			return -1;
		}
		failed += ve->error.kind != ERROR_NONE;
	}
	return failed ? fleet_look_failed(app, inventory, failed, err) : 0;
}

int ve_packages(struct app *app, const struct strvec *words, bool foreign_only,
		struct command_result *ret, struct error *err)
{
	AUTO(inventory_release) struct inventory inventory = INVENTORY_INIT;
	const struct ve_words ves = { .ves = *words };

	if (app_need_root("reading the packages of a VE", err) < 0 ||
	    fleet_look(app, &ves, &inventory, err) < 0)
		return -1;
	return all_rows(app, &inventory, foreign_only, ret, err);
}
