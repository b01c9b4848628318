/*
 * An earlier template's tree is changed to what a plan says, by the guest's own package manager in a VE, and then
 * checked: it has to be what a build from nothing would give, as far as that can be told without one.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/install/install.h"
#include "vzpkg/install/tree_check.h"

int change_deb(const struct install_job *job, struct error *err);
int change_rpm(const struct install_job *job, struct error *err);

/* ---- for both ------------------------------------------------------------------------------------------------- */

struct changer {
	const struct install_job *job;
	struct session session;
	struct tree_state before, after;
	struct strvec differed; /* before: what `verify` says of what is to be replaced */
	void *data; /* the format's own */
};

/* What differs between package managers. A step that is NULL has nothing to do. */
struct change_format {
	const char *suffix; /* of package files */
	const char *const *verify; /* change_verify() */
	int (*look)(struct changer *changer, struct error *err); /* before anything is changed */
	int (*remove)(struct changer *changer, struct error *err);
	int (*upgrade)(struct changer *changer, struct error *err);
	int (*finish)(struct changer *changer, struct error *err); /* after the template's script */
	int (*check_database)(struct changer *changer, struct error *err);
	int (*check_files)(struct changer *changer, struct error *err);
};

/* All of it, step after step. */
int change_run(const struct install_job *job, const struct change_format *format, void *data,
	       struct error *err);

/* true if the job's difference adds, replaces or removes a package of that name. */
bool change_concerns(const struct install_job *job, const char *package);

/* The file of a package of the plan as the VE sees it. To be freed. */
char *change_file(size_t package, const char *suffix);

/* Names of packages with changes of these kinds (a set of bits 1 << kind). */
void change_names(const struct install_job *job, unsigned kinds, struct strvec *ret);
