/*
 * What a run over many VEs has done so far, on disk before anybody is told: TEMPLATE/fleet/RUN.jsonl, a JSON object on each
 * line.
 *
 *	{"schema":1,"request":{…},"ves":[101,102]}	what is to be done, in words of the caller's, and to which VEs
 *	{"plan":1,"packages":[…],…}			what is to be done in VEs of one class (redo.h)
 *	{"ve":101,"plan":1}				work on it begins
 *	{"ve":101,"manager":"begun"}			… its package manager's, and that comes to an end ("ended")
 *	{"ve":101,"result":{…}}				and has ended
 *
 * Package files of the plans stay in the store (cache/collect.h) for as long as there is the journal.
 *
 * A run that does all that it was to do removes its journal; what a killed or interrupted one leaves is for `resume`. RUN.lck is
 * held by the run at work. A line that was cut off by power loss is as if it had not been written.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct journal;

/* Takes over the request; `ctids` are copied. */
int journal_begin(const char *template_dir, json_t *request, const unsigned *ctids, size_t count,
		  struct journal **ret, struct error *err);

/* The oldest one that nobody is at work on; *ret is NULL if there is none. *others: how many more there are. */
int journal_take_up(const char *template_dir, struct journal **ret, size_t *others,
		    struct error *err);

/* What was asked for; borrowed. */
const json_t *journal_request(const struct journal *journal);

enum journal_state {
	JOURNAL_WAITING, /* not begun */
	JOURNAL_BEGUN, /* it may be half done; also by who has ended, if the result says so ("half_done") */
	JOURNAL_FAILED,
	JOURNAL_DONE,
};

/* The VEs in their order. */
size_t journal_count(const struct journal *journal);
unsigned journal_ve(const struct journal *journal, size_t index);
enum journal_state journal_state(const struct journal *journal, unsigned ctid);

/* What its package manager had begun when it was cut off; borrowed. NULL: it had begun nothing, or was not cut off. */
const json_t *journal_cut_off(const struct journal *journal, unsigned ctid);

/* Takes over the plan, an object. *id: its number, from 1. */
int journal_note_plan(struct journal *journal, json_t *plan, unsigned *id, struct error *err);

/* `plan`: its number; 0: none. */
int journal_note_begun(struct journal *journal, unsigned ctid, unsigned plan, struct error *err);

/* Its package manager begins, or has ended. In a child, too. */
int journal_note_manager(struct journal *journal, unsigned ctid, bool ended, struct error *err);

/* `result` is borrowed; it failed if it has an "error". On disk (fdatasync) when this returns. */
int journal_note_ended(struct journal *journal, unsigned ctid, const json_t *result,
		       struct error *err);

/* true if it stays for `resume`: some VE was not begun, or may be half done. Otherwise it is removed. */
bool journal_close(struct journal *journal);
void journal_free(struct journal *journal); /* leaves it as it is on disk */
void journal_freep(struct journal **journal);
