#include "runtime/migrate/leave.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/config/ve_dump.h"
#include "runtime/life/cleanup.h"

void sending_release(struct sending *sending)
{
	held_release(&sending->held);
	journal_release(&sending->journal);
	json_decref(sending->place);
	lock_release(&sending->lock);
}

int sending_call(struct sending *sending, const char *step, json_t *more, json_t **ret,
		 struct error *err)
{
	char source[256] = "";
	gethostname(source, sizeof(source) - 1);
	json_t *request = json_pack("{s:i, s:s, s:s}", "ctid", (int)sending->life->ctid, "id",
				    sending->journal.id, "source", source);
	json_object_update(request, more);
	json_decref(more);
	json_t *answer = NULL;
	if (remote_call(&sending->request->remote, step, request, &answer, err) < 0)
		return -1;
	if (ret)
		*ret = answer;
	else
		json_decref(answer);
	return 0;
}

static void say_waiting(const char *holder, void *data)
{
	const struct life *life = data;
	report_info(life->report, "waiting for %s, which is at work on VE %u", holder, life->ctid);
}

int leave_open(struct sending *sending, struct error *err)
{
	const struct life *life = sending->life;
	autofree char *name = xasprintf("%u.migrate.lck", life->ctid);
	autoclose int dir = dir_open(AT_FDCWD, life->host->lock_dir, true, 0755, err);
	if (dir < 0 || lock_take(&sending->lock, dir, name, LOCK_EXCLUSIVE, life->timeout_s,
				 say_waiting, (void *)life, err) < 0)
		return -1;
	return journal_load(life->host, life->ctid, &sending->journal, err);
}

int leave_step(struct sending *sending, enum journal_step step, struct error *err)
{
	sending->journal.step = step;
	return journal_save(sending->life->host, sending->life->ctid, &sending->journal, err);
}

int leave_lock(struct sending *sending, struct error *err)
{
	const struct life *life = sending->life;
	struct held *held = &sending->held;
	if (held->lock.fd >= 0)
		return 0;
	if (ve_lock(life->host, life->ctid, life->timeout_s, say_waiting, (void *)life, &held->lock,
		    err) < 0)
		return -1;
	return ve_state_load(life->host, life->ctid, &held->state, err);
}

/* Only when it is known that the other host has it not. */
static int show(struct sending *sending, struct error *err)
{
	const struct life *life = sending->life;
	if (leave_lock(sending, err) < 0)
		return -1;
	if (sending->held.state.phase != VE_MIGRATING)
		return 0;
	unsigned base = sending->held.state.ids_base;
	ve_state_release(&sending->held.state);
	if (ve_dump_exists(life->host, life->ctid)) {
		sending->held.state.phase = VE_DUMPED;
		sending->held.state.ids_base = base;
	}
	return ve_state_save(life->host, life->ctid, &sending->held.state, err);
}

int leave_take(struct sending *sending, struct error *err)
{
	if (show(sending, err) < 0)
		return -1;
	held_release(&sending->held);
	return held_take(sending->life, true, &sending->held, err);
}

int leave_stop(struct sending *sending, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (sending->held.state.phase != VE_RUNNING)
		return 0;
	sending->journal.ran = true;
	if (leave_step(sending, sending->journal.step, err) < 0)
		return -1;
	if (sending->request->online)
		return dump_held(sending->life, &sending->held, err);
	if (stop_held(sending->life, &sending->held, false, &why) == 0)
		return 0;
	if (why.kind == ERROR_SCRIPT) {
		report_warning(sending->life->report, NULL, "%s", why.message);
		return 0;
	}
	error_move(err, &why);
	return -1;
}

int leave_hide(struct sending *sending, struct error *err)
{
	const struct life *life = sending->life;
	struct ve_state *state = &sending->held.state;
	unsigned base = state->ids_base; /* of what is suspended to disk */
	ve_state_release(state);
	state->phase = VE_MIGRATING;
	state->ids_base = base;
	return ve_state_save(life->host, life->ctid, &sending->held.state, err);
}

int leave_take_back(struct sending *sending, struct error *err)
{
	if (leave_step(sending, JOURNAL_COPYING, err) < 0 || show(sending, err) < 0)
		return -1;
	leave_restart(sending);
	return 0;
}

/* By a program of its own: this one may have been told to end. */
void leave_restart(struct sending *sending)
{
	const struct life *life = sending->life;
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	autofree char *vzctl = xasprintf("%s/vzctl", life->host->bin_dir);
	autofree char *ctid = xasprintf("%u", life->ctid);
	const char *argv[] = { vzctl, "-q", "start", ctid, "--conf", life->host->conf.path, NULL };
	const struct child_run child = { .argv = argv, .undisturbed = true };
	int status = 0;
	if (!life->host->conf.path)
		argv[4] = NULL;
	held_release(&sending->held);
	if (!sending->journal.ran)
		return;
	sending->journal.ran = false;
	if (child_run(&child, NULL, &errors, &status, &why) < 0 || status != 0)
		report_warning(life->report, NULL, "VE %u was stopped, and does not start: %s",
			       life->ctid, why.message ?: errors.text);
	leave_step(sending, sending->journal.step, NULL);
}

/* ---- for good ------------------------------------------------------------------------------------------------- */

static int disable(struct sending *sending, struct error *err)
{
	const struct life *life = sending->life;
	const struct conf_change changes[] = { { "DISABLED", "yes" }, { "ONBOOT", "no" } };
	autofree char *path = ve_config_path(life->host, life->ctid);
	if (conf_edit(AT_FDCWD, path, changes, 2, err) < 0)
		return -1;
	return show(sending, err);
}

static int destroy(struct sending *sending, struct error *err)
{
	const struct life *life = sending->life;
	struct ve_state *state = &sending->held.state;
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	if (state->phase == VE_MIGRATING) {
		if (ve_config_load(life->host, life->ctid, &config, err) < 0)
			return -1;
		state->phase = VE_DESTROYING;
		state->private_area = xstrdup(config.private_area);
		if (ve_state_save(life->host, life->ctid, state, err) < 0)
			return -1;
		rmdir(config.root);
	}
	if (cleanup_config(life->host, life->ctid, err) < 0)
		return -1;
	report_phase(life->report, "removing the VE's files here", REPORT_ITEMS, 0, 10);
	int result = cleanup_private(life->host, life->ctid, state, err);
	report_phase_end(life->report);
	return result;
}

int leave_for_good(struct sending *sending, struct error *err)
{
	const enum ve_phase *phase = &sending->held.state.phase;
	if (leave_lock(sending, err) < 0)
		return -1;
	/* Two of the same processes there must not be. */
	if (*phase == VE_MIGRATING &&
	    ve_dump_remove(sending->life->host, sending->life->ctid, err) < 0)
		return -1;
	/* If it is neither, an earlier run has done this, and there may be another VE of that number. */
	if (*phase == VE_DESTROYING || (*phase == VE_MIGRATING && !sending->journal.keep)) {
		if (destroy(sending, err) < 0)
			return -1;
	} else if (*phase == VE_MIGRATING && disable(sending, err) < 0) {
		return -1;
	}
	return leave_step(sending, JOURNAL_NONE, err);
}
