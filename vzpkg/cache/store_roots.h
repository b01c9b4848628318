/*
 * What of the package store is still needed, beside what manifests of caches say. Inside of cache/ only.
 *
 *	packages/roots/NAME		a list, "sha256/abcdef…" a line, of a template's last plan; another one replaces it
 *	packages/roots/.PID.N		of a run that goes on, which holds a lock on it; else it is swept
 *	packages/lock			shared while somebody looks which files are there, exclusive while files are collected
 *
 * So a file is safe from the moment that it was seen: who looks has put down a list before, and who collects reads the lists under
 * the lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/lock.h"
#include "vzpkg/resolve/plan.h"

#define STORE_LOCK "lock"

struct store_use {
	int packages; /* borrowed */
	char *path; /* NULL: nothing is used */
	struct lock lock;
};

#define STORE_USE_INIT ((struct store_use){ .packages = -1, .lock = LOCK_INIT })

/* Puts down that this process uses the files of the plan, too, until store_use_end(). */
int store_use_begin(struct store_use *use, int packages, const struct plan *plan,
		    struct error *err);
void store_use_end(struct store_use *use);

/* Replaces the list NAME. The lock is held, shared or not. */
int store_root_write(int packages, const char *name, const struct plan *plan, struct error *err);
int store_root_remove(int packages, const char *name, struct error *err);

/* Digests of files that are needed. */
struct store_needs {
	struct digest *items;
	size_t count, capacity;
};

#define STORE_NEEDS_INIT ((struct store_needs){ 0 })

void store_needs_add(struct store_needs *needs, const struct digest *digest);
void store_needs_release(struct store_needs *needs);

/* Adds the lists of runs that go on and, with `plans`, those of templates. Sweeps what runs have left that are no more. The
 * exclusive lock is held. */
int store_roots_read(int packages, bool plans, struct store_needs *needs, struct error *err);
