/*
 * vzpkg history: the generations of a template's cache that are kept.
 */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/generation_operand.h"
#include "vzpkg/cmd/layer_users.h"

struct history {
	struct app *app;
	const char *name;
	const struct layer_users *users;
	struct command_result *result;
	json_t *rows;
};

static void row_text(const struct generation *generation, json_int_t packages, const json_t *ves,
		     struct strbuf *text)
{
	char made[32] = "";
	struct tm tm;

	if (localtime_r(&generation->time, &tm))
		strftime(made, sizeof(made), "%Y-%m-%d %H:%M:%S", &tm);
	strbuf_addf(text, "%10u  %-19s  %-11s  %8lld  %7.1f MB  %-14s  ", generation->number, made,
		    generation->incremental ? "incremental" : "clean", (long long)packages,
		    (double)generation->size / 1e6,
		    generation->current && generation->pinned ? "current,pinned"
		    : generation->current                     ? "current"
		    : generation->pinned                      ? "pinned"
							      : "-");
	for (size_t i = 0; i < json_array_size(ves); i++)
		strbuf_addf(text, "%s%lld", i ? "," : "",
			    (long long)json_integer_value(json_array_get(ves, i)));
	strbuf_adds(text, json_array_size(ves) ? "\n" : "-\n");
}

/* One whose manifest is damaged is shown all the same: what there is to go back to matters more. */
static void row(const struct history *history, const struct generation *generation)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const char *template_dir = history->app->host.template_dir;
	json_t *manifest = NULL;

	if (generation_manifest(template_dir, history->name, generation->number, &manifest, &why) <
	    0) {
		autofree char *subject = xasprintf("%s@%u", history->name, generation->number);
		report_warning(history->app->report, subject, "%s: %s", subject, why.message);
	}
	const char *layer = json_string_value(
		json_object_get(json_object_get(manifest, "image"), "gzip_sha256"));
	json_int_t packages = (json_int_t)json_array_size(json_object_get(manifest, "packages"));
	json_t *ves = layer_users_of(history->users, layer);

	row_text(generation, packages, ves, &history->result->text);
	json_array_append_new(
		history->rows,
		json_pack("{s:i s:I s:s s:I s:I s:b s:b s:s? s:o}", "generation",
			  (int)generation->number, "made", (json_int_t)generation->time, "kind",
			  generation->incremental ? "incremental" : "clean", "packages", packages,
			  "size", (json_int_t)generation->size, "current", generation->current,
			  "pinned", generation->pinned, "layer", layer, "ves", ves));
	json_decref(manifest);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(generation_operand_release)
	struct generation_operand operand = GENERATION_OPERAND_INIT;
	AUTO(layer_users_release) struct layer_users users = LAYER_USERS_INIT;
	autofree struct generation *list = NULL;
	size_t count, unread;

	if (generation_operand_parse(app, operands->items[0], &operand, err) < 0 ||
	    generation_list(app->host.template_dir, operand.name, &list, &count, err) < 0 ||
	    layer_users_load(&app->host, &users, &unread, err) < 0)
		return -1;
	bool pinned = generation_template_pinned(app->host.template_dir, operand.name);
	json_t *rows = json_array();
	struct history history = { app, operand.name, &users, ret, rows };

	ret->json = json_pack("{s:s s:b s:o}", "template", operand.name, "pinned", pinned,
			      "generations", rows);
	strbuf_addf(&ret->text, "GENERATION  %-19s  %-11s  PACKAGES  %10s  %-14s  VES\n", "MADE",
		    "KIND", "SIZE", "STATE");
	for (size_t i = 0; i < count; i++)
		if (!operand.number || operand.number == list[i].number)
			row(&history, &list[i]);
	if (unread)
		report_warning(app->report, operand.name,
			       "the configurations of %zu VEs cannot be read: what they use is not "
			       "shown",
			       unread);
	if (pinned)
		report_info(app->report, "%s is pinned: it is not refreshed", operand.name);
	return 0;
}

const struct command command_history = {
	.name = "history",
	.operands = "TEMPLATE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Shows the generations of a cache that are kept, and which VEs use them",
	.run = run,
};
