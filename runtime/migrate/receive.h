/*
 * What the host does that a VE comes to, a step at a time, each under the VE's lock and each safe to be asked for twice:
 *
 *	begin	a place for its files; what of its layers is missing. Whatever an earlier id was for fails from now on
 *	layer	one that was copied gets its name
 *	commit	there is a VE: its configuration is written. Its id stays in there (VE_MIGRATION), by which it is known that this was done
 *	finish	limits that are not files; it is started if it ran
 *	revert	there is no VE again, only its files
 *	abort	nor these
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "runtime/life/life.h"

/* Of CTID.conf. */
#define MIGRATE_ID "VE_MIGRATION"

/* Reads the request from standard input and answers on standard output, also if it fails. `life` has no CTID yet. 0 or -1, if it could not answer. */
int receive(struct life *life, const char *step, struct error *err);

/* Removes a copy that no VE was made of. 1 if there is a VE of that id. With the VE's lock. */
int receive_abort(const struct life *life, const char *id, struct error *err);
