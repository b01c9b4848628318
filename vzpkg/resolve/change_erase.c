#include <solv/bitmap.h>
#include <solv/knownid.h>
#include <solv/solvable.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/relations.h"
#include "vzpkg/resolve/change_work.h"
#include "vzpkg/resolve/dependency.h"

/* Installed packages, by solvable: what was there, and what is there still. */
struct erasure {
	struct changer *changer;
	Pool *pool;
	Map before, now;
	struct strbuf needs; /* a line for each package that needs what goes */
};

bool change_is_protected(const struct changer *changer, Id installed)
{
	const struct installed_package *package = changer_package(changer, installed);

	return package->essential ||
	       (changer->set->format == PACKAGE_RPM && strcmp(package->name, "rpm") == 0);
}

static void erase(struct erasure *erasure, Id id)
{
	if (!MAPTST(&erasure->now, id))
		return;
	MAPCLR(&erasure->now, id);
	queue_push(&erasure->changer->removed, id);
}

/* The first dependency that was satisfied and is not any more, or 0. */
static Id first_missing(const struct erasure *erasure, Id id)
{
	Queue requires;
	Id missing = 0;

	queue_init(&requires);
	package_requires(erasure->changer->pool, id, &requires);
	for (int i = 0; !missing && i < requires.count; i++)
		if (!dependency_is_met(erasure->pool, requires.elements[i], &erasure->now) &&
		    dependency_is_met(erasure->pool, requires.elements[i], &erasure->before))
	missing = requires.elements[i];
	queue_free(&requires);
	return missing;
}

/* What needs what goes, over and over, until nothing more does. */
static void follow(struct erasure *erasure)
{
	bool again = true;
	const Solvable *s;
	Id id;

	while (again) {
		again = false;
		FOR_REPO_SOLVABLES(erasure->changer->repo, id, s)
		{
			Id missing = MAPTST(&erasure->now, id) ? first_missing(erasure, id) : 0;
			if (!missing)
				continue;
			strbuf_addf(&erasure->needs, "%s%s needs %s",
				    erasure->needs.length ? "\n" : "",
				    changer_package(erasure->changer, id)->name,
				    pool_dep2str(erasure->pool, missing));
			erase(erasure, id);
			again = true;
		}
	}
}

static int check(struct erasure *erasure, struct error *err)
{
	const Queue *removed = &erasure->changer->removed;

	for (int i = 0; i < removed->count; i++) {
		if (!change_is_protected(erasure->changer, removed->elements[i]))
			continue;
		const char *name = changer_package(erasure->changer, removed->elements[i])->name;
		error_set(err, ERROR_UNSATISFIABLE,
			  "%s cannot be removed: a VE does not work without it%s%s", name,
			  erasure->needs.length ? "\n" : "", erasure->needs.text);
		return error_subject(err, "%s", name);
	}
	if (erasure->changer->request->dependants || !erasure->needs.length)
		return 0;
	error_set(err, ERROR_UNSATISFIABLE, "the packages cannot be removed:\n%s",
		  erasure->needs.text);
	return error_hint(err, "have what needs them removed as well");
}

/* Dependencies of what goes that nothing needs any more. */
static void look_at_unneeded(struct erasure *erasure)
{
	struct changer *changer = erasure->changer;
	Queue unneeded;

	queue_init(&unneeded);
	change_unneeded(changer, &erasure->before, &erasure->now, &unneeded);
	for (int i = 0; i < unneeded.count; i++)
		if (changer->request->unneeded)
			erase(erasure, unneeded.elements[i]);
		else if (changer->notes)
			strvec_pushf(&changer->notes->kept,
				     "%s: a dependency that nothing needs any more",
				     changer_package(changer, unneeded.elements[i])->name);
	queue_free(&unneeded);
}

int change_erase(struct changer *changer, struct error *err)
{
	struct erasure erasure = { .changer = changer,
				   .pool = changer->pool->pool,
				   .needs = STRBUF_INIT };
	const Solvable *s;
	Id id;

	map_init(&erasure.before, erasure.pool->nsolvables);
	FOR_REPO_SOLVABLES(changer->repo, id, s)
	{
		MAPSET(&erasure.before, id);
	}
	map_init_clone(&erasure.now, &erasure.before);
	for (int i = 0; i < changer->scope.count; i++)
		erase(&erasure, changer->scope.elements[i]);
	follow(&erasure);
	int ret = check(&erasure, err);
	if (ret == 0)
		look_at_unneeded(&erasure);
	map_free(&erasure.before);
	map_free(&erasure.now);
	strbuf_release(&erasure.needs);
	return ret;
}
