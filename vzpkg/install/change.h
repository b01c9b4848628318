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

/* true if the job's difference adds, replaces or removes a package of that name. */
bool change_concerns(const struct install_job *job, const char *package);

/* Verified copies of the package files into job->packages. (No links: the store's files are shown to no VE.) */
int change_lay_out(const struct install_job *job, const char *suffix, struct error *err);

/* The file of a package of the plan as the VE sees it. To be freed. */
char *change_file(size_t package, const char *suffix);

/* Names of packages with changes of these kinds (a set of bits 1 << kind). */
void change_names(const struct install_job *job, unsigned kinds, struct strvec *ret);

/*
 * Files that differ from what their packages say, by the guest's package manager ("dpkg --verify", "rpm -V": `command`, to which the
 * names are added): sorted lines, "c" of configuration files.
 */
int change_verify(struct session *session, const char *const *command, const struct strvec *names,
		  struct strvec *lines, struct error *err);

/* A file of a package that is to be replaced was changed by a script: it would be lost. ERROR_GATE. */
int change_check_before(const struct strvec *lines, struct error *err);

/* What differs now and did not before, but for files that nothing has touched since. ERROR_GATE. */
int change_check_after(const struct strvec *before, const struct strvec *lines,
		       const struct tree_state *old, const struct tree_state *now,
		       struct error *err);
