/*
 * The packages that a VE has, for "vzpkg list VE -p".
 */
#pragma once

#include "vzpkg/cmd/command.h"

/*
 * Adds a row for each to the result, whose JSON is an array; with `foreign_only` for those that are in no repository of its OS template
 * and its applications. Reads the VE as inventory.h does.
 */
int ve_packages(struct app *app, unsigned ctid, bool foreign_only, struct command_result *ret,
		struct error *err);
