#include "vzpkg/resolve/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct sorter {
	const struct plan *plan;
	size_t *by_name; /* indices, by name and architecture */
	size_t *order; /* indices, in the order that is being made */
	size_t count;
	bool *seen;
};

static int compare(const void *a, const void *b, void *data)
{
	const struct plan *plan = data;
	const struct plan_package *x = &plan->packages[*(const size_t *)a];
	const struct plan_package *y = &plan->packages[*(const size_t *)b];
	int names = strcmp(x->name, y->name);
	return names ? names : strcmp(x->arch, y->arch);
}

/* Depth first: what a package needs is put out before it. A cycle is cut where it is met again. */
static void visit(struct sorter *sorter, size_t index)
{
	const struct plan_package *package = &sorter->plan->packages[index];

	if (sorter->seen[index])
		return;
	sorter->seen[index] = true;
	for (size_t i = 0; i < package->pre_depend_count; i++)
		visit(sorter, package->pre_depends[i]);
	for (size_t i = 0; i < package->depend_count; i++)
		visit(sorter, package->depends[i]);
	sorter->order[sorter->count++] = index;
}

/* A cycle of Depends may have put a package before one that it pre-depends on: those move back. */
static void repair(struct sorter *sorter)
{
	size_t count = sorter->plan->count, done = 0;
	size_t *result = xcalloc(count + 1, sizeof(*result));
	bool *placed = xcalloc(count + 1, sizeof(*placed));

	while (done < count) {
		size_t before = done;
		for (size_t i = 0; i < count; i++) {
			size_t index = sorter->order[i];
			const struct plan_package *package = &sorter->plan->packages[index];
			bool ready = !placed[index];
			for (size_t d = 0; ready && d < package->pre_depend_count; d++)
				ready = placed[package->pre_depends[d]];
			if (!ready)
				continue;
			placed[index] = true;
			result[done++] = index;
			if (i + 1 < count && done < i + 1)
				break; /* an earlier one may be ready now */
		}
		/* A cycle of Pre-Depends, which policy forbids: the rest as it is. */
		for (size_t i = 0; done == before && i < count; i++)
			if (!placed[sorter->order[i]]) {
				placed[sorter->order[i]] = true;
				result[done++] = sorter->order[i];
			}
	}
	memcpy(sorter->order, result, count * sizeof(*result));
	free(result);
	free(placed);
}

static void translate(size_t *edges, size_t count, const size_t *position)
{
	for (size_t i = 0; i < count; i++)
		edges[i] = position[edges[i]];
}

static void apply(struct plan *plan, const size_t *order)
{
	struct plan_package *packages = xcalloc(plan->count + 1, sizeof(*packages));
	size_t *position = xcalloc(plan->count + 1, sizeof(*position));

	for (size_t i = 0; i < plan->count; i++) {
		packages[i] = plan->packages[order[i]];
		position[order[i]] = i;
	}
	for (size_t i = 0; i < plan->count; i++) {
		translate(packages[i].pre_depends, packages[i].pre_depend_count, position);
		translate(packages[i].depends, packages[i].depend_count, position);
	}
	free(position);
	free(plan->packages);
	plan->packages = packages;
}

/* In which order a relation was found is libsolv's affair. */
static void sort_edges(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_package *package = &plan->packages[i];
		if (package->pre_depend_count)
			qsort_r(package->pre_depends, package->pre_depend_count, sizeof(size_t),
				compare, plan);
		if (package->depend_count)
			qsort_r(package->depends, package->depend_count, sizeof(size_t), compare,
				plan);
	}
}

void plan_order(struct plan *plan)
{
	struct sorter sorter = {
		.plan = plan,
		.by_name = xcalloc(plan->count + 1, sizeof(*sorter.by_name)),
		.order = xcalloc(plan->count + 1, sizeof(*sorter.order)),
		.seen = xcalloc(plan->count + 1, sizeof(*sorter.seen)),
	};
	sort_edges(plan);
	for (size_t i = 0; i < plan->count; i++)
		sorter.by_name[i] = i;
	qsort_r(sorter.by_name, plan->count, sizeof(*sorter.by_name), compare, plan);
	for (size_t i = 0; i < plan->count; i++)
		visit(&sorter, sorter.by_name[i]);
	repair(&sorter);
	apply(plan, sorter.order);
	free(sorter.by_name);
	free(sorter.order);
	free(sorter.seen);
}
