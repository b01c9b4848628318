#include "vzpkg/resolve/difference.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* Installed packages of one name: of several architectures, or several versions (kernels). */
struct named {
	const char *name;
	size_t *indices;
	size_t count, capacity;
	UT_hash_handle hh;
};

struct comparison {
	const struct installed *installed;
	struct plan *plan;
	struct named *names;
	bool *used; /* of each installed package: the plan has something for it */
	bool *met; /* of each package of the plan: it is installed already */
};

static void add_name(struct comparison *comparison, size_t index)
{
	const char *name = comparison->installed->packages[index].name;
	struct named *named;

	HASH_FIND_STR(comparison->names, name, named);
	if (!named) {
		named = xcalloc(1, sizeof(*named));
		named->name = name;
		HASH_ADD_KEYPTR(hh, comparison->names, name, strlen(name), named);
	}
	named->indices =
		xgrow(named->indices, named->count, &named->capacity, sizeof(*named->indices));
	named->indices[named->count++] = index;
}

static bool is_same(const struct installed_package *before, const struct plan_package *now)
{
	return strcmp(before->version, now->version) == 0 && strcmp(before->arch, now->arch) == 0 &&
	       (!before->digest.kind || before->digest.kind != now->digest.kind ||
		digest_equal(&before->digest, &now->digest));
}

static bool is_same_arch(const struct installed_package *before, const struct plan_package *now)
{
	return strcmp(before->arch, now->arch) == 0;
}

static bool is_any(const struct installed_package *before, const struct plan_package *now)
{
	(void)before;
	(void)now;
	return true;
}

/* An installed package that nothing of the plan stands for yet, or NULL. */
static const struct installed_package *take(struct comparison *comparison,
					    const struct plan_package *now,
					    bool (*fits)(const struct installed_package *before,
							 const struct plan_package *now))
{
	struct named *named;

	HASH_FIND_STR(comparison->names, now->name, named);
	for (size_t i = 0; named && i < named->count; i++) {
		size_t index = named->indices[i];
		const struct installed_package *before = &comparison->installed->packages[index];
		if (comparison->used[index] || !fits(before, now))
			continue;
		comparison->used[index] = true;
		return before;
	}
	return NULL;
}

static void compare(struct comparison *comparison, struct difference *ret)
{
	struct plan *plan = comparison->plan;

	for (size_t i = 0; i < plan->count; i++) {
		struct plan_package *now = &plan->packages[i];
		const struct installed_package *before = take(comparison, now, is_same);
		comparison->met[i] = before;
		if (before && !*now->signer)
			memcpy(now->signer, before->signer, sizeof(now->signer));
	}
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_package *now = &plan->packages[i];
		if (comparison->met[i])
			continue;
		const struct installed_package *before = take(comparison, now, is_same_arch);
		before = before ?: take(comparison, now, is_any);
		ret->changes[ret->count++] = (struct package_change){
			.kind = before ? CHANGE_REPLACE : CHANGE_ADD,
			.package = i,
			.before = before,
		};
	}
	for (size_t i = 0; i < comparison->installed->count; i++)
		if (!comparison->used[i])
			ret->changes[ret->count++] = (struct package_change){
				.kind = CHANGE_REMOVE,
				.before = &comparison->installed->packages[i],
			};
}

void difference_make(const struct installed *installed, struct plan *plan, struct difference *ret)
{
	autofree bool *used = xcalloc(installed->count + 1, sizeof(*used));
	autofree bool *met = xcalloc(plan->count + 1, sizeof(*met));
	struct comparison comparison = { installed, plan, NULL, used, met };
	struct named *named, *next;

	*ret = (struct difference){
		.changes = xcalloc(installed->count + plan->count + 1, sizeof(*ret->changes)),
	};
	for (size_t i = 0; i < installed->count; i++)
		add_name(&comparison, i);
	compare(&comparison, ret);
	HASH_ITER (hh, comparison.names, named, next) {
		HASH_DEL(comparison.names, named);
		free(named->indices);
		free(named);
	}
}

void difference_release(struct difference *difference)
{
	free(difference->changes);
	*difference = DIFFERENCE_INIT;
}

size_t difference_count(const struct difference *difference, enum change_kind kind)
{
	size_t count = 0;
	for (size_t i = 0; i < difference->count; i++)
		count += difference->changes[i].kind == kind;
	return count;
}
