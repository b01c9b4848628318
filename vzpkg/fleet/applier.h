/*
 * One VE's change while it is being made: what apply.c and the two ways to do it (apply_deb.c, apply_rpm.c) share. Inside of fleet/ only.
 */
#pragma once

#include <stdint.h>

#include "base/strbuf.h"
#include "runtime/access/visit.h"
#include "vzpkg/fleet/apply.h"

/* Where the plan's packages are shown in the VE. */
#define PACKAGES_TARGET "/run/vzpkg-packages"

struct applier {
	const struct apply_job *job;
	struct apply_result *result;
	struct visit *visit;
	/* What the visit borrows: services of a VE that is stopped are not started. */
	char *policy;
	struct ve_bind bind;
	struct strvec env; /* of all programs */
	uint64_t deadline_ms; /* of the monotonic clock; 0: none */
	char *working_on; /* the package that its package manager is at; NULL: none, or it has not said so */
	char *failed; /* the first package that its package manager said to have failed */
	bool full; /* a program has said that there is no room left */
	bool out_of_memory; /* a process in the VE was killed while the last program ran */
	bool locked; /* its package manager has said that another one is at work */
	bool holds_lock; /* deb: of its apt's lock */
	bool listing; /* names of unfinished packages follow */
	bool cut_off; /* a program has not come to its end by itself */
};

/* A program and what to say of it. */
struct applier_command {
	const char *what; /* "installing packages" */
	const char *const *argv;
	int script; /* descriptor, or -1 */
	const char *input; /* what it reads; NULL: nothing */
	void (*line)(struct applier *applier,
		     const char *line); /* looks at a line that it prints; may be NULL */
	struct strvec *lines; /* what it prints is added to it, up to some limit; may be NULL */
};

/* What is being done from now on. */
void applier_enter(const struct applier *applier, enum apply_phase phase);

/* Goes into the VE, with the packages of the share shown. On failure there is nothing to be done but applier_release(). */
int applier_open(struct applier *applier, struct error *err);
void applier_release(struct applier *applier);

/*
 * Runs it. Any end but a success is an error that shows the end of what it printed: ERROR_INSTALL, ERROR_NO_SPACE, ERROR_LOCKED, ERROR_TIME_LIMIT; or what visit_run() says.
 */
int applier_run(struct applier *applier, const struct applier_command *command, struct error *err);

/* Seconds that are left for all of it; 0: there is no limit. ERROR_TIME_LIMIT if none are left. */
int applier_time_left(const struct applier *applier, unsigned *ret, struct error *err);

/* Runs a function of ours in the VE (visit_call()) within the time that is left; the result, if it is to give one, is appended to `ret`, up to `limit` bytes. */
int applier_call(struct applier *applier, ve_function *function, void *data, struct strbuf *ret,
		 size_t limit, struct error *err);

/* The package at work; `name` ends after `length` bytes. Clean. */
void applier_set_working_on(struct applier *applier, const char *name, size_t length);

/* The package of the plan whose file has this name; NULL: none. */
const struct plan_package *applier_package_of(const struct applier *applier, const char *file);

/* Appends the paths of the files, as the VE sees them, of the plan's packages for which `wanted` is true. */
void applier_files(const struct applier *applier, const bool *wanted, struct strvec *files);

/* Another such time for what is done from now on. */
void applier_renew_time(struct applier *applier);

/* What the lock of its apt is for; nothing if it is held, or if the VE does not run. */
int applier_lock_deb(struct applier *applier, struct error *err);

/* "dpkg --configure -a": what was unpacked, and whose triggers are to be run. */
int apply_deb_configure(struct applier *applier, struct error *err);

/* Waits until none is at work in the VE, if it runs. */
int applier_wait_rpm(struct applier *applier, struct error *err);

int apply_deb(struct applier *applier, struct error *err);
int apply_rpm(struct applier *applier, struct error *err);
