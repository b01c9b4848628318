#include "vzpkg/resolve/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void plan_digest(const struct plan *plan, struct digest *ret)
{
	struct hasher *hasher = hasher_new(DIGEST_SHA256);
	char **lines = xcalloc(plan->count + 1, sizeof(*lines));

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_package *package = &plan->packages[i];
		char hex[DIGEST_MAX * 2 + 1];
		lines[i] = xasprintf("%s %s %s %s\n", package->name, package->version,
				     package->arch, digest_hex(&package->digest, hex));
	}
	qsort(lines, plan->count, sizeof(*lines), by_text);
	for (size_t i = 0; i < plan->count; i++) {
		hasher_update(hasher, lines[i], strlen(lines[i]));
		free(lines[i]);
	}
	free(lines);
	hasher_finish(hasher, ret);
	hasher_free(hasher);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_package *package = &plan->packages[i];
		free(package->name);
		free(package->version);
		free(package->arch);
		free(package->location);
		free(package->pre_depends);
		free(package->depends);
		free(package->reason);
	}
	for (size_t i = 0; i < plan->repository_count; i++) {
		free(plan->repositories[i].text);
		strvec_release(&plan->repositories[i].base_urls);
	}
	free(plan->packages);
	free(plan->repositories);
	free(plan);
}

void plan_freep(struct plan **plan)
{
	plan_free(*plan);
	*plan = NULL;
}
