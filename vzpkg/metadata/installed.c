#include "vzpkg/metadata/installed.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void installed_add(struct installed *installed, const struct installed_package *package)
{
	installed->packages = xgrow(installed->packages, installed->count, &installed->capacity,
				    sizeof(*installed->packages));
	struct installed_package *added = &installed->packages[installed->count++];
	*added = *package;
	added->name = xstrdup(package->name);
	added->version = xstrdup(package->version);
	added->arch = xstrdup(package->arch);
}

void installed_release(struct installed *installed)
{
	for (size_t i = 0; i < installed->count; i++) {
		free(installed->packages[i].name);
		free(installed->packages[i].version);
		free(installed->packages[i].arch);
	}
	free(installed->packages);
	*installed = INSTALLED_INIT;
}
