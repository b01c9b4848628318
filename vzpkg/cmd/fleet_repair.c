/*
 * Before a run goes on that was killed: VEs in which work was under way.
 */
#include "base/cleanup.h"
#include "runtime/access/look.h"
#include "vzpkg/cmd/fleet.h"
#include "vzpkg/fleet/repair.h"

static int repair(const struct fleet *fleet, unsigned ctid, struct error *err)
{
	const struct app *app = fleet->app;
	AUTO(look_release) struct look look = LOOK_INIT;
	AUTO(template_freep) struct template *template = NULL;

	if (look_at(&app->host, ctid, &look, err) < 0 ||
	    app_template(app, look.config.ostemplate ?: "", &template, err) < 0)
		return -1;
	const struct repair_job job = {
		.host = &app->host,
		.ctid = ctid,
		.template = template,
		.time_limit_s = fleet->request->time_limit_s,
		.lock_timeout_s = app->options.timeout_s,
	};
	return repair_packages(&job, err);
}

int fleet_repair(struct fleet *fleet, struct error *err)
{
	const struct journal *journal = fleet->journal;

	for (size_t i = 0; i < journal_count(journal); i++) {
		unsigned ctid = journal_ve(journal, i);
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (journal_state(journal, ctid) != JOURNAL_BEGUN || repair(fleet, ctid, &why) == 0)
			continue;
		if (why.kind == ERROR_INTERRUPTED) {
			error_move(err, &why);
			return -1;
		}
		report_warning(fleet->app->report, NULL, "%u: %s", ctid, why.message);
	}
	return 0;
}
