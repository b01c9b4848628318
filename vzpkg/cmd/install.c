/*
 * vzpkg install: application templates into a VE.
 */
#include "base/cleanup.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "vzpkg/cmd/application.h"
#include "vzpkg/cmd/command.h"

static bool force;

static const struct option_row options[] = {
	{ "force", 'f', OPTION_FLAG, &force, NULL, NULL },
	{ NULL },
};

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(template_freep) struct template *template = NULL;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	unsigned ctid;

	(void)ret;
	if (app_need_root("install", err) < 0 ||
	    ctid_find(&app->host, operands->items[0], &ctid, err) < 0 ||
	    ve_config_load(&app->host, ctid, &config, err) < 0)
		return -1;
	if (!config.ostemplate) {
		error_set(err, ERROR_NO_TEMPLATE, "the VE %u has no OS template", ctid);
		return error_hint(err, "its configuration has no OSTEMPLATE");
	}
	if (app_template(app, config.ostemplate, &template, err) < 0)
		return -1;
	for (size_t i = 1; i < operands->count; i++)
		application_names(operands->items[i], &names);
	return application_check(template, &names, err);
}

const struct command command_install = {
	.name = "install",
	.operands = "VE APPLICATION…",
	.operands_min = 2,
	.operands_max = 1000,
	.summary = "Installs application templates into a VE",
	.options = options,
	.run = run,
};
