#include "vzpkg/resolve/build.h"

#include <solv/bitmap.h>
#include <solv/knownid.h>
#include <solv/repo.h>
#include <solv/solvable.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/location.h"

struct builder {
	const struct decision *decision;
	Pool *pool;
	struct plan *plan;
	size_t *index_of; /* of each solvable in the plan, plus 1; 0: not in it */
};

/* ---- repositories ---------------------------------------------------------------------------------- */

static size_t repository_of(struct builder *builder, const Solvable *solvable)
{
	const struct metadata *metadata = builder->decision->pool->metadata;
	return (size_t)((struct metadata_repository *)solvable->repo->appdata -
			metadata->repositories);
}

static void add_repositories(struct builder *builder)
{
	const struct metadata *metadata = builder->decision->pool->metadata;
	struct plan *plan = builder->plan;

	plan->repository_count = metadata->repository_count;
	plan->repositories = xcalloc(plan->repository_count, sizeof(*plan->repositories));
	for (size_t i = 0; i < plan->repository_count; i++) {
		const struct metadata_repository *from = &metadata->repositories[i];
		struct plan_repository *to = &plan->repositories[i];
		to->text = xstrdup(from->source->text);
		memcpy(to->signer, from->signer, sizeof(to->signer));
		to->packages_signed = !*from->signer && !from->source->unsigned_ok;
		for (size_t u = 0; u < from->base_urls.count; u++)
			strvec_push(&to->base_urls, from->base_urls.items[u]);
	}
}

/* ---- packages ----------------------------------------------------------------------------------------- */

static int incomplete(const struct builder *builder, Id solvable, const char *what,
		      struct error *err)
{
	const Solvable *s = pool_id2solvable(builder->pool, solvable);
	error_set(err, ERROR_FETCH, "%s: the index gives no %s",
		  pool_solvable2str(builder->pool, (Solvable *)s), what);
	return error_hint(err, "the repository is broken; tell its owner");
}

static int add_package(struct builder *builder, Id id, struct error *err)
{
	const struct decision *decision = builder->decision;
	Solvable *solvable = pool_id2solvable(builder->pool, id);
	struct plan_package *package = &builder->plan->packages[builder->plan->count++];
	unsigned media;
	const char *location = solvable_lookup_location(solvable, &media);

	*package = (struct plan_package){
		.name = xstrdup(pool_id2str(builder->pool, solvable->name)),
		.version = xstrdup(pool_id2str(builder->pool, solvable->evr)),
		.arch = xstrdup(pool_id2str(builder->pool, solvable->arch)),
		.location = xstrdup(location ?: ""),
		.repository = repository_of(builder, solvable),
		.size = package_download_size(decision->pool, id),
		.installed_size = package_installed_size(decision->pool, id),
		.essential = MAPTST(decision->essential, id),
		.automatic = !MAPTST(decision->asked, id) && !MAPTST(decision->essential, id),
	};
	builder->plan->size += package->size;
	builder->plan->installed_size += package->installed_size;
	builder->index_of[id] = builder->plan->count;
	if (!package_digest(decision->pool, id, &package->digest))
		return incomplete(builder, id, "digest", err);
	if (!package->size)
		return incomplete(builder, id, "size", err);
	if (!location_is_safe(location) || solvable_lookup_str(solvable, SOLVABLE_MEDIABASE))
		return incomplete(builder, id, "file name that can be used", err);
	return 0;
}

/* ---- edges -------------------------------------------------------------------------------------------- */

static bool has_edge(const size_t *edges, size_t count, size_t index)
{
	for (size_t i = 0; i < count; i++)
		if (edges[i] == index)
			return true;
	return false;
}

static void add_edge(size_t **edges, size_t *count, size_t from, size_t to)
{
	if (from == to || has_edge(*edges, *count, to))
		return;
	*edges = xreallocarray(*edges, *count + 1, sizeof(**edges));
	(*edges)[(*count)++] = to;
}

/* All packages of the plan that satisfy a relation: for "a | b", of the first alternative that has any. */
static bool add_providers(struct builder *builder, Id dependency, size_t from, size_t **edges,
			  size_t *count)
{
	bool any = false;

	if (ISRELDEP(dependency)) {
		const Reldep *relation = GETRELDEP(builder->pool, dependency);
		if (relation->flags == REL_OR)
			return add_providers(builder, relation->name, from, edges, count) ||
			       add_providers(builder, relation->evr, from, edges, count);
	}
	Id provider, index = pool_whatprovides(builder->pool, dependency);
	for (; (provider = builder->pool->whatprovidesdata[index]) != 0; index++) {
		size_t position = builder->index_of[provider];
		if (!position)
			continue;
		add_edge(edges, count, from, position - 1);
		any = true;
	}
	return any;
}

