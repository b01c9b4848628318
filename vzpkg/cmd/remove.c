/*
 * vzpkg remove: application templates, packages or groups from VEs.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet_options.h"

static bool dependants, unneeded, purge;

static const struct option_row options[] = {
	FLEET_SELECTORS,
	FLEET_OBJECTS,
	{ "with-depends", 'w', OPTION_FLAG, &dependants, NULL,
	  "remove the packages that need them too" },
	{ "autoremove", 0, OPTION_FLAG, &unneeded, NULL,
	  "remove what came as their dependency and nothing needs any more, too" },
	{ "purge", 0, OPTION_FLAG, &purge, NULL, "remove their configuration files too" },
	FLEET_CONTROLS,
	{ NULL },
};

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(fleet_request_release) struct fleet_request request = FLEET_REQUEST_INIT;

	request.command = "remove";
	request.verb = CHANGE_ERASE;
	request.dependants = dependants;
	request.unneeded = unneeded;
	request.purge = purge;
	return fleet_command(app, &request, operands, true, ret, err);
}

const struct command command_remove = {
	.name = "remove",
	.operands = "VE,… NAME…",
	.operands_max = 1000,
	.summary = "Removes application templates or packages from VEs",
	.options = options,
	.run = run,
};
