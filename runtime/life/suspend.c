/* Suspended in memory: the processes of a VE stand still until it is resumed. */
#include "base/cleanup.h"
#include "runtime/life/frozen.h"
#include "runtime/life/life.h"

static int check(const struct life *life, const struct held *held, struct error *err)
{
	if (held->state.phase != VE_RUNNING) {
		error_set(err, ERROR_NOT_RUNNING, "the VE %u is not running", life->ctid);
		return error_hint(err, "only what runs can be suspended");
	}
	if (!held->state.suspended)
		return 0;
	error_set(err, ERROR_SUSPEND, "the VE %u is suspended already", life->ctid);
	return error_hint(err, "\"vzctl resume %u\" lets it go on", life->ctid);
}

int life_suspend(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	const struct disk none =
		DISK_INIT; /* its files may be read and written: nothing of it does */
	struct frozen frozen;
	if (held_take(life, true, &held, err) < 0 || check(life, &held, err) < 0)
		return -1;
	report_phase(life->report, "freezing the VE's processes", REPORT_ITEMS, 0, 100);
	int result = frozen_begin(life->host, life->ctid, &held.state, &none, &frozen, err);
	report_phase_end(life->report);
	if (result == 0 && frozen_keep(life->host, life->ctid, &held.state, &frozen, err) == 0)
		return 0;
	if (err->kind != ERROR_INTERRUPTED)
		err->kind = ERROR_SUSPEND;
	return error_wrap(err, "suspending the VE %u", life->ctid);
}

/* If this process dies in between, the next command lets the VE go on. */
int resume_held(const struct life *life, struct held *held, struct error *err)
{
	held->state.suspended = false;
	held->state.frozen = true;
	if (ve_state_save(life->host, life->ctid, &held->state, err) == 0 &&
	    frozen_end(life->host, life->ctid, &held->state, err) == 0)
		return 0;
	err->kind = ERROR_RESUME;
	return error_wrap(err, "resuming the VE %u", life->ctid);
}

int life_resume(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (held.state.suspended)
		return resume_held(life, &held, err);
	if (held.state.phase == VE_DUMPED) {
		if (start_held(life, &held, err) == 0)
			return 0;
		err->kind = err->kind == ERROR_INTERRUPTED ? err->kind : ERROR_RESUME;
		return error_wrap(err, "resuming the VE %u", life->ctid);
	}
	if (held.state.phase == VE_RUNNING)
		return error_set(err, ERROR_RUNNING, "the VE %u is not suspended: it is running",
				 life->ctid);
	error_set(err, ERROR_RESUME, "the VE %u is not suspended: it does not run", life->ctid);
	return error_hint(err, "\"vzctl start %u\" starts it", life->ctid);
}
