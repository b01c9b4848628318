/* What a move does to the VE on the host that it leaves. */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "base/lock.h"
#include "runtime/life/life.h"
#include "runtime/config/journal.h"
#include "runtime/migrate/send.h"

struct sending {
	const struct life *life;
	struct send_request *request;
	struct lock lock; /* of moves of this VE */
	struct journal journal;
	struct held held; /* from when it is stopped on */
	bool processes; /* go with it: it is suspended to disk, or will be */
	unsigned ids_base; /* which its processes have; 0: none go with it */
	json_t *place; /* what "begin" was answered with */
};

#define SENDING_INIT(from, to)                                                         \
	{                                                                              \
		.life = (from), .request = (to), .lock = LOCK_INIT, .held = HELD_INIT, \
	}

void sending_release(struct sending *sending);

/* A step on the other host (receive.h), with what is in `more`, which is taken. `ret` may be NULL. */
int sending_call(struct sending *sending, const char *step, json_t *more, json_t **ret,
		 struct error *err);

/* Takes the lock of moves, and reads what there is of one. */
int leave_open(struct sending *sending, struct error *err);

/* Notes that step, on disk. */
int leave_step(struct sending *sending, enum journal_step step, struct error *err);

/* Takes the VE's lock alone; also with all that goes with it: one that was being moved is the host's again then. */
int leave_lock(struct sending *sending, struct error *err);
int leave_take(struct sending *sending, struct error *err);

/* If it runs, notes that, and stops it, or suspends it to disk if that was asked for. */
int leave_stop(struct sending *sending, struct error *err);

/* No command does anything with it from now on; and again, if it was stopped for this then it is started. */
int leave_hide(struct sending *sending, struct error *err);
int leave_take_back(struct sending *sending, struct error *err);

/* Starts it if it was stopped for this, also after an interruption. Releases the VE's lock. */
void leave_restart(struct sending *sending);

/* It is the other host's: it is removed, or disabled. */
int leave_for_good(struct sending *sending, struct error *err);
