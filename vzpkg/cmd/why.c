/*
 * vzpkg why: why a package is in VEs, or would be in a template. VEs for which the answer is the same get one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/cmd/fleet_options.h"
#include "vzpkg/cmd/fleet_look.h"
#include "vzpkg/cmd/fleet_status.h"
#include "vzpkg/cmd/why_plan.h"
#include "vzpkg/resolve/why.h"

enum { CHAINS_SHOWN = 4 };

static const struct option_row options[] = {
	FLEET_SELECTORS,
	{ NULL },
};

/* Of VEs that are alike in this. */
struct answer {
	struct strbuf titles;
	struct strbuf text; /* "needed by nginx, which was asked for" */
	char *version; /* NULL: it is not installed */
	json_t *ves, *chains;
};

struct answers {
	struct answer *items;
	size_t count;
	size_t *of; /* each VE's, plus 1; 0: not known */
};

static void answer_release(struct answer *answer)
{
	strbuf_release(&answer->titles);
	strbuf_release(&answer->text);
	free(answer->version);
	json_decref(answer->ves);
	json_decref(answer->chains);
}

static void answers_release(struct answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
		answer_release(&answers->items[i]);
	free(answers->items);
	free(answers->of);
}

/* ---- in words, and as JSON ---------------------------------------------------------------------------------------- */

/* Of rpm packages it is often not known what was asked for. */
static const char *end_text(const struct why_chain *chain)
{
	bool alone = chain->count == 1;

	if (chain->reason == WHY_NOBODY)
		return "nobody asked for it, and nothing that was asked for needs it";
	if (chain->reason == WHY_ESSENTIAL)
		return alone ? "it is essential" : ", which is essential";
	if (!chain->links[chain->count - 1].package->asked)
		return alone ? "nothing else needs it" : ", which nothing else needs";
	return alone ? "it was asked for" : ", which was asked for";
}

static void chain_text(const struct why_chain *chain, struct strbuf *text)
{
	static const char recommends[] = "recommends ";

	for (size_t i = 1; i < chain->count; i++) {
		bool weak =
			strncmp(chain->links[i - 1].relation, recommends, strlen(recommends)) == 0;
		strbuf_addf(text, "%s%s by %s", i > 1 ? ", which is " : "",
			    weak ? "recommended" : "needed", chain->links[i].package->name);
	}
	strbuf_adds(text, end_text(chain));
}

static void why_text(const struct why *why, struct strbuf *text)
{
	for (size_t i = 0; i < why->count && i < CHAINS_SHOWN; i++) {
		strbuf_adds(text, i ? "\n    and " : "");
		chain_text(&why->chains[i], text);
	}
	if (why->count > CHAINS_SHOWN)
		strbuf_addf(text, "\n    and %zu more", why->count - CHAINS_SHOWN);
}

static json_t *chain_json(const struct why_chain *chain)
{
	json_t *links = json_array();

	for (size_t i = 0; i < chain->count; i++) {
		const struct installed_package *package = chain->links[i].package;
		const char *relation = chain->links[i].relation;
		autofree char *clean = relation ? text_clean(relation) : NULL;
		json_array_append_new(links, json_pack("{s:s s:s s:s s:s?}", "name", package->name,
						       "version", package->version, "arch",
						       package->arch, "relation", clean));
	}
	return json_pack("{s:s s:o}", "reason", why_reason_name(chain->reason), "links", links);
}

static json_t *why_json(const struct why *why)
{
	json_t *chains = json_array();
	for (size_t i = 0; i < why->count; i++)
		json_array_append_new(chains, chain_json(&why->chains[i]));
	return chains;
}

/* ---- of one set of packages --------------------------------------------------------------------------------------- */

/* That it is not installed is an answer, too. */
static int find(const struct installed_set *set, const char *name, struct answer *ret,
		struct error *err)
{
	AUTO(why_release) struct why why = WHY_INIT;
	AUTO(error_clear) struct error none = ERROR_INIT;

	if (why_find(set, name, &why, &none) < 0 && none.kind != ERROR_UNSATISFIABLE) {
		error_move(err, &none);
		return -1;
	}
	*ret = (struct answer){ .titles = STRBUF_INIT, .text = STRBUF_INIT };
	if (why.count)
		ret->version = xstrdup(why.chains[0].links[0].package->version);
	why_text(&why, &ret->text);
	ret->chains = why_json(&why);
	ret->ves = json_array();
	return 0;
}

