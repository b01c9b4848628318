#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/was_running.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/life.h"

int life_destroy(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0 || check_at_rest(life, &held, err) < 0 ||
	    check_unshown(life, &held.config, NULL, err) < 0)
		return -1;
	ve_state_release(&held.state);
	held.state.phase = VE_DESTROYING;
	held.state.ids_base = held.config.ids_shifted ? held.config.ids_base : 0;
	held.state.private_area = xstrdup(held.config.private_area);
	if (ve_state_save(life->host, life->ctid, &held.state, err) < 0 ||
	    cleanup_config(life->host, life->ctid, err) < 0)
		return error_wrap(err, "destroying the VE %u", life->ctid);
	rmdir(held.config.root); /* whatever else is there is not ours */
	autofree char *console = xasprintf("%s/%u.console", life->host->lock_dir, life->ctid);
	unlink(console);
	was_running_forget(life->host, life->ctid);
	report_phase(life->report, "removing its files", REPORT_ITEMS, 0, 100);
	int result = cleanup_private(life->host, life->ctid, &held.state, err);
	report_phase_end(life->report);
	return result < 0 ? error_wrap(err, "destroying the VE %u", life->ctid) : 0;
}
