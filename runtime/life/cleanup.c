#include "runtime/life/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/private.h"
#include "runtime/cgroup.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_dump.h"
#include "runtime/config/ve_traffic.h"
#include "runtime/freezer.h"
#include "runtime/ids.h"
#include "runtime/life/console.h"
#include "runtime/life/action.h"
#include "runtime/life/frozen.h"
#include "runtime/life/monitor.h"
#include "runtime/life/neighbours.h"
#include "runtime/life/network.h"
#include "runtime/life/rates.h"
#include "runtime/net/link.h"

static void kill_init(const struct ve_state *state)
{
	autoclose int fd = state->this_boot ? ve_process_open(&state->init) : -1;
	if (fd >= 0)
		pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

/* The block of a VE whose files have its ids on disk stays its own. */
static void free_ids(const struct host_config *host, unsigned ctid, const struct ve_state *state)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	autofree char *path = xasprintf("%s/%u.conf", host->ve_confdir, ctid);
	if (!state->ids_base)
		return;
	if (state->phase != VE_CREATING && state->phase != VE_DESTROYING &&
	    conf_read(&conf, AT_FDCWD, path, true, NULL) == 0 &&
	    !strcmp(conf_get_default(&conf, "VE_IDS_SHIFTED", "no"), "yes"))
		return;
	id_block_unkeep(host->lock_dir, state->ids_base, ctid);
}

/* Each of them, whatever becomes of the other; of a VE without a configuration there are none. */
static int run_scripts(const struct host_config *host, unsigned ctid, struct report *report,
		       const struct ve_state *state, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	bool begun = state->phase == VE_STARTING || state->phase == VE_RUNNING ||
		     state->phase == VE_STOPPING;
	if (!begun || !state->this_boot || ve_config_load(host, ctid, &config, NULL) < 0)
		return 0;
	const struct action action = { host, report, &config };
	int umounted = action_run_mounted(&action, ACTION_UMOUNT, NULL, err);
	int after = action_run(&action, ACTION_POSTUMOUNT, umounted < 0 ? NULL : err);
	return umounted < 0 || after < 0 ? -1 : 0;
}

/* What they have counted is known as long as somebody keeps the VE's network namespace: stop, or the monitor. */
static int remove_devices(const struct host_config *host, unsigned ctid,
			  const struct ve_state *state, struct error *err)
{
	AUTO(strvec_release) struct strvec devices = STRVEC_INIT;
	if (ve_state_devices(state, &devices, err) < 0 ||
	    ve_traffic_keep(host, ctid, &devices, err) < 0)
		return -1;
	for (size_t i = 0; i < devices.count; i++)
		if (link_remove(devices.items[i], err) < 0)
			return -1;
	return neighbours_remove(state, err) < 0 ? -1 : rates_remove(state, err);
}

/* One that is on disk has its ids there. */
static void forget(const struct host_config *host, unsigned ctid, struct ve_state *state)
{
	bool dumped = ve_dump_exists(host, ctid);
	unsigned base = state->ids_base;
	if (!dumped)
		free_ids(host, ctid, state);
	ve_state_release(state);
	if (!dumped)
		return;
	state->phase = VE_DUMPED;
	state->this_boot = true;
	state->ids_base = base;
}

int cleanup_stopped(const struct host_config *host, unsigned ctid, struct report *report,
		    struct ve_state *state, struct error *err)
{
	AUTO(error_clear) struct error script = ERROR_INIT;
	kill_init(state);
	if (state->this_boot) {
		freezer_thaw(&state->groups); /* v1 lets nobody die who is frozen */
		cgroup_remove_folders(&state->groups);
		cgroup_tidy(MONITOR_GROUP);
	}
	/* They would go with the VE's network namespace, only not at once. */
	if (state->this_boot && remove_devices(host, ctid, state, err) < 0)
		return -1;
	console_forget(host, ctid);
	run_scripts(host, ctid, report, state, &script);
	forget(host, ctid, state);
	if (ve_state_save(host, ctid, state, err) < 0)
		return -1;
	if (!script.message)
		return 0;
	script.kind = ERROR_SCRIPT;
	error_move(err, &script);
	return -1;
}

/* For those who go on to something else. */
static int cleanup_and_warn(const struct host_config *host, unsigned ctid, struct report *report,
			    struct ve_state *state, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (cleanup_stopped(host, ctid, report, state, &why) == 0)
		return 0;
	if (why.kind == ERROR_SCRIPT) {
		report_warning(report, NULL, "VE %u: %s", ctid, why.message);
		return 0;
	}
	error_move(err, &why);
	return -1;
}

void cleanup_temporary(const struct host_config *host, unsigned ctid)
{
	autofree char *prefix = xasprintf("%u.conf.tmp-", ctid);
	autoclosedir DIR *dir = opendir(host->ve_confdir);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			unlinkat(dirfd(dir), entry->d_name, 0);
}

