/*
 * vzpkg status: whether a cache is what its repositories and its template would give today, and if not, which packages differ.
 */
#include <string.h>

#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/each_template.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/cmd/package_changes.h"
#include "vzpkg/exit_code.h"

static bool all;
static size_t outdated;

static const struct option_row options[] = {
	{ "all", 'a', OPTION_FLAG, &all, NULL, "each template that has a cache" },
	{ NULL },
};

static bool has_word(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

/* Debian-Security, bookworm-security. What is urgent of rpm's repositories is in a file of its own (updateinfo), which is not read. */
static bool is_security(const struct metadata_repository *repository)
{
	return has_word(repository->label, "security") || has_word(repository->suite, "security") ||
	       has_word(repository->codename, "security");
}

static json_t *planned(const struct app_plan *solved)
{
	const struct plan *plan = solved->plan;
	json_t *array = json_array();

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_package *package = &plan->packages[i];
		json_t *row = manifest_package(plan, package);
		json_object_set_new(row, "security",
				    json_boolean(is_security(
					    &solved->metadata->repositories[package->repository])));
		json_array_append_new(array, row);
	}
	return array;
}

static bool is_urgent(const json_t *change)
{
	return json_is_true(json_object_get(json_object_get(change, "package"), "security"));
}

static const char *note(const json_t *change)
{
	return is_urgent(change) ? "security" : NULL;
}

static json_t *with_security(const json_t *changes)
{
	json_t *rows = package_changes_json(changes);
	for (size_t i = 0; i < json_array_size(rows); i++)
		json_object_set_new(json_array_get(rows, i), "security",
				    json_boolean(is_urgent(json_array_get(changes, i))));
	return rows;
}

static size_t count_urgent(const json_t *changes)
{
	size_t count = 0;
	for (size_t i = 0; i < json_array_size(changes); i++)
		count += is_urgent(json_array_get(changes, i));
	return count;
}

static json_t *compare(const struct template *template, const json_t *manifest,
		       const json_t *changes, bool pinned, struct strbuf *text)
{
	bool same_template = manifest_same_template(manifest, template);
	size_t count = json_array_size(changes), urgent = count_urgent(changes);
	bool current = same_template && !count;

	outdated += !current;
	strbuf_addf(text, "%s: %s%s\n", template->text,
		    current         ? "up to date"
		    : !count        ? "its lists, scripts or keys have changed"
		    : same_template ? "packages have changed"
				    : "packages and its lists, scripts or keys have changed",
		    pinned ? " (pinned: it is not refreshed)" : "");
	if (count) {
		package_changes_text(changes, note, text);
		strbuf_addf(text, "%zu of them %s security update%s\n", urgent,
			    urgent == 1 ? "is a" : "are", urgent == 1 ? "" : "s");
	}
	return json_pack("{s:s s:b s:b s:b s:I s:o}", "template", template->text, "up_to_date",
			 current, "template_changed", !same_template, "pinned", pinned,
			 "security_updates", (json_int_t)urgent, "changes", with_security(changes));
}

static json_t *status(struct app *app, const struct template *template, struct strbuf *text,
		      struct error *err)
{
	AUTO(app_plan_release) struct app_plan solved = APP_PLAN_INIT;
	AUTO(manifest_release) json_t *manifest = NULL, *after = NULL, *changes = NULL;
	const char *dir = app->host.template_dir;

	if (generation_manifest(dir, template->text, 0, &manifest, err) < 0 ||
	    app_plan(app, template, NULL, &solved, err) < 0)
		return NULL;
	after = planned(&solved);
	changes = package_changes(json_object_get(manifest, "packages"), after, template->format);
	return compare(template, manifest, changes, generation_template_pinned(dir, template->text),
		       text);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	if (each_template(app, operands, all, status, ret, err) < 0)
		return -1;
	ret->status = outdated ? exit_code(ERROR_STALE) : 0;
	return 0;
}

const struct command command_status = {
	.name = "status",
	.operands = "[TEMPLATE…]",
	.operands_max = 1000,
	.summary = "Says whether caches are up to date, or which packages are newer",
	.options = options,
	.run = run,
};
