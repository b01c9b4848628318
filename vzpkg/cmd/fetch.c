/*
 * vzpkg fetch: everything that building a template takes is brought and verified, and nothing is built.
 */
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/worker.h"
#include "vzpkg/cmd/each_template.h"
#include "vzpkg/cmd/packages.h"

static bool all;
static const char *locked;

static const struct option_row options[] = {
	{ "all", 'a', OPTION_FLAG, &all, NULL, "each template that has a cache" },
	{ "locked", 0, OPTION_STRING, &locked, "FILE",
	  "bring what this lock file names; without it, what the template's own does, if it has "
	  "one" },
	{ NULL },
};

static json_t *fetch(struct app *app, const struct template *template, struct strbuf *text,
		     struct error *err)
{
	AUTO(app_plan_release) struct app_plan solved = APP_PLAN_INIT;
	AUTO(packages_release) struct packages packages = PACKAGES_INIT;
	AUTO(store_freep) struct store *store = NULL;
	uint64_t bytes;

	if (app_plan(app, template, NULL, &solved, err) < 0 ||
	    store_open(app_pm(app, err), &store, err) < 0)
		return NULL;
	const struct plan *plan = solved.plan;
	size_t missing = store_missing(store, plan, &bytes);
	if (packages_fill_verified(app, template, &solved, cpu_count(), &packages, err) < 0)
		return NULL;
	strbuf_addf(
		text,
		"%s: %zu packages of %.1f MB are there; %zu of them (%.1f MB) were downloaded\n",
		template->text, plan->count, (double)plan->size / 1e6, missing,
		(double)bytes / 1e6);
	return json_pack("{s:s s:I s:I s:I s:I}", "template", template->text, "packages",
			 (json_int_t)plan->count, "size", (json_int_t)plan->size, "downloaded",
			 (json_int_t)missing, "downloaded_size", (json_int_t)bytes);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	app->locked = locked;
	return each_template(app, operands, all, fetch, ret, err);
}

const struct command command_fetch = {
	.name = "fetch",
	.operands = "[TEMPLATE…]",
	.operands_max = 1000,
	.summary = "Downloads and verifies what building a template takes, and builds nothing",
	.options = options,
	.run = run,
};
