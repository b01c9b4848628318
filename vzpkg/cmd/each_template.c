#include "vzpkg/cmd/each_template.h"

#include "base/cleanup.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/exit_code.h"

int each_template_names(const struct app *app, const struct strvec *operands, bool all,
			struct strvec *names, struct error *err)
{
	AUTO(strvec_release) struct strvec cached = STRVEC_INIT;

	if (all && operands->count) {
		error_set(err, ERROR_USAGE, "either templates are named, or --all is given");
		return error_hint(err, "--all means each template that has a cache");
	}
	for (size_t i = 0; i < operands->count; i++)
		if (!strvec_contains(names, operands->items[i]))
			strvec_push(names, operands->items[i]);
	if (operands->count)
		return 0;
	if (generation_names(app->host.template_dir, &cached, err) < 0)
		return -1;
	/* Tarballs of others lie there too, and are theirs to bring up to date. */
	for (size_t i = 0; i < cached.count; i++)
		if (generation_is_ours(app->host.template_dir, cached.items[i]))
			strvec_push(names, cached.items[i]);
	if (!names->count)
		report_info(app->report, "no template has a cache; nothing is to be done");
	return 0;
}

static int one(struct app *app, const char *name, template_action *act, json_t *rows,
	       struct strbuf *text, struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;

	if (app_template(app, name, &template, err) < 0)
		return -1;
	json_t *row = act(app, template, text, err);
	report_phase_end(app->report);
	if (!row)
		return -1;
	json_array_append_new(rows, row);
	return 0;
}

int each_template(struct app *app, const struct strvec *operands, bool all, template_action *act,
		  struct command_result *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	size_t failed = 0;

	if (each_template_names(app, operands, all, &names, err) < 0)
		return -1;
	json_t *rows = json_array();
	ret->json = json_pack("{s:o}", "templates", rows);
	for (size_t i = 0; i < names.count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (one(app, names.items[i], act, rows, &ret->text, &why) == 0)
			continue;
		if (names.count == 1 || why.kind == ERROR_INTERRUPTED) {
			error_move(err, &why);
			return -1;
		}
		error_wrap(&why, "%s", names.items[i]);
		report_error(app->report, &why, exit_code(why.kind));
		failed++;
	}
	if (!failed)
		return 0;
	error_set(err, ERROR_PARTIAL, "%zu of %zu templates failed", failed, names.count);
	return error_hint(err, "what went wrong with each is said above");
}
