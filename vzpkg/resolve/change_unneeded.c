#include <solv/bitmap.h>
#include <solv/knownid.h>
#include <solv/solvable.h>
#include <string.h>

#include "base/alloc.h"
#include "vzpkg/metadata/installed_repo.h"
#include "vzpkg/metadata/relations.h"
#include "vzpkg/resolve/change_work.h"
#include "vzpkg/resolve/dependency.h"

/* Installed packages, from those that are there for their own sake to all that these need. */
struct search {
	const struct changer *changer;
	Pool *pool;
	const Map *there;
	Map needed;
	Queue queue;
};

static void reach(Id id, void *data)
{
	struct search *search = data;

	if (!MAPTST(search->there, id) || MAPTST(&search->needed, id))
		return;
	MAPSET(&search->needed, id);
	queue_push(&search->queue, id);
}

/* What supplements something that is there counts as the VE's own tools would count it. */
static bool supplements(const struct search *search, Id id)
{
	Queue relations;
	bool met = false;

	queue_init(&relations);
	solvable_lookup_deparray(pool_id2solvable(search->pool, id), SOLVABLE_SUPPLEMENTS,
				 &relations, 0);
	for (int i = 0; i < relations.count; i++)
		met |= dependency_is_met(search->pool, relations.elements[i], search->there);
	queue_free(&relations);
	return met;
}

static bool is_for_its_own_sake(const struct search *search, Id id)
{
	const struct changer *changer = search->changer;
	const struct installed_package *package = changer_package(changer, id);

	return !package->automatic || package->essential || package->held ||
	       change_is_protected(changer, id) ||
	       package_priority(changer->pool, id) == PRIORITY_REQUIRED || supplements(search, id);
}

/* What is recommended or suggested stays, as by apt and dnf. */
static void follow(struct search *search)
{
	static const Id kinds[] = { SOLVABLE_RECOMMENDS, SOLVABLE_SUGGESTS };
	Queue relations;

	queue_init(&relations);
	while (search->queue.count) {
		Id id = queue_pop(&search->queue);
		queue_empty(&relations);
		package_requires(search->changer->pool, id, &relations);
		for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
			Queue weak;
			queue_init(&weak);
			solvable_lookup_deparray(pool_id2solvable(search->pool, id), kinds[kind],
						 &weak, 0);
			queue_insertn(&relations, relations.count, weak.count, weak.elements);
			queue_free(&weak);
		}
		for (int i = 0; i < relations.count; i++)
			dependency_providers(search->pool, relations.elements[i], reach, search);
	}
	queue_free(&relations);
}

/* `besides`: what else is not to be judged; may be NULL. */
static void find_needed(const struct changer *changer, const Map *there, const Map *besides,
			Map *ret)
{
	struct search search = { .changer = changer, .pool = changer->pool->pool, .there = there };
	const Solvable *s;
	Id id;

	map_init(&search.needed, search.pool->nsolvables);
	queue_init(&search.queue);
	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		if ((besides && !MAPTST(besides, id)) || is_for_its_own_sake(&search, id))
			reach(id, &search);
	}
	follow(&search);
	queue_free(&search.queue);
	*ret = search.needed;
}

void change_unneeded(const struct changer *changer, const Map *before, const Map *now, Queue *ret)
{
	Map needed_before, needed_now;
	const Solvable *s;
	Id id;

	/* What those of other architectures need is not known. */
	for (size_t i = 0; i < changer->set->installed.count; i++)
		if (installed_is_foreign(changer->set, i))
			return;
	find_needed(changer, before, NULL, &needed_before);
	/* What was not needed before may need something all the same, and stays. */
	find_needed(changer, now, &needed_before, &needed_now);
	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		if (MAPTST(now, id) && !MAPTST(&needed_now, id))
			queue_push(ret, id);
	}
	map_free(&needed_before);
	map_free(&needed_now);
}
