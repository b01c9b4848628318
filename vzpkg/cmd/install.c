/*
 * vzpkg install: application templates, packages or groups into VEs.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet_options.h"

static bool force;

static const struct option_row options[] = {
	FLEET_SELECTORS,
	FLEET_OBJECTS,
	FLEET_CONTROLS,
	{ "force", 'f', OPTION_FLAG, &force, NULL,
	  NULL }, /* libvzctl's; nothing is refused that it could force */
	{ NULL },
};

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(fleet_request_release) struct fleet_request request = FLEET_REQUEST_INIT;

	request.command = "install";
	request.verb = CHANGE_INSTALL;
	return fleet_command(app, &request, operands, true, ret, err);
}

const struct command command_install = {
	.name = "install",
	.operands = "VE,… NAME…",
	.operands_max = 1000,
	.summary = "Installs application templates or packages into VEs",
	.options = options,
	.run = run,
};
