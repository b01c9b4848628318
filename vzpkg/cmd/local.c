/*
 * vzpkg localinstall, localupdate: package files of the host into VEs, with what they need from the repositories.
 */
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet_options.h"

static const struct option_row options[] = {
	FLEET_SELECTORS,
	FLEET_CONTROLS,
	{ NULL },
};

static int run(struct app *app, const char *command, enum change_verb verb,
	       const struct strvec *operands, struct command_result *ret, struct error *err)
{
	AUTO(fleet_request_release) struct fleet_request request = FLEET_REQUEST_INIT;

	request.command = command;
	request.verb = verb;
	request.kind = FLEET_FILES;
	return fleet_command(app, &request, operands, true, ret, err);
}

static int run_install(struct app *app, const struct strvec *operands, struct command_result *ret,
		       struct error *err)
{
	return run(app, "localinstall", CHANGE_INSTALL, operands, ret, err);
}

static int run_update(struct app *app, const struct strvec *operands, struct command_result *ret,
		      struct error *err)
{
	return run(app, "localupdate", CHANGE_UPDATE, operands, ret, err);
}

const struct command command_localinstall = {
	.name = "localinstall",
	.operands = "VE,… FILE…",
	.operands_max = 1000,
	.summary = "Installs package files into VEs",
	.options = options,
	.run = run_install,
};

const struct command command_localupdate = {
	.name = "localupdate",
	.operands = "VE,… FILE…",
	.operands_max = 1000,
	.summary = "Installs package files into those VEs that have an earlier version",
	.options = options,
	.run = run_update,
};
