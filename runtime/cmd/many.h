/*
 * A command for several VEs, several at a time: each by a process of its own, so that one that fails is that VE's failure and holds up no
 * other. A command takes part by COMMAND_MANY and by having MANY_OPTIONS among its options.
 */
#pragma once

#include "base/option.h"
#include "runtime/cmd/command.h"
#include "runtime/config/select.h"

struct many_options {
	struct ve_words words;
	bool host; /* of start and stop: those that come up and go down with the host (host_ves.h) */
	unsigned jobs; /* VEs at a time; 0: VE_PARALLEL, or four for each CPU */
};

extern struct many_options many_options;

#define MANY_OPTIONS                                                                               \
	{ "all", 0, OPTION_FLAG, &many_options.words.all, NULL, "all VEs of this host" },          \
		{ "ve",        0,                                                                  \
		  OPTION_LIST, &many_options.words.ves,                                            \
		  "VE,…",      "these VEs: numbers, names, ranges (105-140), patterns ('web*')" }, \
		{ "template",  0,                                                                  \
		  OPTION_LIST, &many_options.words.templates,                                      \
		  "TEMPLATE",  "the VEs that were made from this OS template" },                   \
		{ "skip", 0, OPTION_LIST, &many_options.words.skip, "VE,…", "but not these VEs" }, \
	{                                                                                          \
		"jobs", 'j', OPTION_NUMBER, &many_options.jobs, "N",                               \
			"of several VEs, so many at a time"                                        \
	}

/* Whether options say for which VEs, so that no operand has to. */
bool many_given(void);

/* Whether it is for several: options say for which, or the operand may mean several. `ve` may be NULL. */
bool many_wanted(const char *ve);

/* ERROR_PARTIAL if it failed in some. `ve` is NULL if the options say which. */
int many_run(struct vzctl *vzctl, const struct command *command, const char *ve,
	     const struct strvec *operands, struct command_result *ret, struct error *err);
