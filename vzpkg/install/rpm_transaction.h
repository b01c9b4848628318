/*
 * One librpm transaction inside the VE: all packages of a plan into its empty root.
 */
#pragma once

#include "vzpkg/install/session.h"

struct rpm_options {
	bool no_docs;
	const char *langs; /* "en_US:de"; NULL: all */
	const char *database_format, *database_path; /* NULL: as the guest's files say */
};

struct rpm_outcome {
	enum {
		GUEST_DATABASE_DONE,
		GUEST_DATABASE_HEADERS
	} database; /* what is left for the guest to do */
	char *database_path;
	unsigned scripts_failed; /* of those whose failure is no failure of the package */
};

void rpm_outcome_release(struct rpm_outcome *outcome);

/* Scripts of packages that fail without failing the package are warned of, by name. ERROR_INSTALL names the package that failed and shows the
 * end of what its script printed. */
int rpm_transaction_run(struct session *session, const struct rpm_options *options,
			struct rpm_outcome *ret, struct error *err);
