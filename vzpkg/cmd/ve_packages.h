/*
 * The packages that VEs have, for "vzpkg list VE -p".
 */
#pragma once

#include "vzpkg/cmd/command.h"

/*
 * Adds a row for each to the result, whose JSON is an array; with `foreign_only` for those that are in no repository of its OS template
 * and its applications. Which VEs: words as of runtime/config/select.h. One's failure is its own: see fleet_look_failed().
 */
int ve_packages(struct app *app, const struct strvec *words, bool foreign_only,
		struct command_result *ret, struct error *err);
