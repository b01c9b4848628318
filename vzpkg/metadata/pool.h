/*
 * All packages of a template's repositories in one libsolv pool. Only metadata/ and resolve/ see
 * libsolv. Size, Priority and Essential, which libsolv's reader drops, are kept beside it as
 * attributes of our own and survive the .solv cache.
 */
#pragma once

#include <solv/pool.h>
#include <solv/repo.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/report.h"
#include "vzpkg/metadata/metadata.h"

enum package_priority {
	PRIORITY_REQUIRED,
	PRIORITY_IMPORTANT,
	PRIORITY_STANDARD,
	PRIORITY_OPTIONAL,
	PRIORITY_EXTRA
};

struct package_pool {
	Pool *pool; /* whatprovides is made */
	const struct metadata *metadata; /* borrowed; Repo.appdata is its metadata_repository */
	Repo *local; /* package files of the host (local.h); NULL: none */
	Id priority_key, essential_key, order_key, sha512_key; /* attributes of our own */
	/* What a list of files that libsolv asked for (rpm) could not be had for: whatever was decided since is void. */
	struct error trouble;
	pid_t cache_writer; /* a child that writes caches, or 0; who sets it to 0 waits for it */
};

/* Loads every index that was brought, from its .solv cache where there is one, else from the index itself (and
 * starts a child that writes the cache). */
int metadata_load(const struct metadata *metadata, struct report *report, struct package_pool **ret,
		  struct error *err);

/* Waits for pool->cache_writer, or one that was taken from there, and sets it to 0. */
void cache_writer_wait(pid_t *writer);

void package_pool_free(struct package_pool *pool); /* waits for the cache writer too */
void package_pool_freep(struct package_pool **pool);

/* What the index said of a package. */
uint64_t package_download_size(const struct package_pool *pool, Id solvable);
uint64_t package_installed_size(const struct package_pool *pool, Id solvable); /* bytes */
enum package_priority package_priority(const struct package_pool *pool, Id solvable);
bool package_is_essential(const struct package_pool *pool, Id solvable);
/* The strongest digest that the index names; false if it names none. */
bool package_digest(const struct package_pool *pool, Id solvable, struct digest *ret);
