#include "runtime/config/select.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"

/* A VE of the host, as far as selecting goes. */
struct candidate {
	unsigned ctid;
	char *name, *ostemplate; /* NULL: not set, or its configuration has a mistake */
};

struct candidates {
	struct candidate *items;
	size_t count;
};

static void candidates_release(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++) {
		free(candidates->items[i].name);
		free(candidates->items[i].ostemplate);
	}
	free(candidates->items);
}

static int candidates_load(const struct host_config *host, struct candidates *ret,
			   struct error *err)
{
	autofree unsigned *ctids = NULL;

	if (ctid_list(host, &ctids, &ret->count, err) < 0)
		return -1;
	ret->items = xcalloc(ret->count + 1, sizeof(*ret->items));
	for (size_t i = 0; i < ret->count; i++) {
		AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
		ret->items[i].ctid = ctids[i];
		/* Those who take it are told what is wrong with it. */
		if (ve_config_load(host, ctids[i], &config, NULL) < 0)
			continue;
		ret->items[i].name = config.name ? xstrdup(config.name) : NULL;
		ret->items[i].ostemplate = config.ostemplate ? xstrdup(config.ostemplate) : NULL;
	}
	return 0;
}

bool ve_words_given(const struct ve_words *words)
{
	return words->all || words->ves.count || words->templates.count;
}

/* ---- the selection ----------------------------------------------------------------------------------------------- */

static struct ve_choice *find(const struct ve_selection *selection, unsigned ctid)
{
	for (size_t i = 0; ctid && i < selection->count; i++)
		if (selection->items[i].ctid == ctid)
			return &selection->items[i];
	return NULL;
}

void ve_selection_add(struct ve_selection *selection, unsigned ctid, const char *word)
{
	if (find(selection, ctid))
		return;
	selection->items = xgrow(selection->items, selection->count, &selection->capacity,
				 sizeof(*selection->items));
	selection->items[selection->count++] = (struct ve_choice){
		.ctid = ctid,
		.word = word ? xstrdup(word) : NULL,
	};
}

void ve_selection_release(struct ve_selection *selection)
{
	for (size_t i = 0; i < selection->count; i++)
		free(selection->items[i].word);
	free(selection->items);
	*selection = VE_SELECTION_INIT;
}

static int compare(const void *a, const void *b)
{
	const struct ve_choice *x = a, *y = b;
	return (x->ctid > y->ctid) - (x->ctid < y->ctid);
}

