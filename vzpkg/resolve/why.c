#include "vzpkg/resolve/why.h"

#include <solv/bitmap.h>
#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/option.h"
#include "vzpkg/metadata/index_deb.h"
#include "vzpkg/metadata/installed_repo.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/resolve/dependency.h"

enum { CHAINS_MAX = 20 };

/* Who needs whom: packages by their place in the set. */
struct need {
	size_t by, what;
	Id relation;
	bool weak; /* recommended */
};

struct search {
	const struct installed_set *set;
	Pool *pool;
	Repo *repo;
	Id *ids;
	size_t *place_of; /* of each solvable, from repo->start */
	struct need *needs;
	size_t need_count, need_capacity;
	/* Of each package: how the search came there. */
	const struct need **reached;
	bool *seen;
	size_t *queue, queue_end;
	struct package_pool attributes;
};

const char *why_reason_name(enum why_reason reason)
{
	static const char *const names[] = {
		[WHY_ASKED] = "asked",
		[WHY_ESSENTIAL] = "essential",
		[WHY_NOBODY] = "nobody",
	};
	return names[reason];
}

static void search_release(struct search *search)
{
	free(search->ids);
	free(search->place_of);
	free(search->needs);
	free(search->reached);
	free(search->seen);
	free(search->queue);
	if (search->pool)
		pool_free(search->pool);
}

/* ---- who needs whom ---------------------------------------------------------------------------------------------- */

static void add_need(struct search *search, size_t by, size_t what, Id relation, bool weak)
{
	if (by == what)
		return;
	search->needs = xgrow(search->needs, search->need_count, &search->need_capacity,
			      sizeof(*search->needs));
	search->needs[search->need_count++] = (struct need){ by, what, relation, weak };
}

struct relation {
	struct search *search;
	size_t by;
	Id relation;
	bool weak;
};

static void add_provider(Id solvable, void *data)
{
	const struct relation *relation = data;
	struct search *search = relation->search;

	if (pool_id2solvable(search->pool, solvable)->repo == search->repo)
		add_need(search, relation->by, search->place_of[solvable - search->repo->start],
			 relation->relation, relation->weak);
}

static void add_needs(struct search *search, size_t package, Id kind)
{
	Queue relations;

	queue_init(&relations);
	solvable_lookup_deparray(pool_id2solvable(search->pool, search->ids[package]), kind,
				 &relations, 0);
	for (int i = 0; i < relations.count; i++) {
		struct relation relation = {
			.search = search,
			.by = package,
			.relation = relations.elements[i],
			.weak = kind == SOLVABLE_RECOMMENDS,
		};
		if (relation.relation != SOLVABLE_PREREQMARKER)
			dependency_providers(search->pool, relation.relation, add_provider,
					     &relation);
	}
	queue_free(&relations);
}

/* What is weak comes last, so that of two ways the firm one is gone first. */
static int by_what(const void *a, const void *b)
{
	const struct need *x = a, *y = b;

	if (x->what != y->what)
		return x->what < y->what ? -1 : 1;
	if (x->weak != y->weak)
		return x->weak ? 1 : -1;
	return x->by < y->by ? -1 : x->by > y->by;
}

static int search_open(struct search *search, const struct installed_set *set, struct error *err)
{
	size_t count = set->installed.count;

	search->set = set;
	search->pool = pool_create();
	pool_setdisttype(search->pool, set->format == PACKAGE_DEB ? DISTTYPE_DEB : DISTTYPE_RPM);
	if (set->arch)
		pool_setarch(search->pool, set->arch);
	search->repo = repo_create(search->pool, "installed");
	search->ids = xcalloc(count + 1, sizeof(*search->ids));
	search->place_of = xcalloc(count + 1, sizeof(*search->place_of));
	search->reached = xcalloc(count + 1, sizeof(*search->reached));
	search->seen = xcalloc(count + 1, sizeof(*search->seen));
	search->queue = xcalloc(count + 1, sizeof(*search->queue));
	if (installed_repo_fill(set, search->repo, search->ids, err) < 0)
		return -1;
	pool_set_installed(search->pool, search->repo);
	if (set->format == PACKAGE_RPM)
		pool_addfileprovides(search->pool);
	pool_createwhatprovides(search->pool);
	search->attributes = (struct package_pool){
		.pool = search->pool,
		.priority_key = pool_str2id(search->pool, ATTRIBUTE_PRIORITY, 1),
	};
	for (size_t i = 0; i < count; i++)
		if (search->ids[i])
			search->place_of[search->ids[i] - search->repo->start] = i;
	for (size_t i = 0; i < count; i++) {
		if (!search->ids[i])
			continue;
		add_needs(search, i, SOLVABLE_REQUIRES);
		add_needs(search, i, SOLVABLE_RECOMMENDS);
	}
	if (search->need_count)
		qsort(search->needs, search->need_count, sizeof(*search->needs), by_what);
	return 0;
}

