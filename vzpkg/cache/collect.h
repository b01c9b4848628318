/*
 * Garbage collection of what vzpkg keeps between runs: generations, and files of the package store. Nothing that somebody uses is
 * touched, whoever else is at work meanwhile.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strvec.h"

/* Something goes (or would go): "generation" debian-12@3, "package" sha256/ab/…, "partial" download. size: bytes. */
typedef void collected_fn(const char *kind, const char *name, uint64_t size, void *data);

struct collect {
	const char *template_dir;
	int pm; /* TEMPLATE/pm */
	unsigned keep; /* generations of a template, beside the current and pinned ones */
	unsigned timeout_s; /* for the lock of the store */
	bool dry_run;
	collected_fn *collected; /* may be NULL */
	void *data;

	/* Results. */
	struct strvec dropped; /* generations that are gone, or would be: "debian-12-x86_64@3" */
	struct strvec layers; /* SHA-256 of the tarballs that stay, hexadecimal */
	struct strvec
		damaged; /* manifests and lock files that cannot be read: "debian-12-x86_64@3: why" */
};

void collect_release(struct collect *collect);

/* Drops the generations beyond those that are kept. One of whose template somebody is at work on is left to him. */
int collect_generations(struct collect *collect, struct error *err);

/*
 * Removes the files that no manifest of a generation names, no run that goes on, no journal of one that can go on, no plan of store_keep(), and no lock file of a template, as
 * well as downloads and damaged files that are a week old. With a damaged manifest, journal or lock file (said in `damaged`) no file is removed that it might name. Fills in `layers`. To be
 * called after collect_generations().
 */
int collect_packages(struct collect *collect, struct error *err);

/* Removes all files, but for those of runs that go on or can, and of lock files. */
int collect_all_packages(struct collect *collect, struct error *err);
