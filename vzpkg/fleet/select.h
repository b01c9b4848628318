/*
 * Which VEs a command is for, from the words that a user has for them.
 *
 *	101  web  105-140  web*  101,105-140	numbers, names, ranges of numbers, patterns of names (fnmatch(3))
 *
 * A number or a name that no VE has is kept as one of the selection, with its error: that VE fails, and the others
 * are done. A range or a pattern that no VE is in is an error of all.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"

struct fleet_words {
	bool all; /* each VE of the host */
	struct strvec ves; /* words as above, each with commas between several */
	struct strvec
		templates; /* OS templates as VEs have them: an architecture or a set that is not said is any */
	struct strvec skip; /* words as above: never these */
};

struct fleet_choice {
	unsigned ctid; /* 0: a word that means none */
	char *word; /* as the user has written it; NULL for those that came by a range, a pattern or `all` */
};

struct fleet_selection {
	struct fleet_choice
		*items; /* in order of their numbers, each once; those without a number first */
	size_t count, capacity;
};

#define FLEET_SELECTION_INIT ((struct fleet_selection){ 0 })

/* true if the words say which VEs, so that no operand has to. */
bool fleet_words_given(const struct fleet_words *words);

/* ERROR_NO_VE if that is none at all; ERROR_USAGE for a word that cannot mean one. */
int fleet_select(const struct host_config *host, const struct fleet_words *words,
		 struct fleet_selection *ret, struct error *err);

/* As the words would have said it, behind those that are there. */
void fleet_selection_add(struct fleet_selection *selection, unsigned ctid, const char *word);
void fleet_selection_release(struct fleet_selection *selection);
