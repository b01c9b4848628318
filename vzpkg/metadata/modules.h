/*
 * Modules of rpm distributions (https://docs.fedoraproject.org/en-US/modularity): several streams of the same software in one repository, of
 * which one is to be chosen. Default streams, and what they need, are; packages of other streams are no candidates, and neither are
 * packages outside of modules whose name a chosen stream has.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/metadata/pool.h"

/* Sets pool->pool->considered, if the repositories have modules. Before the pool's whatprovides is made. */
int modules_choose(struct package_pool *pool, struct error *err);
