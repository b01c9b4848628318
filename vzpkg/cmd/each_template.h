/*
 * A command that does the same to several templates: one's failure does not keep the others from being done.
 */
#pragma once

#include "vzpkg/app.h"
#include "vzpkg/cmd/command.h"

/*
 * Does it to one template: adds its lines to `text` and returns its JSON object, which the caller owns; NULL with an
 * error. An interruption ends all of it.
 */
typedef json_t *template_action(struct app *app, const struct template *template,
				struct strbuf *text, struct error *err);

/*
 * To each of the operands or, without any or with `all`, to each template that has a cache. Fills in the result, whose
 * "templates" is an array of what `act` returned. If one of several fails, ERROR_PARTIAL is the end of it; of a single one, its own
 * error.
 */
int each_template(struct app *app, const struct strvec *operands, bool all, template_action *act,
		  struct command_result *ret, struct error *err);

/* Which ones those are: the operands, each once, or without any or with `all` the templates that have a cache. */
int each_template_names(const struct app *app, const struct strvec *operands, bool all,
			struct strvec *names, struct error *err);
