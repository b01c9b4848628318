/* The part of "vzpkg status" that is about VEs. */
#pragma once

#include "vzpkg/app.h"
#include "vzpkg/cmd/command.h"

/* true if the operands mean VEs and not templates. */
bool fleet_status_concerns(const struct app *app, const struct strvec *operands);

int fleet_status(struct app *app, const struct strvec *operands, struct command_result *ret,
		 struct error *err);
