#include "runtime/access/look.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/access/tree.h"
#include "runtime/config/ve_state.h"

void look_release(struct look *look)
{
	ve_config_release(&look->config);
	if (look->tree >= 0)
		close(look->tree);
	look->tree = -1;
	lock_release(&look->lock);
}

/* A descriptor of its init; -1: it does not run. */
static int init_of(const struct host_config *host, unsigned ctid, int *ret, struct error *err)
{
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;

	*ret = -1;
	if (ve_state_load(host, ctid, &state, err) < 0)
		return -1;
	if ((state.phase == VE_RUNNING || state.phase == VE_STOPPING) && state.this_boot)
		*ret = ve_process_open(&state.init);
	return 0;
}

int look_at(const struct host_config *host, unsigned ctid, struct look *ret, struct error *err)
{
	autoclose int init = -1;

	if (ve_config_load(host, ctid, &ret->config, err) < 0 ||
	    init_of(host, ctid, &init, err) < 0)
		return -1;
	ret->running = init >= 0;
	return 0;
}

static int into_stopped(const struct host_config *host, struct look *look, struct error *err)
{
	look->tree = tree_of_stopped(host, &look->config, err);
	return look->tree < 0 ? -1 : 0;
}

static void say_waiting(const char *holder, void *data)
{
	const struct look_spec *spec = data;
	report_info(spec->report, "waiting for %s, which is at work on VE %u", holder, spec->ctid);
}

int look_into(const struct look_spec *spec, struct look *ret, struct error *err)
{
	struct running running = { .pidfd = -1 };

	if (ve_config_load(spec->host, spec->ctid, &ret->config, err) < 0 ||
	    init_of(spec->host, spec->ctid, &running.pidfd, err) < 0)
		return -1;
	if (running.pidfd < 0 && !spec->skip_lock) {
		if (ve_lock(spec->host, spec->ctid, spec->timeout_s, say_waiting, (void *)spec,
			    &ret->lock, err) < 0)
			return -1;
		/* It may have been started while we waited. */
		if (init_of(spec->host, spec->ctid, &running.pidfd, err) < 0)
			return -1;
	}
	if (running.pidfd < 0)
		return into_stopped(spec->host, ret, err);
	lock_release(&ret->lock);
	ret->running = true;
	ret->tree = tree_of_running(&running, err);
	close(running.pidfd);
	return ret->tree < 0 ? -1 : 0;
}
