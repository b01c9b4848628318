#include "vzpkg/cmd/fleet_options.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/cleanup.h"

enum { TIME_LIMIT_S = 1800 };

struct fleet_options fleet_options;

static int number(const char *option, const char *text, unsigned long least, unsigned long most,
		  unsigned *ret, struct error *err)
{
	char *end = NULL;
	unsigned long value;

	if (!text)
		return 0;
	value = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : 0;
	if (end && !*end && value >= least && value <= most) {
		*ret = (unsigned)value;
		return 0;
	}
	error_set(err, ERROR_USAGE, "--%s is \"%s\" and not a number from %lu to %lu", option, text,
		  least, most);
	return error_hint(err, "\"vzpkg COMMAND --help\" describes it");
}

static int take_controls(struct fleet_request *request, struct error *err)
{
	const struct fleet_options *options = &fleet_options;

	request->time_limit_s = TIME_LIMIT_S;
	request->rollback = options->rollback;
	request->failures_limited = options->failures_max;
	if (number("jobs", options->jobs, 1, 64, &request->jobs, err) < 0 ||
	    number("max-failures", options->failures_max, 0, 1000000, &request->failures_max, err) <
		    0 ||
	    number("time-limit", options->time_limit, 1, 86400, &request->time_limit_s, err) < 0)
		return -1;
	return options->canary ? fleet_canary_parse(options->canary, request, err) : 0;
}

int fleet_take_ves(const char *command, const struct strvec *operands, size_t *next,
		   struct error *err)
{
	struct ve_words *words = &fleet_options.words;

	*next = 0;
	if (ve_words_given(words))
		return 0;
	if (!operands->count) {
		error_set(err, ERROR_USAGE, "%s: which VEs?", command);
		return error_hint(err, "name one, or several (101,105-140), or use --all, "
				       "--template or --ve");
	}
	strvec_push(&words->ves, operands->items[(*next)++]);
	return 0;
}

/* A file is found again by who goes on with the run, wherever he is. */
static void add_object(struct fleet_request *request, const char *word)
{
	autofree char *path = request->kind == FLEET_FILES ? realpath(word, NULL) : NULL;
	strvec_push(&request->objects, path ?: word);
}

static int take_operands(struct fleet_request *request, const struct strvec *operands,
			 bool need_objects, struct error *err)
{
	size_t next;

	if (fleet_take_ves(request->command, operands, &next, err) < 0)
		return -1;
	for (; next < operands->count; next++)
		add_object(request, operands->items[next]);
	if (!need_objects || request->objects.count)
		return 0;
	error_set(err, ERROR_USAGE, "%s: what?", request->command);
	if (request->kind == FLEET_FILES)
		return error_hint(err, "usage: vzpkg %s VE FILE…", request->command);
	return error_hint(err,
			  "usage: vzpkg %s VE NAME…; \"vzpkg list -A\" lists the application "
			  "templates",
			  request->command);
}

static int take_kind(struct fleet_request *request, struct error *err)
{
	if (request->kind == FLEET_FILES)
		return 0;
	if (fleet_options.packages && fleet_options.groups) {
		error_set(err, ERROR_USAGE, "-p and -g exclude each other");
		return error_hint(err, "use one command for packages and one for groups");
	}
	request->kind = fleet_options.packages ? FLEET_PACKAGES
			: fleet_options.groups ? FLEET_GROUPS
					       : FLEET_APPLICATIONS;
	return 0;
}

int fleet_command(struct app *app, struct fleet_request *request, const struct strvec *operands,
		  bool need_objects, struct command_result *ret, struct error *err)
{
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;
	AUTO(fleet_release)
	struct fleet fleet = { .app = app,
			       .request = request,
			       .inventory = INVENTORY_INIT,
			       .json_lines = fleet_options.json_lines };

	if (app_need_root(request->command, err) < 0 || take_controls(request, err) < 0 ||
	    take_kind(request, err) < 0 ||
	    take_operands(request, operands, need_objects, err) < 0 ||
	    ve_select(&app->host, &fleet_options.words, &selection, err) < 0)
		return -1;
	return fleet_run(&fleet, &selection, fleet_options.dry_run, ret, err);
}
