/* For commands that only look at VEs. */
#pragma once

#include "vzpkg/app.h"
#include "vzpkg/fleet/inventory.h"

/* The inventory of a selection, with the locks and templates that the program's options say. */
int fleet_look_at(struct app *app, const struct ve_selection *selection, struct inventory *ret,
		  struct error *err);

/* The VEs that the words mean, and what they have. What is wrong with one is in it. */
int fleet_look(struct app *app, const struct ve_words *words, struct inventory *ret,
	       struct error *err);

/* Of those that have an error, `failed` of them: a warning each and ERROR_PARTIAL, or, of a single VE, its own error. Returns -1. */
int fleet_look_failed(struct app *app, struct inventory *inventory, size_t failed,
		      struct error *err);