/* ---- the search -------------------------------------------------------------------------------------------------- */

static const struct need *first_need(const struct search *search, size_t what)
{
	size_t low = 0, high = search->need_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (search->needs[middle].what < what)
			low = middle + 1;
		else
			high = middle;
	}
	return low < search->need_count && search->needs[low].what == what ? &search->needs[low]
									   : NULL;
}

/* Whether the package is there for its own sake. */
static bool is_end(const struct search *search, size_t package, enum why_reason *reason)
{
	const struct installed_package *p = &search->set->installed.packages[package];
	bool deb = search->set->format == PACKAGE_DEB;
	bool required =
		deb && search->ids[package] &&
		package_priority(&search->attributes, search->ids[package]) == PRIORITY_REQUIRED;

	*reason = p->essential || required ? WHY_ESSENTIAL : WHY_ASKED;
	if (*reason == WHY_ESSENTIAL)
		return true;
	/* rpm itself keeps no marks: what nothing needs is there because somebody wanted it. */
	return p->asked || (!p->automatic && !first_need(search, package));
}

static void chain_add(struct search *search, struct why *why, size_t end, enum why_reason reason)
{
	struct why_chain *chain;
	size_t count = 1, at = end;

	if (why->count == CHAINS_MAX)
		return;
	chain = &why->chains[why->count++];
	for (const struct need *need; (need = search->reached[at]); at = need->what)
		count++;
	*chain = (struct why_chain){
		.links = xcalloc(count, sizeof(*chain->links)),
		.count = count,
		.reason = reason,
	};
	at = end;
	for (size_t i = count; i-- > 0;) {
		const struct need *need = search->reached[at];
		chain->links[i].package = &search->set->installed.packages[at];
		if (!need)
			break;
		chain->links[i - 1].relation =
			xasprintf("%s %s", need->weak ? "recommends" : "needs",
				  pool_dep2str(search->pool, need->relation));
		at = need->what;
	}
}

static void reach(struct search *search, size_t package, const struct need *need)
{
	if (search->seen[package])
		return;
	search->seen[package] = true;
	search->reached[package] = need;
	search->queue[search->queue_end++] = package;
}

/* Breadth first, so that the shortest way to each end is found; packages are sorted by name, and so are ways of one length. */
static void find_chains(struct search *search, size_t package, struct why *ret)
{
	reach(search, package, NULL);
	for (size_t at = 0; at < search->queue_end; at++) {
		size_t now = search->queue[at];
		enum why_reason reason;
		if (is_end(search, now, &reason)) {
			chain_add(search, ret, now, reason);
			continue;
		}
		for (const struct need *need = first_need(search, now);
		     need && need < search->needs + search->need_count && need->what == now; need++)
			reach(search, need->by, need);
	}
	/* Without marks: those that need each other, and nothing else does. */
	if (!ret->count)
		chain_add(search, ret, package,
			  search->set->installed.packages[package].automatic ? WHY_NOBODY
									     : WHY_ASKED);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool is_named(const struct installed_package *package, const char *name)
{
	size_t length = strlen(package->name);

	return strncmp(package->name, name, length) == 0 &&
	       (!name[length] ||
		(strchr(":.", name[length]) && strcmp(name + length + 1, package->arch) == 0));
}

static int not_installed(const struct installed_set *set, const char *name, struct error *err)
{
	const char **names = xcalloc(set->installed.count + 1, sizeof(*names));

	for (size_t i = 0; i < set->installed.count; i++)
		names[i] = set->installed.packages[i].name;
	const char *near = nearest_word(name, names);
	error_set(err, ERROR_UNSATISFIABLE, "%s is not installed", name);
	if (near)
		error_hint(err, "did you mean %s?", near);
	free(names);
	return error_subject(err, "%s", name);
}

int why_find(const struct installed_set *set, const char *name, struct why *ret, struct error *err)
{
	AUTO(search_release) struct search search = { 0 };
	size_t package = 0, count = set->installed.count;

	while (package < count && !is_named(&set->installed.packages[package], name))
		package++;
	if (package == count)
		return not_installed(set, name, err);
	if (search_open(&search, set, err) < 0)
		return -1;
	*ret = (struct why){ .chains = xcalloc(CHAINS_MAX, sizeof(*ret->chains)) };
	find_chains(&search, package, ret);
	return 0;
}

void why_release(struct why *why)
{
	for (size_t i = 0; i < why->count; i++) {
		for (size_t l = 0; l < why->chains[i].count; l++)
			free(why->chains[i].links[l].relation);
		free(why->chains[i].links);
	}
	free(why->chains);
	*why = WHY_INIT;
}
