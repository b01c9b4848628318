/*
 * The options that commands for the packages of VEs have in common, and from them to a run.
 */
#pragma once

#include "base/option.h"
#include "vzpkg/cmd/fleet.h"

struct fleet_options {
	struct ve_words words;
	bool dry_run, rollback, json_lines, packages, groups, templates;
	const char *jobs, *canary, *failures_max, *time_limit;
};

extern struct fleet_options fleet_options;

/* Which VEs. */
#define FLEET_SELECTORS                                                                            \
	{ "all", 0, OPTION_FLAG, &fleet_options.words.all, NULL, "all VEs of this host" },         \
		{ "ve",        0,                                                                  \
		  OPTION_LIST, &fleet_options.words.ves,                                           \
		  "VE,…",      "these VEs: numbers, names, ranges (105-140), patterns ('web*')" }, \
		{ "template",  0,                                                                  \
		  OPTION_LIST, &fleet_options.words.templates,                                     \
		  "TEMPLATE",  "the VEs that were made from this OS template" },                   \
	{                                                                                          \
		"skip", 0, OPTION_LIST, &fleet_options.words.skip, "VE,…", "but not these VEs"     \
	}

/* How. */
#define FLEET_CONTROLS                                                                        \
	{ "check-only",           'n',  OPTION_FLAG,                                          \
	  &fleet_options.dry_run, NULL, "show what would be done, and do nothing" },          \
		{ "jobs",                                                                     \
		  'j',                                                                        \
		  OPTION_STRING,                                                              \
		  &fleet_options.jobs,                                                        \
		  "N",                                                                        \
		  "work in so many VEs at a time; otherwise as many as the host can bear" },  \
		{ "canary",                                                                   \
		  0,                                                                          \
		  OPTION_STRING,                                                              \
		  &fleet_options.canary,                                                      \
		  "N|N%",                                                                     \
		  "do so many VEs first; if one of them fails, leave the rest as they are" }, \
		{ "max-failures",                                                             \
		  0,                                                                          \
		  OPTION_STRING,                                                              \
		  &fleet_options.failures_max,                                                \
		  "N",                                                                        \
		  "begin no more VEs when more than so many have failed" },                   \
		{ "rollback",  0,                                                             \
		  OPTION_FLAG, &fleet_options.rollback,                                       \
		  NULL,        "take a VE in which it fails back to what it was" },           \
		{ "time-limit",  0,                                                           \
		  OPTION_STRING, &fleet_options.time_limit,                                   \
		  "SECONDS",     "for each VE (default 1800)" },                              \
	{                                                                                     \
		"json-lines", 0, OPTION_FLAG, &fleet_options.json_lines, NULL,                \
			"print a JSON record as each VE ends"                                 \
	}

/* What the operands after the VEs are. */
#define FLEET_OBJECTS                                                    \
	{ "packages",  'p',                                              \
	  OPTION_FLAG, &fleet_options.packages,                          \
	  NULL,        "the names are those of packages" },              \
	{                                                                \
		"groups", 'g', OPTION_FLAG, &fleet_options.groups, NULL, \
			"the names are those of groups of packages"      \
	}

/* Takes the first operand for the VEs if no option says which; *next is the operand after that. ERROR_USAGE. */
int fleet_take_ves(const char *command, const struct strvec *operands, size_t *next,
		   struct error *err);

/*
 * Completes the words by the operands: the first says which VEs if no option does; the rest are the objects. Runs it.
 * `need_objects`: none is ERROR_USAGE.
 */
int fleet_command(struct app *app, struct fleet_request *request, const struct strvec *operands,
		  bool need_objects, struct command_result *ret, struct error *err);
