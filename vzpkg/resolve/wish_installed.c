#include <solv/selection.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/resolve/wish.h"

static void find_named(const struct resolver *resolver, Id name, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	Id solvable, index;

	FOR_PROVIDES(solvable, index, name)
	{
		const Solvable *s = pool_id2solvable(pool, solvable);
		if (s->repo == resolver->installed && s->name == name)
			queue_push(ret, solvable);
	}
}

/* name=version, name-version */
static void find_versioned_deb(const struct resolver *resolver, const char *wish, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	const Solvable *s;
	Id solvable;

	FOR_REPO_SOLVABLES(resolver->installed, solvable, s)
	{
		const char *name = pool_id2str(pool, s->name);
		size_t length = strlen(name);
		if (strncmp(wish, name, length) == 0 && strchr("=-", wish[length]) &&
		    wish[length] && strcmp(wish + length + 1, pool_id2str(pool, s->evr)) == 0)
			queue_push(ret, solvable);
	}
}

static void find_selected_rpm(const struct resolver *resolver, const char *wish, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	Queue selection;

	queue_init(&selection);
	if (selection_make(pool, &selection, wish,
			   SELECTION_NAME | SELECTION_GLOB | SELECTION_CANON | SELECTION_DOTARCH |
				   SELECTION_REL | SELECTION_INSTALLED_ONLY))
		selection_solvables(pool, &selection, ret);
	queue_free(&selection);
}

bool wish_installed(struct resolver *resolver, const char *wish, Queue *ret)
{
	Pool *pool = resolver->pool->pool;
	bool rpm = resolver->pool->metadata->template->format == PACKAGE_RPM;
	int before = ret->count;
	Id name = pool_str2id(pool, wish, 0);

	if (*wish == '@')
		return rpm ? group_installed_rpm(resolver, wish + 1, ret)
			   : group_installed_deb(resolver, wish + 1, ret);
	if (name)
		find_named(resolver, name, ret);
	if (ret->count == before && rpm)
		find_selected_rpm(resolver, wish, ret);
	else if (ret->count == before)
		find_versioned_deb(resolver, wish, ret);
	return ret->count > before;
}
