/*
 * A VE is moved to another host. Of the two, at most one can start it at any moment, whatever ends when:
 *
 *	here		there
 *	COPYING		ARRIVING	files go over, at first while it runs. It is here
 *	HANDED_OVER	ARRIVING	no command does anything with it here (VE_MIGRATING)
 *	HANDED_OVER	a VE		"commit" was done
 *	COMMITTED	a VE		that is known here; it is started there
 *	DONE		a VE		it is removed here
 *
 * A run that finds HANDED_OVER or COMMITTED asks the other host which it is, under a new id, so that nothing that still goes on there for the old one can
 * come true later. Only then is it one or the other.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/life/life.h"
#include "runtime/migrate/remote.h"

struct send_request {
	struct remote remote;
	bool keep; /* here, disabled */
	bool online; /* with its processes, if it runs */
	bool keep_copy; /* there, if it fails */
	int64_t stood_ms; /* set: for how long it did not run; 0: it was stopped, or an earlier run had stopped it */
};

/* ERROR_NO_VE, ERROR_VE_EXISTS, ERROR_CONNECT, ERROR_COPY, ERROR_STOP, ERROR_ARRIVE (it does not start there, and is here again), … */
int send_ve(const struct life *life, struct send_request *request, struct error *err);

/* Takes an unfinished move back, or, where a VE was to arrive, removes the copy. */
int send_cancel(const struct life *life, struct send_request *request, struct error *err);
