/* The part of "vzpkg why" that is about templates. */
#pragma once

#include "vzpkg/app.h"
#include "vzpkg/cmd/command.h"

int why_in_plan(struct app *app, const char *template, const char *name, struct command_result *ret,
		struct error *err);
