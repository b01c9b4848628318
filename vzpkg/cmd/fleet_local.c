/*
 * Package files of the host that are to come into VEs.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/cmd/fleet.h"

int fleet_open_local(struct fleet *fleet, struct error *err)
{
	const struct strvec *paths = &fleet->request->objects;

	if (fleet->request->kind != FLEET_FILES)
		return 0;
	fleet->local = xcalloc(paths->count + 1, sizeof(*fleet->local));
	for (size_t i = 0; i < paths->count; i++)
		if (local_package_open(paths->items[i], &fleet->local[fleet->local_count++], err) <
		    0)
			return -1;
	return 0;
}

const struct local_package *fleet_local(const struct fleet *fleet, const struct digest *digest)
{
	for (size_t i = 0; i < fleet->local_count; i++)
		if (digest_equal(&fleet->local[i].digest, digest))
			return &fleet->local[i];
	return NULL;
}
