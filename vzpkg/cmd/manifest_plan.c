#include "vzpkg/cmd/manifest_plan.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/manifest.h"

int manifest_plan(const json_t *manifest, enum package_format format, struct plan **ret,
		  struct error *err)
{
	AUTO(installed_release) struct installed installed = INSTALLED_INIT;
	const json_t *rows = json_object_get(manifest, "packages");

	if (manifest_installed(manifest, &installed, err) < 0)
		return -1;
	struct plan *plan = xcalloc(1, sizeof(*plan));
	plan->packages = xcalloc(installed.count, sizeof(*plan->packages));
	plan->count = installed.count;
	for (size_t i = 0; i < plan->count; i++) {
		const struct installed_package *from = &installed.packages[i];
		json_int_t size =
			json_integer_value(json_object_get(json_array_get(rows, i), "size"));
		plan->packages[i] = (struct plan_package){
			.name = xstrdup(from->name),
			.version = xstrdup(from->version),
			.arch = xstrdup(from->arch),
			.digest = from->digest,
			/* The store goes by the digest, and shows people what kind of file it is. */
			.location = xasprintf("%s.%s", from->name,
					      format == PACKAGE_DEB ? "deb" : "rpm"),
			.size = size > 0 ? (uint64_t)size : 0,
		};
		plan->size += plan->packages[i].size;
	}
	*ret = plan;
	return 0;
}