static void take_away(struct ve_selection *selection, const struct ve_selection *skip)
{
	size_t kept = 0;

	for (size_t i = 0; i < selection->count; i++) {
		if (find(skip, selection->items[i].ctid))
			free(selection->items[i].word);
		else
			selection->items[kept++] = selection->items[i];
	}
	selection->count = kept;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

bool ve_word_is_many(const char *word)
{
	return ctid_is_range(word) || strpbrk(word, ",*?[");
}

static int none(const char *word, struct error *err)
{
	error_set(err, ERROR_NO_VE, "no VE is selected by \"%s\"", word);
	error_subject(err, "%s", word);
	return error_hint(err, "\"vzlist -a\" lists the VEs and their names");
}

static int add_range(const struct candidates *candidates, const char *word,
		     struct ve_selection *selection, struct error *err)
{
	const char *dash = strchr(word, '-');
	autofree char *from = xstrndup(word, (size_t)(dash - word));
	unsigned first, last;
	size_t found = 0;

	if (ctid_parse(from, &first, err) < 0 || ctid_parse(dash + 1, &last, err) < 0)
		return -1;
	if (first > last) {
		error_set(err, ERROR_USAGE, "the range %s ends before it begins", word);
		return error_hint(err, "write the smaller number first");
	}
	for (size_t i = 0; i < candidates->count; i++) {
		unsigned ctid = candidates->items[i].ctid;
		if (ctid < first || ctid > last)
			continue;
		ve_selection_add(selection, ctid, NULL);
		found++;
	}
	return found ? 0 : none(word, err);
}

static int add_pattern(const struct candidates *candidates, const char *word,
		       struct ve_selection *selection, struct error *err)
{
	size_t found = 0;

	for (size_t i = 0; i < candidates->count; i++) {
		const char *name = candidates->items[i].name;
		if (!name || fnmatch(word, name, 0) != 0)
			continue;
		ve_selection_add(selection, candidates->items[i].ctid, NULL);
		found++;
	}
	return found ? 0 : none(word, err);
}

static int add_one(const struct candidates *candidates, const char *word,
		   struct ve_selection *selection, struct error *err)
{
	unsigned ctid = 0;

	if (is_number(word) && ctid_parse(word, &ctid, err) < 0)
		return -1;
	for (size_t i = 0; !ctid && i < candidates->count; i++)
		if (candidates->items[i].name && strcmp(candidates->items[i].name, word) == 0)
			ctid = candidates->items[i].ctid;
	ve_selection_add(selection, ctid, word);
	return 0;
}

static int add_word(const struct candidates *candidates, const char *word,
		    struct ve_selection *selection, struct error *err)
{
	if (ctid_is_range(word))
		return add_range(candidates, word, selection, err);
	if (strpbrk(word, "*?["))
		return add_pattern(candidates, word, selection, err);
	return add_one(candidates, word, selection, err);
}

static int add_words(const struct candidates *candidates, const struct strvec *words,
		     struct ve_selection *selection, struct error *err)
{
	for (size_t i = 0; i < words->count; i++) {
		autofree char *text = xstrdup(words->items[i]);
		char *rest = text, *word;
		while ((word = strsep(&rest, ",")))
			if (*word && add_word(candidates, word, selection, err) < 0)
				return -1;
	}
	return 0;
}

/* ---- by template ------------------------------------------------------------------------------------------------- */

/* "debian-12" selects what was made from debian-12-x86_64 and debian-12-x86_64-web too, but not from debian-12.1. */
static bool is_of(const char *ostemplate, const char *word)
{
	size_t length = strlen(word);

	ostemplate += *ostemplate == '.';
	return strncmp(ostemplate, word, length) == 0 &&
	       (ostemplate[length] == '\0' || ostemplate[length] == '-');
}

static int add_templates(const struct candidates *candidates, const struct strvec *words,
			 struct ve_selection *selection, struct error *err)
{
	for (size_t w = 0; w < words->count; w++) {
		const char *word = words->items[w];
		size_t found = 0;
		for (size_t i = 0; i < candidates->count; i++) {
			const char *ostemplate = candidates->items[i].ostemplate;
			if (!ostemplate || !is_of(ostemplate, word + (*word == '.')))
				continue;
			ve_selection_add(selection, candidates->items[i].ctid, NULL);
			found++;
		}
		if (!found)
			return none(word, err);
	}
	return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

int ve_select(const struct host_config *host, const struct ve_words *words,
	      struct ve_selection *ret, struct error *err)
{
	AUTO(candidates_release) struct candidates candidates = { 0 };
	AUTO(ve_selection_release) struct ve_selection skip = VE_SELECTION_INIT;

	if (candidates_load(host, &candidates, err) < 0)
		return -1;
	for (size_t i = 0; words->all && i < candidates.count; i++)
		ve_selection_add(ret, candidates.items[i].ctid, NULL);
	if (add_words(&candidates, &words->ves, ret, err) < 0 ||
	    add_templates(&candidates, &words->templates, ret, err) < 0 ||
	    add_words(&candidates, &words->skip, &skip, err) < 0)
		return -1;
	take_away(ret, &skip);
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	if (ret->count)
		return 0;
	error_set(err, ERROR_NO_VE, "no VE is selected");
	return error_hint(err, "\"vzlist -a\" lists the VEs and their names");
}
