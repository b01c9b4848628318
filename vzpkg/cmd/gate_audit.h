/* The gate's look at the package database: in the VE, by the VE's own package manager. */
#pragma once

#include <jansson.h>

#include "vzpkg/cmd/gate_ve.h"
#include "vzpkg/template.h"

/* It has to be whole, and to list exactly `packages`, an array as in manifests. ERROR_GATE. */
int gate_audit(struct gate_ve *ve, enum package_format format, const json_t *packages,
	       struct error *err);
