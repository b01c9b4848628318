/*
 * vzpkg resume: goes on with a run over many VEs that was interrupted or killed.
 */
#include "base/cleanup.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/fleet_options.h"
#include "vzpkg/exit_code.h"

static bool json_lines, exit_code_wanted;

static const struct option_row options[] = {
	{ "json-lines", 0, OPTION_FLAG, &json_lines, NULL, "print a JSON record as each VE ends" },
	{ "exit-code", 0, OPTION_FLAG, &exit_code_wanted, NULL,
	  "exit with 100 if there was nothing to do" },
	{ NULL },
};

/* Those that have succeeded stay as they are. */
static int select_rest(const struct app *app, const struct journal *journal,
		       struct ve_selection *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec rest = STRVEC_INIT;
	struct ve_words words = { 0 };

	for (size_t i = 0; i < journal_count(journal); i++)
		if (journal_state(journal, journal_ve(journal, i)) != JOURNAL_DONE)
			strvec_pushf(&rest, "%u", journal_ve(journal, i));
	words.ves = rest;
	return rest.count ? ve_select(&app->host, &words, ret, err) : 0;
}

static void say_what_is_left(const struct app *app, const struct journal *journal,
			     const struct fleet_request *request)
{
	AUTO(strbuf_release) struct strbuf more = STRBUF_INIT;
	size_t count[JOURNAL_DONE + 1] = { 0 }, all = journal_count(journal);

	for (size_t i = 0; i < all; i++)
		count[journal_state(journal, journal_ve(journal, i))]++;
	if (count[JOURNAL_BEGUN])
		strbuf_addf(&more, "; in %zu work was cut off", count[JOURNAL_BEGUN]);
	if (count[JOURNAL_FAILED])
		strbuf_addf(&more, "; in %zu it failed and is tried again", count[JOURNAL_FAILED]);
	report_info(app->report, "going on with \"vzpkg %s\": %zu of %zu VE%s left%s",
		    request->command, all - count[JOURNAL_DONE], all, all == 1 ? " is" : "s are",
		    more.text);
}

static int go_on(struct app *app, struct journal *journal, struct command_result *ret,
		 struct error *err)
{
	AUTO(fleet_request_release) struct fleet_request request = FLEET_REQUEST_INIT;
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;
	AUTO(fleet_repairs_release) struct fleet_repairs repairs = { 0 };
	AUTO(fleet_release)
	struct fleet fleet = { .app = app,
			       .request = &request,
			       .inventory = INVENTORY_INIT,
			       .json_lines = json_lines,
			       .journal = journal };

	if (fleet_request_parse(journal_request(journal), &request, err) < 0 ||
	    select_rest(app, journal, &selection, err) < 0)
		return -1;
	say_what_is_left(app, journal, &request);
	int status = fleet_repair(&fleet, &repairs, err) < 0
			     ? -1
			     : fleet_run(&fleet, &selection, false, ret, err);
	/* Who has nothing to fetch has not looked for what the killed one has left. */
	workdir_sweep(app->host.template_dir);
	return status;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	struct journal *journal = NULL;
	size_t others;

	(void)operands;
	if (app_need_root("resume", err) < 0 ||
	    journal_take_up(app->host.template_dir, &journal, &others, err) < 0)
		return -1;
	if (!journal) {
		report_info(app->report, "no run is unfinished");
		ret->json = json_pack("{s:b}", "resumed", 0);
		ret->status = exit_code_wanted ? EXIT_NOTHING_TO_DO : 0;
		return 0;
	}
	if (others)
		report_info(app->report, "%zu more runs are unfinished: resume again afterwards",
			    others);
	return go_on(app, journal, ret, err);
}

const struct command command_resume = {
	.name = "resume",
	.operands = "",
	.operands_max = 0,
	.summary = "Goes on with an interrupted run over many VEs",
	.options = options,
	.run = run,
};
