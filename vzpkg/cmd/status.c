/*
 * vzpkg status: whether a cache (or a VE: fleet_status.h) is what its repositories and its template would give today, and if not, which packages differ.
 */
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/each_template.h"
#include "vzpkg/cmd/fleet_status.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/package_changes.h"
#include "vzpkg/cmd/security.h"
#include "vzpkg/exit_code.h"

static bool all;
static size_t outdated;

static const struct option_row options[] = {
	{ "all", 'a', OPTION_FLAG, &all, NULL, "each template that has a cache" },
	{ NULL },
};

static json_t *planned(const struct app_plan *solved)
{
	const struct plan *plan = solved->plan;
	json_t *array = json_array();

	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(array, manifest_package(plan, &plan->packages[i]));
	return array;
}

static size_t count_urgent(const json_t *changes)
{
	size_t count = 0;
	for (size_t i = 0; i < json_array_size(changes); i++)
		count += json_is_true(json_object_get(json_array_get(changes, i), "security"));
	return count;
}

static void changes_text(const json_t *changes, bool known, struct strbuf *text)
{
	size_t urgent = count_urgent(changes);

	package_changes_text(changes, security_note, text);
	if (known)
		strbuf_addf(text, "%zu of them %s security update%s\n", urgent,
			    urgent == 1 ? "is a" : "are", urgent == 1 ? "" : "s");
	else
		strbuf_adds(text, "which of them are security updates is not known\n");
}

static const char *in_words(const json_t *manifest, bool same_template, size_t changes)
{
	if (!manifest_same_build(manifest))
		return changes ? "packages have changed, and another version of vzpkg has built it"
			       : "another version of vzpkg has built it";
	if (!same_template)
		return changes ? "packages and its lists, scripts or keys have changed"
			       : "its lists, scripts or keys have changed";
	return changes ? "packages have changed" : "up to date";
}

static json_t *compare(const struct template *template, const json_t *manifest,
		       const json_t *changes, bool known, bool pinned, struct strbuf *text)
{
	bool same_template = manifest_same_template(manifest, template);
	size_t count = json_array_size(changes);
	bool current = same_template && !count;

	outdated += !current;
	strbuf_addf(text, "%s: %s%s\n", template->text, in_words(manifest, same_template, count),
		    pinned ? " (pinned: it is not refreshed)" : "");
	if (count)
		changes_text(changes, known, text);
	return json_pack("{s:s s:b s:b s:b s:o s:o}", "template", template->text, "up_to_date",
			 current, "template_changed", !same_template, "pinned", pinned,
			 "security_updates",
			 known ? json_integer((json_int_t)count_urgent(changes)) : json_null(),
			 "changes", package_changes_json(changes));
}

static json_t *status(struct app *app, const struct template *template, struct strbuf *text,
		      struct error *err)
{
	AUTO(app_plan_release) struct app_plan solved = APP_PLAN_INIT;
	AUTO(manifest_release) json_t *manifest = NULL, *after = NULL, *changes = NULL;
	const char *dir = app->host.template_dir;
	bool known;

	if (generation_manifest(dir, template->text, 0, &manifest, err) < 0 ||
	    app_plan(app, template, NULL, &solved, err) < 0)
		return NULL;
	after = planned(&solved);
	changes = package_changes(json_object_get(manifest, "packages"), after, template->format);
	if (security_mark(app, &solved, changes, &known, err) < 0)
		return NULL;
	return compare(template, manifest, changes, known,
		       generation_template_pinned(dir, template->text), text);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	if (fleet_status_concerns(app, operands))
		return fleet_status(app, operands, ret, err);
	if (each_template(app, operands, all, status, ret, err) < 0)
		return -1;
	ret->status = outdated ? exit_code(ERROR_STALE) : 0;
	return 0;
}

const struct command command_status = {
	.name = "status",
	.operands = "[TEMPLATE… | VE…]",
	.operands_max = 1000,
	.summary = "Says whether caches or VEs are up to date, or which packages are newer",
	.options = options,
	.run = run,
};
