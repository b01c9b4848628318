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
#include "vzpkg/cmd/refresh_report.h"
#include "vzpkg/cmd/side_by_side.h"
#include "vzpkg/exit_code.h"

static bool all, exit_code_wanted, cron, part;
static unsigned jobs;
static struct refresh_options refresh;
static const char *max_age, *healthcheck, *metrics_file;
static struct refresh_report unwatched;

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
	{ "cron", 0, OPTION_FLAG, &cron, NULL,
	  "print nothing unless something has changed or failed; leave if another is at work" },
	{ "healthcheck", 0, OPTION_STRING, &healthcheck, "URL",
	  "tell URL/start, and URL or URL/fail (default: HEALTHCHECK_URL)" },
	{ "metrics", 0, OPTION_STRING, &metrics_file, "FILE",
	  "write metrics for Prometheus there (default: METRICS_FILE)" },
	/* It is one of several that run side by side. */
	{ "part", 0, OPTION_FLAG, &part, NULL, NULL },
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

static void print(const json_t *row, struct strbuf *text)
{
	if (!cron || refresh_had_work(row))
		refresh_print(row, text);
}

/* `row`: NULL if it failed. */
static void ended(const char *name, const json_t *row, const struct error *why)
{
	const struct refresh_outcome outcome = {
		.template = name,
		.seconds = json_real_value(json_object_get(row, "seconds")),
		.changed = json_array_size(json_object_get(row, "changes")),
		.err = row ? NULL : why,
	};
	if (!part && !refresh.dry_run)
		refresh_report_template(&unwatched, &outcome);
}

static json_t *update(struct app *app, const struct template *template, struct strbuf *text,
		      struct error *err)
{
	json_t *row = refresh_template(app, template, &refresh, err);
	ended(template->text, row, err);
	if (row)
		print(row, text);
	return row;
}

/* For a run of one of the templates. */
static void repeat_options(struct strvec *words)
{
	strvec_push(words, "update-cache");
	strvec_push(words, "--part");
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
		.print = print,
		.ended = ended,
	};
	repeat_options(&words);
	return side_by_side_run(&job, ret, err);
}

static bool had_work(const json_t *result)
{
	const json_t *rows = json_object_get(result, "templates");

	for (size_t i = 0; i < json_array_size(rows); i++)
		if (refresh_had_work(json_array_get(rows, i)))
			return true;
	return false;
}

/* With --all those that REFRESH of vzpkg.conf names, if it does. */
static int choose(struct app *app, const struct strvec *operands, struct strvec *names,
		  struct error *err)
{
	if (all && !operands->count)
		strvec_split(names, conf_get_default(&app->variables, "REFRESH", ""));
	return names->count ? 0 : each_template_names(app, operands, all, names, err);
}

static int update_chosen(struct app *app, const struct strvec *operands, struct command_result *ret,
			 struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (choose(app, operands, &names, err) < 0)
		return -1;
	if (!names.count) {
		ret->json = json_pack("{s:[]}", "templates");
		return 0;
	}
	return names.count > 1 ? update_several(app, &names, ret, err)
			       : each_template(app, &names, false, update, ret, err);
}

static int run_reported(struct app *app, const struct strvec *operands, struct command_result *ret,
			struct error *err)
{
	if (part)
		return update_chosen(app, operands, ret, err);
	if (refresh_report_begin(&unwatched, app, metrics_file, healthcheck, err) < 0)
		return -1;
	int result = update_chosen(app, operands, ret, err);
	refresh_report_end(&unwatched, result < 0 ? err : NULL);
	return result;
}

/* Before anybody is told that a refresh begins. 1: another run does it. */
static int be_alone(struct app *app, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (part || (!all && !cron) || refresh_report_alone(&unwatched, app, &why) == 0)
		return 0;
	if (cron && why.kind == ERROR_LOCKED)
		return 1;
	error_move(err, &why);
	return -1;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	if (app_need_root("update-cache", err) < 0 || parse_age(&refresh.max_age_s, err) < 0)
		return -1;
	unwatched = REFRESH_REPORT_INIT;
	unwatched.all = all && !operands->count;
	if (cron)
		report_be_quiet(app->report);
	int status = be_alone(app, err);
	if (status == 0)
		status = run_reported(app, operands, ret, err);
	refresh_report_release(&unwatched);
	if (status == 0 && exit_code_wanted && !had_work(ret->json))
		ret->status = EXIT_NOTHING_TO_DO;
	return status < 0 ? -1 : 0;
}

const struct command command_update_cache = {
	.name = "update-cache",
	.operands = "[TEMPLATE…]",
	.operands_max = 1000,
	.summary = "Brings caches up to date, at the cost of what has changed",
	.options = options,
	.run = run,
};
