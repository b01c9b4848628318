#include "vzpkg/metadata/rpm_reasons.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "vzpkg/metadata/yumdb.h"

void rpm_reasons_release(struct rpm_reasons *reasons)
{
	strvec_release(&reasons->dependencies);
	strvec_release(&reasons->asked);
}

int rpm_reasons_read(int tree, struct rpm_reasons *ret, struct error *err)
{
	if (yumdb_read(tree, ret, err) < 0 || dnf_history_read(tree, ret, err) < 0)
		return -1;
	strvec_sort(&ret->dependencies);
	strvec_sort(&ret->asked);
	return 0;
}

static int by_text(const void *key, const void *item)
{
	return strcmp(key, *(char *const *)item);
}

static bool is_listed(const struct strvec *list, const char *package)
{
	return list->count &&
	       bsearch(package, list->items, list->count, sizeof(*list->items), by_text);
}

void rpm_reasons_mark(const struct rpm_reasons *reasons, struct installed_package *package)
{
	autofree char *yum = yumdb_package(package->name, package->version, package->arch);
	autofree char *dnf = xasprintf("%s.%s", package->name, package->arch);

	/* They may be of different opinions, or have left something behind of another file of this version: what was asked for stays. */
	package->asked = is_listed(&reasons->asked, yum) || is_listed(&reasons->asked, dnf);
	package->automatic = !package->asked && (is_listed(&reasons->dependencies, yum) ||
						 is_listed(&reasons->dependencies, dnf));
}

static void hash_list(const struct strvec *list, struct hasher *hasher)
{
	for (size_t i = 0; i < list->count; i++)
		hasher_update(hasher, list->items[i], strlen(list->items[i]) + 1);
	hasher_update(hasher, "", 1);
}

/* Of dnf the database's bytes: reading it takes a process. */
int rpm_reasons_hash(int tree, struct hasher *hasher, struct error *err)
{
	AUTO(rpm_reasons_release) struct rpm_reasons yum = RPM_REASONS_INIT;

	if (yumdb_read(tree, &yum, err) < 0)
		return -1;
	strvec_sort(&yum.dependencies);
	strvec_sort(&yum.asked);
	hash_list(&yum.dependencies, hasher);
	hash_list(&yum.asked, hasher);
	return dnf_history_hash(tree, hasher, err);
}
