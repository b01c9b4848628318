/*
 * Garbage collection of layers: which of them no tarball and no VE has.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/host.h"
#include "base/strvec.h"

struct layer_collect {
	const struct host_config *host;
	const struct strvec *needed; /* SHA-256 of tarballs that stay, hexadecimal */
	bool dry_run;
	void (*collected)(const char *digest, void *data); /* it goes, or would go; may be NULL */
	void *data;
};

/*
 * Removes the layers but those that are needed, those of tarballs in TEMPLATE/cache whose layer is known, those that a VE's configuration names, and
 * those that somebody has open: a VE that is just being created. If it cannot be known what a VE stands on (a configuration with a
 * mistake; a VE that runs and has none) nothing is removed, and the error says of which.
 */
int layer_collect(const struct layer_collect *collect, struct error *err);
