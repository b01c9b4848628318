/*
 * Which VEs a command is for, from the words that a user has for them.
 *
 *	101  web  105-140  web*  101,105-140	numbers, names, ranges of numbers, patterns of names (fnmatch(3))
 *
 * A number or a name that no VE has is kept as one of the selection, with its error: that VE fails, and the others
 * are done. A range or a pattern that no VE is in is an error of all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"

struct ve_words {
	bool all; /* each VE of the host */
	struct strvec ves; /* words as above, each with commas between several */
	struct strvec
		templates; /* OS templates as VEs have them: an architecture or a set that is not said is any */
	struct strvec skip; /* words as above: never these */
};

struct ve_choice {
	unsigned ctid; /* 0: a word that means none */
	long order; /* for who goes by something else than numbers */
	char *word; /* as the user has written it; NULL for those that came by a range, a pattern or `all` */
};

struct ve_selection {
	struct ve_choice
		*items; /* in order of their numbers, each once; those without a number first */
	size_t count, capacity;
};

#define VE_SELECTION_INIT ((struct ve_selection){ 0 })

/* true for a word that may mean several: with a comma, a range, a pattern. */
bool ve_word_is_many(const char *word);

/* true if the words say which VEs, so that no operand has to. */
bool ve_words_given(const struct ve_words *words);

/* ERROR_NO_VE if that is none at all; ERROR_USAGE for a word that cannot mean one. */
int ve_select(const struct host_config *host, const struct ve_words *words,
	      struct ve_selection *ret, struct error *err);

/* As the words would have said it, behind those that are there. */
void ve_selection_add(struct ve_selection *selection, unsigned ctid, const char *word);
void ve_selection_release(struct ve_selection *selection);