static int add_answer(struct answers *answers, const struct installed_set *set, const char *name,
		      size_t *ret, struct error *err)
{
	struct answer found;

	if (find(set, name, &found, err) < 0)
		return -1;
	for (*ret = 0; *ret < answers->count; ++*ret)
		if (json_equal(answers->items[*ret].chains, found.chains)) {
			answer_release(&found);
			return 0;
		}
	answers->items[answers->count++] = found;
	return 0;
}

/* ---- of VEs ------------------------------------------------------------------------------------------------------- */

/* Those that have the same set have the same answer. */
static int answer_ve(struct answers *answers, const struct inventory *inventory, size_t index,
		     const char *name, struct error *err)
{
	const struct fleet_ve *ve = &inventory->ves[index];
	size_t place = 0, other = 0;

	while (other < index && inventory->ves[other].set != ve->set)
		other++;
	if (other < index)
		place = answers->of[other] - 1;
	else if (add_answer(answers, ve->set, name, &place, err) < 0)
		return -1;
	answers->of[index] = place + 1;
	struct answer *answer = &answers->items[place];
	strbuf_addf(&answer->titles, "%s%s", answer->titles.length ? ", " : "", ve->title);
	json_array_append_new(answer->ves, json_integer(ve->ctid));
	return 0;
}

static int answer_all(struct answers *answers, struct inventory *inventory, const char *name,
		      size_t *failed, struct error *err)
{
	answers->items = xcalloc(inventory->count + 1, sizeof(*answers->items));
	answers->of = xcalloc(inventory->count + 1, sizeof(*answers->of));
	*failed = 0;
	for (size_t i = 0; i < inventory->count; i++) {
		struct fleet_ve *ve = &inventory->ves[i];
		if (ve->set && answer_ve(answers, inventory, i, name, &ve->error) < 0 &&
		    ve->error.kind == ERROR_INTERRUPTED) {
			error_move(err, &ve->error);
			return -1;
		}
		*failed += ve->error.kind != ERROR_NONE;
	}
	return 0;
}

static void print(const struct answers *answers, const char *name, struct command_result *ret)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < answers->count; i++) {
		const struct answer *answer = &answers->items[i];
		if (answer->version)
			strbuf_addf(&ret->text, "%s %s is in %s: %s\n", name, answer->version,
				    answer->titles.text, answer->text.text);
		else
			strbuf_addf(&ret->text, "%s is not installed in %s\n", name,
				    answer->titles.text);
		json_array_append_new(rows,
				      json_pack("{s:O s:s? s:O}", "ves", answer->ves, "version",
						answer->version, "chains", answer->chains));
	}
	ret->json = json_pack("{s:s s:o}", "package", name, "answers", rows);
}

/* It is in none of them: with the name that is nearest to it, if there is one. */
static int verdict(const struct answers *answers, const struct inventory *inventory,
		   const char *name, struct error *err)
{
	struct why why = WHY_INIT;

	for (size_t i = 0; i < answers->count; i++)
		if (answers->items[i].version)
			return 0;
	for (size_t i = 0; i < inventory->count; i++)
		if (inventory->ves[i].set)
			return why_find(inventory->ves[i].set, name, &why, err);
	return 0;
}

static int why_in_ves(struct app *app, const char *name, struct command_result *ret,
		      struct error *err)
{
	AUTO(answers_release) struct answers answers = { 0 };
	AUTO(inventory_release) struct inventory inventory = INVENTORY_INIT;
	size_t failed;

	if (app_need_root("looking into a VE", err) < 0 ||
	    fleet_look(app, &fleet_options.words, &inventory, err) < 0 ||
	    answer_all(&answers, &inventory, name, &failed, err) < 0)
		return -1;
	print(&answers, name, ret);
	if (failed)
		return fleet_look_failed(app, &inventory, failed, err);
	return verdict(&answers, &inventory, name, err);
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	size_t next;
	bool named = ve_words_given(&fleet_options.words);

	if (!named && !fleet_status_concerns(app, operands) && operands->count == 2)
		return why_in_plan(app, operands->items[0], operands->items[1], ret, err);
	if (fleet_take_ves("why", operands, &next, err) < 0)
		return -1;
	if (next + 1 == operands->count)
		return why_in_ves(app, operands->items[next], ret, err);
	error_set(err, ERROR_USAGE,
		  next == operands->count ? "why: which package?" : "why: too many operands");
	return error_hint(err, "usage: vzpkg why VE,… PACKAGE");
}

const struct command command_why = {
	.name = "why",
	.operands = "VE,…|TEMPLATE PACKAGE",
	.operands_min = 1,
	.operands_max = 2,
	.summary = "Says why a package is in VEs, or would be in a template",
	.options = options,
	.run = run,
};
