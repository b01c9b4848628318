#include "vzpkg/resolve/version.h"

#include <solv/evr.h>
#include <solv/pool.h>

/* libsolv has the rules in a pool, which need not hold a package. */
struct version_order *version_order_new(enum package_format format)
{
	Pool *pool = pool_create();
	pool_setdisttype(pool, format == PACKAGE_DEB ? DISTTYPE_DEB : DISTTYPE_RPM);
	return (struct version_order *)pool;
}

void version_order_free(struct version_order *order)
{
	if (order)
		pool_free((Pool *)order);
}

void version_order_freep(struct version_order **order)
{
	version_order_free(*order);
	*order = NULL;
}

int version_compare(struct version_order *order, const char *a, const char *b)
{
	return pool_evrcmp_str((Pool *)order, a, b, EVRCMP_COMPARE);
}
