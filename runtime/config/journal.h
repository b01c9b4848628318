/*
 * What is known of a VE's move, on the host that it leaves as on the one that it comes to: LOCKDIR/CTID.migrate, in the form of base/conf.h, on disk
 * before what it says is begun. A move has an id; one that is begun again has another, and whatever still goes on for the earlier one fails then.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/host.h"

enum journal_step {
	JOURNAL_NONE, /* no file */
	JOURNAL_COPYING, /* it leaves: files are copied, and the VE is here */
	JOURNAL_HANDED_OVER, /* the other host may have it */
	JOURNAL_COMMITTED, /* it has it */
	JOURNAL_DONE, /* and needs nothing from here any more */
	JOURNAL_ARRIVING, /* it comes: there is a copy of its files, of which nobody makes a VE yet */
	JOURNAL_STEPS
};

struct journal {
	enum journal_step step;
	char *id, *peer; /* the other host, as it was called */
	char *private_area; /* arriving: the copy */
	bool ran; /* leaving: it was stopped for this, and is to be started again */
	bool keep; /* leaving: it is to stay here, too */
};

#define JOURNAL_INIT ((struct journal){ 0 })

int journal_load(const struct host_config *host, unsigned ctid, struct journal *ret,
		 struct error *err);

/* JOURNAL_NONE removes the file. */
int journal_save(const struct host_config *host, unsigned ctid, const struct journal *journal,
		 struct error *err);
/* Whether any VE is on its way here; so it is, too, if its journal cannot be read. */
bool journal_any_arriving(const struct host_config *host);
void journal_release(struct journal *journal);
