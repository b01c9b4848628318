/*
 * vzpkg update-cache: brings caches up to date; several at a time, each by a run of its own.
 */
#include <ctype.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/each_template.h"
#include "vzpkg/cmd/refresh.h"
#include "vzpkg/cmd/side_by_side.h"
#include "vzpkg/exit_code.h"

static bool all, exit_code_wanted;
static unsigned jobs;
static struct refresh_options refresh;
static const char *max_age;

static const struct option_row options[] = {
	{ "all", 'a', OPTION_FLAG, &all, NULL, "each template that has a cache" },
	{ "dry-run", 'n', OPTION_FLAG, &refresh.dry_run, NULL,
	  "say what would change, and change nothing" },
	{ "force", 'f', OPTION_FLAG, &refresh.force, NULL,
	  "build it anew even if nothing has changed" },
	{ "clean", 0, OPTION_FLAG, &refresh.clean, NULL,
	  "build from nothing what has to be built" },
	{ "max-age", 0, OPTION_STRING, &max_age, "AGE",
	  "leave alone what is younger: 12h, 7d, 2w (default: nothing)" },
	{ "jobs", 'j', OPTION_NUMBER, &jobs, "N",
	  "so many templates at a time (default: as the host can bear)" },
	{ "exit-code", 0, OPTION_FLAG, &exit_code_wanted, NULL,
	  "exit with 100 if there was nothing to do" },
	{ NULL },
};

/* "12h" as seconds; 0 without one. */
static int parse_age(int64_t *ret, struct error *err)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	char *end;

	*ret = 0;
	if (!max_age)
		return 0;
	long value = strtol(max_age, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (isdigit((unsigned char)*max_age) && value < 100000 && *end == units[i].unit &&
		    !end[1]) {
			*ret = value * units[i].seconds;
			return 0;
		}
	error_set(err, ERROR_USAGE, "--max-age: \"%s\" is no age", max_age);
	return error_hint(err, "give a number and one of s, m, h, d, w: 12h, 7d");
}

static json_t *update(struct app *app, const struct template *template, struct strbuf *text,
		      struct error *err)
{
	json_t *row = refresh_template(app, template, &refresh, err);
	if (row)
		refresh_print(row, text);
	return row;
}

/* For a run of one of the templates. */
static void repeat_options(struct strvec *words)
{
	strvec_push(words, "update-cache");
	if (refresh.dry_run)
		strvec_push(words, "--dry-run");
	if (refresh.force)
		strvec_push(words, "--force");
	if (refresh.clean)
		strvec_push(words, "--clean");
	if (max_age)
		strvec_pushf(words, "--max-age=%s", max_age);
}

static int update_several(struct app *app, const struct strvec *names, struct command_result *ret,
			  struct error *err)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	struct side_by_side job = {
		.app = app,
		.names = names,
		.words = &words,
		.jobs = jobs ?: side_by_side_jobs(),
		.phase = "refreshing templates",
		.print = refresh_print,
	};
	repeat_options(&words);
	return side_by_side_run(&job, ret, err);
}

static bool had_work(const json_t *result)
{
	size_t i;
	json_t *row;

	json_array_foreach(json_object_get(result, "templates"), i,
			   row) if (refresh_had_work(row)) return true;
	return false;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (app_need_root("update-cache", err) < 0 || parse_age(&refresh.max_age_s, err) < 0 ||
	    each_template_names(app, operands, all, &names, err) < 0)
		return -1;
	int status = names.count > 1 ? update_several(app, &names, ret, err)
				     : each_template(app, &names, false, update, ret, err);
	ret->status = exit_code_wanted && !had_work(ret->json) ? EXIT_NOTHING_TO_DO : 0;
	return status;
}

const struct command command_update_cache = {
	.name = "update-cache",
	.operands = "[TEMPLATE…]",
	.operands_max = 1000,
	.summary = "Brings caches up to date, at the cost of what has changed",
	.options = options,
	.run = run,
};
