#include "runtime/life/life.h"

#include "runtime/area/private.h"
#include "runtime/config/ctid.h"
#include "runtime/life/cleanup.h"
#include "runtime/ve.h"

static void say_waiting(const char *holder, void *data)
{
	const struct life *life = data;
	report_info(life->report, "waiting for %s, which is at work on VE %u", holder, life->ctid);
}

int held_take(const struct life *life, bool exists, struct held *held, struct error *err)
{
	*held = HELD_INIT;
	if (ve_lock(life->host, life->ctid, life->timeout_s, say_waiting, (void *)life, &held->lock,
		    err) < 0)
		return -1;
	ve_sweep(life->host->lock_dir); /* blocks of ids of whoever was killed */
	if (cleanup_reconcile(life->host, life->ctid, life->report, &held->state, err) < 0)
		return -1;
	if (!exists)
		return 0;
	if (ve_config_load(life->host, life->ctid, &held->config, err) < 0)
		return -1;
	private_sweep(&held->config);
	return 0;
}

const char *held_doing(const struct held *held)
{
	bool suspended = held->state.suspended || held->state.phase == VE_DUMPED;
	return suspended ? "suspended" : "running";
}

void held_release(struct held *held)
{
	ve_config_release(&held->config);
	ve_state_release(&held->state);
	lock_release(&held->lock);
}
