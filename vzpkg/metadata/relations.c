#include "vzpkg/metadata/relations.h"

#include <solv/knownid.h>
#include <solv/solvable.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* One byte holds a place. */
enum { COUNT_MAX = 255 };

static const char *first_name(Pool *pool, Id dependency)
{
	while (ISRELDEP(dependency))
		dependency = GETRELDEP(pool, dependency)->name;
	return pool_id2str(pool, dependency);
}

/* The first name tells most of them apart; the whole text is composed only where it does not. */
static int by_text(const void *a, const void *b, void *data)
{
	Pool *pool = data;
	Id x = *(const Id *)a, y = *(const Id *)b;
	int order = strcmp(first_name(pool, x), first_name(pool, y));

	if (order || x == y)
		return order;
	autofree char *text = xstrdup(pool_dep2str(pool, x));
	return strcmp(text, pool_dep2str(pool, y));
}

static void relations(Pool *pool, Id solvable, Id kind, Queue *ret)
{
	int kept = 0;

	solvable_lookup_deparray(pool_id2solvable(pool, solvable), kind, ret, 0);
	for (int i = 0; i < ret->count; i++)
		if (ret->elements[i] != SOLVABLE_PREREQMARKER)
			ret->elements[kept++] = ret->elements[i];
	queue_truncate(ret, kept);
}

static void sort(Pool *pool, Queue *queue)
{
	if (queue->count > 1)
		qsort_r(queue->elements, (size_t)queue->count, sizeof(Id), by_text, pool);
}

void relations_sorted(Pool *pool, Id solvable, Id kind, Queue *ret)
{
	relations(pool, solvable, kind, ret);
	sort(pool, ret);
}

static int place_of(const Queue *queue, Id id)
{
	for (int i = 0; i < queue->count; i++)
		if (queue->elements[i] == id)
			return i;
	return 0;
}

char *relations_order(Pool *pool, Id solvable)
{
	Queue original, sorted;
	char *order = NULL;

	queue_init(&original);
	relations(pool, solvable, SOLVABLE_REQUIRES, &original);
	queue_init_clone(&sorted, &original);
	sort(pool, &sorted);
	bool same = original.count < 2 || original.count > COUNT_MAX ||
		    memcmp(original.elements, sorted.elements,
			   (size_t)original.count * sizeof(Id)) == 0;
	if (!same) {
		order = xcalloc((size_t)original.count + 1, 1);
		for (int i = 0; i < original.count; i++)
			order[i] = (char)(place_of(&sorted, original.elements[i]) + 1);
	}
	queue_free(&original);
	queue_free(&sorted);
	return order;
}

void package_requires(const struct package_pool *pool, Id solvable, Queue *ret)
{
	const char *order = pool_lookup_str(pool->pool, solvable, pool->order_key);

	relations_sorted(pool->pool, solvable, SOLVABLE_REQUIRES, ret);
	if (!order || strlen(order) != (size_t)ret->count)
		return;
	Queue sorted;
	queue_init_clone(&sorted, ret);
	for (int i = 0; i < ret->count; i++) {
		int place = (unsigned char)order[i] - 1;
		if (place < sorted.count)
			ret->elements[i] = sorted.elements[place];
	}
	queue_free(&sorted);
}
