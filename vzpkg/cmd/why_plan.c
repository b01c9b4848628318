#include "vzpkg/cmd/why_plan.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/option.h"
#include "base/alloc.h"

static const char needed_by[] = "needed by ";

static const struct plan_package *find(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->packages[i].name, name) == 0)
			return &plan->packages[i];
	return NULL;
}

static int not_planned(const struct plan *plan, const char *template, const char *name,
		       struct error *err)
{
	autofree const char **names = xcalloc(plan->count + 1, sizeof(*names));

	for (size_t i = 0; i < plan->count; i++)
		names[i] = plan->packages[i].name;
	const char *near = nearest_word(name, names);
	error_set(err, ERROR_UNSATISFIABLE, "%s would not be in %s", name, template);
	error_subject(err, "%s", name);
	return near ? error_hint(err, "did you mean %s?", near) : -1;
}

/* Each package of a plan says why it is in it: "needed by NAME", or a reason of its own, at which it ends. */
static void follow(const struct plan *plan, const struct plan_package *package, json_t *links,
		   struct strbuf *text)
{
	for (size_t steps = 0; package && steps < plan->count; steps++) {
		const char *reason = package->reason ?: "needed";
		bool further = strncmp(reason, needed_by, strlen(needed_by)) == 0;
		bool asked = strcmp(reason, "asked for") == 0;
		json_array_append_new(links, json_pack("{s:s s:s s:s s:s}", "name", package->name,
						       "version", package->version, "arch",
						       package->arch, "reason", reason));
		if (further)
			strbuf_addf(text, "%s%s", steps ? ", which is " : "", reason);
		else
			strbuf_addf(text, "%s %s %s", steps ? ", which" : "it",
				    asked ? "was" : "is", reason);
		package = further ? find(plan, reason + strlen(needed_by)) : NULL;
	}
}

int why_in_plan(struct app *app, const char *name_of_template, const char *name,
		struct command_result *ret, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(app_plan_release) struct app_plan solved = APP_PLAN_INIT;

	if (app_template(app, name_of_template, &template, err) < 0 ||
	    app_plan(app, template, NULL, &solved, err) < 0)
		return -1;
	const struct plan_package *package = find(solved.plan, name);
	if (!package)
		return not_planned(solved.plan, template->text, name, err);
	json_t *links = json_array();
	strbuf_addf(&ret->text, "%s %s would be in %s: ", name, package->version, template->text);
	follow(solved.plan, package, links, &ret->text);
	strbuf_addc(&ret->text, '\n');
	ret->json = json_pack("{s:s s:s s:s s:o}", "package", name, "template", template->text,
			      "version", package->version, "links", links);
	return 0;
}
