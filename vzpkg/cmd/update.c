/*
 * vzpkg update: packages of VEs to their newest versions.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet_options.h"

static const struct option_row options[] = {
	FLEET_SELECTORS,
	FLEET_OBJECTS,
	FLEET_CONTROLS,
	{ NULL },
};

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(fleet_request_release) struct fleet_request request = FLEET_REQUEST_INIT;

	request.command = "update";
	request.verb = CHANGE_UPDATE;
	return fleet_command(app, &request, operands, false, ret, err);
}

const struct command command_update = {
	.name = "update",
	.operands = "VE,… [NAME…]",
	.operands_max = 1000,
	.summary = "Brings the packages of VEs up to date",
	.options = options,
	.run = run,
};
