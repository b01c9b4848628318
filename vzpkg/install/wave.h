/*
 * Several packages at once into the tree: unpacked by parallel workers, then made to look as if dpkg had
 * unpacked one after the other.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/install/deb_unpack.h"
#include "vzpkg/install/dpkg_database.h"
#include "vzpkg/install/install.h"

/* Which package owns which path, over all waves. */
struct path_owner;

struct waves {
	const struct install_job *job;
	struct dpkg_database *database;
	struct unpacked *unpacked; /* of each package of the plan; empty until it is unpacked */
	const struct dpkg_overrides *overrides; /* NULL: there are none yet */
	struct path_owner *owners;
	uint64_t done_bytes; /* of package files, for progress */
	int64_t newest; /* file time, Unix seconds */
};

/* Unpacks the packages with these indices into the plan. */
int wave_unpack(struct waves *waves, const size_t *packages, size_t count, struct error *err);

void waves_release(struct waves *waves);
