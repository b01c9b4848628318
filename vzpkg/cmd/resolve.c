/*
 * vzpkg resolve: the plan of a template, without building it.
 */
#include <string.h>

#include "base/cleanup.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/manifest.h"

static struct strvec more;
static const char *locked;

static const struct option_row options[] = {
	{ "package", 'p', OPTION_LIST, &more, "NAME", "resolve this package too; may be repeated" },
	{ "locked", 0, OPTION_STRING, &locked, "FILE",
	  "show what this lock file names; without it, what the template's own does, if it has "
	  "one" },
	{ NULL },
};

static void text_of(const struct app_plan *solved, struct strbuf *text)
{
	const struct plan *plan = solved->plan;
	int name_width = 0, version_width = 0;

	for (size_t i = 0; i < plan->count; i++) {
		int name = (int)strlen(plan->packages[i].name);
		int version = (int)strlen(plan->packages[i].version);
		name_width = name > name_width ? name : name_width;
		version_width = version > version_width ? version : version_width;
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_package *package = &plan->packages[i];
		strbuf_addf(text, "%-*s  %-*s  %-6s %9.1f kB  %s\n", name_width, package->name,
			    version_width, package->version, package->arch,
			    (double)package->size / 1e3, package->reason ?: "");
	}
	strbuf_addf(text, "%zu packages, %.1f MB to download, %.1f MB installed\n", plan->count,
		    (double)plan->size / 1e6, (double)plan->installed_size / 1e6);
}

static json_t *json_of(const struct template *template, const struct app_plan *solved)
{
	const struct plan *plan = solved->plan;
	json_t *packages = json_array();

	for (size_t i = 0; i < plan->count; i++) {
		json_t *row = manifest_package(plan, &plan->packages[i]);
		if (plan->packages[i].reason)
			json_object_set_new(row, "reason", json_string(plan->packages[i].reason));
		json_array_append_new(packages, row);
	}
	return json_pack("{s:s s:I s:I s:o}", "template", template->text, "size",
			 (json_int_t)plan->size, "installed_size", (json_int_t)plan->installed_size,
			 "packages", packages);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(app_plan_release) struct app_plan solved = APP_PLAN_INIT;

	if (locked && more.count) {
		error_set(err, ERROR_USAGE, "a lock file names all packages: --package adds none");
		return error_hint(err, "leave --locked out to see what the repositories give");
	}
	app->locked = locked;
	if (app_template(app, operands->items[0], &template, err) < 0 ||
	    app_plan(app, template, &more, &solved, err) < 0)
		return -1;
	text_of(&solved, &ret->text);
	ret->json = json_of(template, &solved);
	return 0;
}

const struct command command_resolve = {
	.name = "resolve",
	.operands = "TEMPLATE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Shows which packages a template would get, without building it",
	.options = options,
	.run = run,
};