/* libsolv keeps both kinds in one array, Pre-Depends after a marker. */
static void add_edges(struct builder *builder, Id solvable)
{
	size_t from = builder->index_of[solvable] - 1;
	struct plan_package *package = &builder->plan->packages[from];
	bool pre = false;
	Queue dependencies;

	queue_init(&dependencies);
	solvable_lookup_deparray(pool_id2solvable(builder->pool, solvable), SOLVABLE_REQUIRES,
				 &dependencies, 0);
	for (int i = 0; i < dependencies.count; i++) {
		Id dependency = dependencies.elements[i];
		if (dependency == SOLVABLE_PREREQMARKER)
			pre = true;
		else if (pre)
			add_providers(builder, dependency, from, &package->pre_depends,
				      &package->pre_depend_count);
		else
			add_providers(builder, dependency, from, &package->depends,
				      &package->depend_count);
	}
	queue_free(&dependencies);
}

static void mark_base(struct plan *plan, size_t index)
{
	struct plan_package *package = &plan->packages[index];

	if (package->base)
		return;
	package->base = true;
	for (size_t i = 0; i < package->pre_depend_count; i++)
		mark_base(plan, package->pre_depends[i]);
	for (size_t i = 0; i < package->depend_count; i++)
		mark_base(plan, package->depends[i]);
}

/* ---- reasons -------------------------------------------------------------------------------------------- */

static void set_reason(struct builder *builder, Id solvable, Id parent)
{
	struct plan_package *package = &builder->plan->packages[builder->index_of[solvable] - 1];

	if (package->reason)
		return;
	if (MAPTST(builder->decision->asked, solvable))
		package->reason = xstrdup("asked for");
	else if (package->essential)
		package->reason = xstrdup("essential");
	else if (parent && builder->index_of[parent])
		package->reason =
			xasprintf("needed by %s",
				  builder->plan->packages[builder->index_of[parent] - 1].name);
}

static void set_needed(struct plan *plan, const size_t *edges, size_t count, const char *by)
{
	for (size_t i = 0; i < count; i++) {
		struct plan_package *needed = &plan->packages[edges[i]];
		if (!needed->reason)
			needed->reason = xasprintf("needed by %s", by);
	}
}

static void set_reasons(struct builder *builder)
{
	const struct closure *closure = builder->decision->closure;
	const Queue *chosen = builder->decision->chosen;
	struct plan *plan = builder->plan;

	for (int i = 0; i < chosen->count; i++)
		set_reason(builder, chosen->elements[i], 0);

	for (int i = 0; i < closure->order.count; i++)
		if (builder->index_of[closure->order.elements[i]])
			set_reason(builder, closure->order.elements[i],
				   closure->parents.elements[i]);
	/* What libsolv chose otherwise: whoever depends on it. */
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_package *package = &plan->packages[i];
		set_needed(plan, package->pre_depends, package->pre_depend_count, package->name);
		set_needed(plan, package->depends, package->depend_count, package->name);
	}
}

int plan_build(const struct decision *decision, struct plan **ret, struct error *err)
{
	AUTO(plan_freep) struct plan *plan = xcalloc(1, sizeof(*plan));
	Pool *pool = decision->pool->pool;
	autofree size_t *index_of = xcalloc((size_t)pool->nsolvables, sizeof(*index_of));
	struct builder builder = {
		.decision = decision,
		.pool = pool,
		.plan = plan,
		.index_of = index_of,
	};
	const Queue *chosen = decision->chosen;

	add_repositories(&builder);
	plan->packages = xcalloc((size_t)chosen->count + 1, sizeof(*plan->packages));
	for (int i = 0; i < chosen->count; i++)
		if (add_package(&builder, chosen->elements[i], err) < 0)
			return -1;
	for (int i = 0; i < chosen->count; i++)
		add_edges(&builder, chosen->elements[i]);
	for (size_t i = 0; i < plan->count; i++)
		if (plan->packages[i].essential)
			mark_base(plan, i);
	set_reasons(&builder);
	*ret = steal_ptr(plan);
	return 0;
}
