/*
 * vzpkg clean: forgets what was downloaded. Options are OpenVZ's.
 */
#include <inttypes.h>

#include "base/cleanup.h"
#include "vzpkg/cache/collect.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/metadata/tidy.h"

static bool packages, all;

static const struct option_row options[] = {
	{ "clean-packages", 'k', OPTION_FLAG, &packages, NULL,
	  "the packages instead of the repositories' metadata" },
	{ "clean-all", 'a', OPTION_FLAG, &all, NULL, "both" },
	{ NULL },
};

struct sum {
	size_t files;
	uint64_t bytes;
};

static void collected(const char *kind, const char *name, uint64_t size, void *data)
{
	struct sum *sum = data;
	(void)kind;
	(void)name;
	sum->files++;
	sum->bytes += size;
}

static int clean_packages(struct app *app, struct sum *sum, struct error *err)
{
	AUTO(collect_release)
	struct collect collect = {
		.template_dir = app->host.template_dir,
		.pm = app_pm(app, err),
		.timeout_s = app->options.timeout_s,
		.collected = collected,
		.data = sum,
	};
	if (collect.pm < 0 || collect_all_packages(&collect, err) < 0)
		return -1;
	if (!collect.damaged.count)
		return 0;
	error_set(err, ERROR_PARSE, "the packages were left alone: %s", collect.damaged.items[0]);
	return error_hint(err, "write that lock file anew, or remove it; then run it again");
}

static int clean_metadata(struct app *app, struct sum *sum, struct error *err)
{
	int pm = app_pm(app, err);
	int files = pm < 0 ? -1 : metadata_clean(pm, app->options.timeout_s, &sum->bytes, err);
	sum->files = files < 0 ? 0 : (size_t)files;
	return files < 0 ? -1 : 0;
}

static void show(const char *what, const struct sum *sum, struct command_result *ret)
{
	strbuf_addf(&ret->text, "%s: %zu files, %.1f MB\n", what, sum->files,
		    (double)sum->bytes / 1e6);
	json_object_set_new(ret->json, what,
			    json_pack("{s:I s:I}", "files", (json_int_t)sum->files, "size",
				      (json_int_t)sum->bytes));
}

static int check_operands(struct app *app, const struct strvec *operands, struct error *err)
{
	for (size_t i = 0; i < operands->count; i++) {
		AUTO(template_freep) struct template *template = NULL;
		if (app_template(app, operands->items[i], &template, err) < 0)
			return -1;
	}
	if (operands->count)
		report_info(app->report, "what was downloaded is shared by all templates, and goes "
					 "for all of them");
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	struct sum of_packages = { 0 }, of_metadata = { 0 };

	if (app_need_root("clean", err) < 0 || check_operands(app, operands, err) < 0)
		return -1;
	ret->json = json_object();
	if (!packages || all) {
		if (clean_metadata(app, &of_metadata, err) < 0)
			return -1;
		show("metadata", &of_metadata, ret);
	}
	if (packages || all) {
		if (clean_packages(app, &of_packages, err) < 0)
			return -1;
		show("packages", &of_packages, ret);
	}
	return 0;
}

const struct command command_clean = {
	.name = "clean",
	.operands = "[TEMPLATE…]",
	.operands_max = 1000,
	.summary = "Forgets downloaded metadata, packages, or both",
	.options = options,
	.run = run,
};
