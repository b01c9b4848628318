#include "vzpkg/cmd/fleet_look.h"

#include "base/cleanup.h"

int fleet_look_at(struct app *app, const struct ve_selection *selection, struct inventory *ret,
		  struct error *err)
{
	const struct template_source source = app_template_source(app);
	const struct inventory_options options = {
		.host = &app->host,
		.source = &source,
		.report = app->report,
		.timeout_s = app->options.timeout_s,
		.skip_lock = app->options.skip_lock,
	};

	return inventory_take(&options, selection, ret, err);
}

int fleet_look(struct app *app, const struct ve_words *words, struct inventory *ret,
	       struct error *err)
{
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;

	if (ve_select(&app->host, words, &selection, err) < 0)
		return -1;
	return fleet_look_at(app, &selection, ret, err);
}

int fleet_look_failed(struct app *app, struct inventory *inventory, size_t failed,
		      struct error *err)
{
	for (size_t i = 0; i < inventory->count; i++) {
		struct fleet_ve *ve = &inventory->ves[i];
		if (ve->error.kind == ERROR_NONE)
			continue;
		if (inventory->count == 1) {
			error_move(err, &ve->error);
			error_subject(err, "%s", ve->title);
			return error_wrap(err, "%s", ve->title);
		}
		report_warning(app->report, ve->title, "%s: %s", ve->title, ve->error.message);
	}
	error_set(err, ERROR_PARTIAL, "%zu of %zu VEs cannot be looked into", failed,
		  inventory->count);
	return error_hint(err, "what is wrong with each is said above");
}