int cleanup_config(const struct host_config *host, unsigned ctid, struct error *err)
{
	autofree char *path = ve_config_path(host, ctid);
	autofree char *kept = xasprintf("%s.destroyed", path);
	if (rename(path, kept) < 0 && errno != ENOENT)
		return error_errno(err, errno, "renaming %s to %s", path, kept);
	action_retire(host, ctid);
	return 0;
}

int cleanup_private(const struct host_config *host, unsigned ctid, struct ve_state *state,
		    struct error *err)
{
	if (state->private_area && private_remove(state->private_area, err) < 0) {
		err->kind = ERROR_DESTROY;
		return error_wrap(err, "removing the private area %s", state->private_area);
	}
	cleanup_temporary(host, ctid);
	ve_traffic_forget(host, ctid);
	free_ids(host, ctid, state);
	ve_state_release(state);
	return ve_state_save(host, ctid, state, err);
}

static int undo(const struct host_config *host, unsigned ctid, struct report *report,
		struct ve_state *state, struct error *err)
{
	switch (state->phase) {
	case VE_CREATING:
		/* Its configuration is the last thing that a VE gets: only this record was not taken away. */
		if (ve_config_exists(host, ctid)) {
			ve_state_release(state);
			return ve_state_save(host, ctid, state, err);
		}
		report_info(report, "VE %u: removing what an interrupted create left", ctid);
		return cleanup_private(host, ctid, state, err);
	case VE_DESTROYING:
		report_info(report, "VE %u: completing an interrupted destroy", ctid);
		if (cleanup_config(host, ctid, err) < 0)
			return -1;
		return cleanup_private(host, ctid, state, err);
	case VE_STARTING:
		report_info(report, "VE %u: undoing an interrupted start", ctid);
		return cleanup_and_warn(host, ctid, report, state, err);
	default:
		if (state->suspended && !state->this_boot)
			report_warning(report, NULL,
				       "VE %u was suspended in memory when the host went down, and "
				       "is stopped",
				       ctid);
		return cleanup_and_warn(host, ctid, report, state, err);
	}
}

/* The VE goes on: what of it is on disk is not true any more. */
static int forget_dump(const struct host_config *host, unsigned ctid, struct ve_state *state,
		       struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	bool cut_off = ve_dump_is_begun(host, ctid) || ve_dump_exists(host, ctid);
	if (cut_off && (ve_config_load(host, ctid, &config, err) < 0 ||
			network_up(host, &config, state, err) < 0 ||
			ve_state_save(host, ctid, state, err) < 0))
		return -1;
	return ve_dump_remove(host, ctid, err);
}

/* A dump that was cut off after it was written and before the VE was ended: the VE goes on, so what was written is no longer true. */
static int reconcile_dump(const struct host_config *host, unsigned ctid, struct report *report,
			  struct ve_state *state, struct error *err)
{
	bool dumped = ve_dump_exists(host, ctid);
	if (state->phase == VE_DUMPED && ve_process_alive(state, &state->init)) {
		state->phase = VE_RUNNING;
		return forget_dump(host, ctid, state, err);
	}
	if (state->phase == VE_STOPPED && dumped) /* somebody has emptied LOCKDIR */
		state->phase = VE_DUMPED;
	/* What was not complete. */
	if (!dumped && ve_dump_remove(host, ctid, err) < 0)
		return -1;
	if (state->phase == VE_DUMPED && (state->init.pid || !dumped))
		return cleanup_and_warn(host, ctid, report, state, err);
	return 0;
}

int cleanup_reconcile(const struct host_config *host, unsigned ctid, struct report *report,
		      struct ve_state *state, struct error *err)
{
	if (ve_state_load(host, ctid, state, err) < 0)
		return -1;
	if (state->phase == VE_STOPPED || state->phase == VE_DUMPED)
		return reconcile_dump(host, ctid, report, state, err);
	if (state->phase == VE_MIGRATING) {
		error_set(err, ERROR_LOCKED, "the VE %u is being moved to another host", ctid);
		return error_hint(err,
				  "\"vzmigrate HOST %u\" goes on with that, \"vzmigrate --cancel "
				  "%u\" takes it back",
				  ctid, ctid);
	}
	bool ran = state->phase == VE_RUNNING || state->phase == VE_STOPPING;
	if (ran && ve_process_alive(state, &state->init)) {
		/* A stop that was interrupted can be asked for again. */
		state->phase = VE_RUNNING;
		if (forget_dump(host, ctid, state, err) < 0)
			return -1;
		return state->frozen ? frozen_end(host, ctid, state, err) : 0;
	}
	return undo(host, ctid, report, state, err);
}
