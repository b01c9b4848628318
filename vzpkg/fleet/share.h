/*
 * Package files as VEs see them: those of any number of plans, each there once, by its digest. Verified when it is put there, and made quick to
 * unpack: what every VE would decompress for itself is decompressed once (share_deb.h, share_rpm.h).
 *
 * The folder is on a file system of its own in memory (tmpfs), in a mount namespace of this process, so that nothing is left of it whatever ends us;
 * or, when that would take too much memory, a folder on the disk. Nothing in it is a link into the package store. Folder 0755 and files
 * 0644 belong to the host's root and are shown to VEs without mapped ids: they can read them and not write.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/report.h"
#include "vzpkg/cache/store.h"
#include "vzpkg/fetch/package_signature.h"
#include "vzpkg/resolve/plan.h"
#include "vzpkg/template.h"

struct share;

struct share_spec {
	struct store *store; /* borrowed */
	const char *
		work_dir; /* a folder of this run on the disk of TEMPLATE, where a folder is made if memory does not do; absolute */
	uint64_t memory_max; /* bytes; 0: a quarter of what the host has available */
	unsigned jobs; /* processes that decompress at a time; at least 1 */
	struct report *report; /* progress in bytes of package files; may be NULL */
};

/*
 * Call it before any child is started that is to see the files: the process enters a mount namespace of its own, in which what the host
 * mounts and unmounts later is seen as before. Single-threaded, as root.
 */
int share_open(const struct share_spec *spec, struct share **ret, struct error *err);

/*
 * Puts the packages of a plan there that are not there yet; they are in the store. `keys`: of the template, for packages of the rpm format; each is verified as when it
 * entered the store. ERROR_TRUST for a file that is not what it should be. share_path() may be another one afterwards.
 */
int share_add(struct share *share, const struct plan *plan, enum package_format format,
	      const struct package_keys *keys, struct error *err);

/* The folder, in this process' mount namespace; of children that are started from now on. An earlier one stays until share_free(). */
const char *share_path(const struct share *share);

/* The name in it of a package of a plan that was added: "nginx_1.22.1-9_DIGEST.deb". To be freed. */
char *share_file(const struct share *share, const struct plan_package *package);

struct share_counters {
	unsigned packages; /* files */
	uint64_t package_bytes; /* of package files as they were downloaded */
	uint64_t bytes; /* of files as they are shown */
	unsigned decompressions;
	bool in_memory;
};

void share_count(const struct share *share, struct share_counters *ret);

/* Visits that show it have to be over. */
void share_free(struct share *share);
void share_freep(struct share **share);
