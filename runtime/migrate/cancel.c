/* An unfinished move is taken back. */
#include "base/cleanup.h"
#include "runtime/migrate/leave.h"
#include "runtime/migrate/receive.h"
#include "runtime/migrate/send.h"

/* As long as it was not handed over, that is so whatever the other host has. */
static int ask_abort(struct sending *sending, json_t **ret, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	const struct journal *journal = &sending->journal;
	if (sending_call(sending, "abort", json_object(), ret, &why) == 0)
		return 0;
	if (journal->step != JOURNAL_COPYING || why.kind != ERROR_CONNECT) {
		error_move(err, &why);
		return -1;
	}
	report_warning(sending->life->report, journal->peer,
		       "a copy of the VE may be left there, which \"vzmigrate --cancel %u\" "
		       "there removes: %s",
		       sending->life->ctid, why.message);
	return 0;
}

static int cancel(struct sending *sending, struct error *err)
{
	json_t *answer = NULL;
	struct journal *journal = &sending->journal;
	sending->request->remote.host = journal->peer;
	if (ask_abort(sending, &answer, err) < 0)
		return -1;
	bool there = json_is_true(json_object_get(answer, "committed"));
	json_decref(answer);
	if (there) {
		error_set(err, ERROR_LOCKED, "%s has the VE already", journal->peer);
		return error_hint(err, "\"vzmigrate %s %u\" completes the move", journal->peer,
				  sending->life->ctid);
	}
	if (leave_step(sending, JOURNAL_COPYING, err) < 0 || leave_take_back(sending, err) < 0)
		return -1;
	return leave_step(sending, JOURNAL_NONE, err);
}

int send_cancel(const struct life *life, struct send_request *request, struct error *err)
{
	AUTO(sending_release) struct sending sending = SENDING_INIT(life, request);
	if (leave_open(&sending, err) < 0)
		return -1;
	const struct journal *journal = &sending.journal;
	int result = 0;
	if (journal->step == JOURNAL_NONE) {
		error_set(err, ERROR_NO_VE, "the VE %u is not being moved", life->ctid);
		result = -1;
	} else if (journal->step == JOURNAL_ARRIVING) {
		AUTO(held_release) struct held held = HELD_INIT;
		result = held_take(life, false, &held, err);
		if (result == 0)
			result = receive_abort(life, journal->id, err);
	} else if (journal->step == JOURNAL_DONE) {
		result = leave_for_good(&sending, err);
	} else {
		result = cancel(&sending, err);
	}
	return result < 0 ? error_wrap(err, "taking the move of the VE %u back", life->ctid) : 0;
}
