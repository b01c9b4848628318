/*
 * Unpacking by the guest's own dpkg, for trees in which it has been told to leave files out
 * (path-exclude and path-include in dpkg.cfg(5)): those rules are its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vzpkg/install/session.h"

/* true if dpkg's configuration in the tree has such rules. */
int dpkg_has_filters(int tree, bool *ret, struct error *err);

/* Runs "dpkg --unpack" in the VE for the packages with these indices into the job's plan, one after the
 * other. *newest grows to the latest file time in them (Unix seconds). */
int dpkg_unpack(struct session *session, const size_t *packages, size_t count, int64_t *newest,
		struct error *err);
