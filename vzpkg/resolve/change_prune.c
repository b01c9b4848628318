#include <solv/bitmap.h>
#include <solv/knownid.h>

#include "vzpkg/metadata/relations.h"
#include "vzpkg/resolve/change_work.h"

struct pruning {
	const struct changer *changer;
	Pool *pool;
	Map chosen, needed; /* of solvables */
	Queue open; /* whose dependencies are to be followed */
};

static void need(struct pruning *pruning, Id solvable)
{
	if (MAPTST(&pruning->needed, solvable))
		return;
	MAPSET(&pruning->needed, solvable);
	queue_push(&pruning->open, solvable);
}

static void need_providers(struct pruning *pruning, Id dependency)
{
	Id solvable, index;

	if (ISRELDEP(dependency) && GETRELDEP(pruning->pool, dependency)->flags == REL_OR) {
		need_providers(pruning, GETRELDEP(pruning->pool, dependency)->name);
		need_providers(pruning, GETRELDEP(pruning->pool, dependency)->evr);
		return;
	}
	for (index = pool_whatprovides(pruning->pool, dependency);
	     (solvable = pruning->pool->whatprovidesdata[index]) != 0; index++)
		if (MAPTST(&pruning->chosen, solvable))
			need(pruning, solvable);
}

static void follow(struct pruning *pruning, Id solvable, Id kind)
{
	Queue dependencies;

	queue_init(&dependencies);
	relations_sorted(pruning->pool, solvable, kind, &dependencies);
	for (int i = 0; i < dependencies.count; i++)
		need_providers(pruning, dependencies.elements[i]);
	queue_free(&dependencies);
}

/* What is asked for, what takes the place of something, and what is there anyway. */
static void find_roots(struct pruning *pruning)
{
	const struct changer *changer = pruning->changer;
	const Solvable *s;
	Id id;

	for (int i = 0; i < changer->chosen.count; i++) {
		id = changer->chosen.elements[i];
		MAPSET(&pruning->chosen, id);
		if (MAPTST(&changer->resolver.asked, id) ||
		    resolver_installed_named(&changer->resolver,
					     pool_id2solvable(pruning->pool, id)->name))
			need(pruning, id);
	}
	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		need(pruning, id);
	}
	for (int i = 0; i < changer->removed.count; i++)
		MAPCLR(&pruning->needed, changer->removed.elements[i]);
}

void change_prune(struct changer *changer)
{
	struct pruning pruning = { .changer = changer, .pool = changer->pool->pool };
	int kept = 0;

	map_init(&pruning.chosen, pruning.pool->nsolvables);
	map_init(&pruning.needed, pruning.pool->nsolvables);
	queue_init(&pruning.open);
	find_roots(&pruning);
	while (pruning.open.count) {
		Id id = queue_pop(&pruning.open);
		if (!MAPTST(&pruning.needed, id)) /* it goes */
			continue;
		follow(&pruning, id, SOLVABLE_REQUIRES);
		if (changer->request->recommends && MAPTST(&pruning.chosen, id))
			follow(&pruning, id, SOLVABLE_RECOMMENDS);
	}
	for (int i = 0; i < changer->chosen.count; i++)
		if (MAPTST(&pruning.needed, changer->chosen.elements[i]))
			changer->chosen.elements[kept++] = changer->chosen.elements[i];
	queue_truncate(&changer->chosen, kept);
	map_free(&pruning.chosen);
	map_free(&pruning.needed);
	queue_free(&pruning.open);
}
