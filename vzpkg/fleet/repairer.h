/*
 * What the two ways to repair (repair_deb.c, repair_rpm.c) share with repair.c. Inside of fleet/ only.
 */
#pragma once

#include "vzpkg/fleet/applier.h"
#include "vzpkg/fleet/repair.h"

struct repairer {
	const struct repair_job *job;
	struct repair_result *result;
	struct applier *applier;
	struct apply_job *change; /* of the applier: what is to be done once more */
};

/* Names of packages in the result. */
void repairer_note(struct repairer *repairer, const char *name);

/* Of the redo's changes those for which `wanted` is true; borrowed, as what is in them. */
void repairer_choose(struct repairer *repairer, const bool *wanted, struct difference *ret);

int repair_deb(struct repairer *repairer, struct error *err);
int repair_rpm(struct repairer *repairer, struct error *err);
