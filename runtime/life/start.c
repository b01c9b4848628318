#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/area/private.h"
#include "runtime/cgroup.h"
#include "runtime/config/was_running.h"
#include "runtime/confine.h"
#include "runtime/hierarchy.h"
#include "runtime/ids.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/dump.h"
#include "runtime/life/interfaces.h"
#include "runtime/life/launch.h"
#include "runtime/life/life.h"
#include "runtime/life/limits.h"
#include "runtime/life/monitor.h"
#include "runtime/life/network.h"
#include "runtime/life/rates.h"
#include "runtime/namespace.h"

#define GROUP_PREFIX "ve-"

/* What is open while a VE starts. */
struct start {
	struct private_area area;
	struct submounts mounts; /* of action scripts */
	struct cgroup group;
	struct id_block ids;
	struct resources resources;
	int userns;
	void *confine;
	struct launched launched;
	struct dump dump; /* what it goes on from; none: it is booted */
};

#define START_INIT                                    \
	((struct start){ .area = PRIVATE_AREA_INIT,   \
			 .mounts = SUBMOUNTS_INIT,    \
			 .group = CGROUP_INIT,        \
			 .ids = ID_BLOCK_INIT,        \
			 .resources = RESOURCES_INIT, \
			 .userns = -1,                \
			 .launched = LAUNCHED_INIT,   \
			 .dump = DUMP_INIT })

static void start_release(struct start *start)
{
	private_release(&start->area);
	submounts_release(&start->mounts);
	cgroup_close(&start->group);
	id_block_release(&start->ids);
	resources_release(&start->resources);
	confine_free(start->confine);
	launched_release(&start->launched);
	dump_release(&start->dump);
	if (start->userns >= 0)
		close(start->userns);
}

static int take_ids(const struct life *life, struct held *held, struct start *start,
		    struct error *err)
{
	const char *lock_dir = life->host->lock_dir;
	unsigned fixed = held->config.ids_base, dumped = start->dump.ids_base;
	int result = dumped  ? dump_take_ids(life->host, life->ctid, dumped, &start->ids, err)
		     : fixed ? id_block_take_at(lock_dir, fixed, life->ctid, &start->ids, err)
			     : id_block_take(lock_dir, &start->ids, err);
	if (result == 0)
		held->state.ids_base = start->ids.base;
	return result;
}

/* Everything that is made is in the state file before. */
static int prepare(const struct life *life, struct held *held, struct start *start,
		   struct error *err)
{
	if (take_ids(life, held, start, err) < 0)
		return -1;
	autofree char *name = xasprintf(GROUP_PREFIX "%u-%u", life->ctid, start->ids.base);
	struct cgroup_spec spec = { .name = name, .stays = true };
	hierarchy_mount_v2();
	if (cgroup_plan(&spec, &start->group, err) < 0)
		return -1;
	for (size_t i = 0; i < start->group.folders.count; i++)
		strvec_push(&held->state.groups, start->group.folders.items[i]);
	held->state.phase = VE_STARTING;
	held->state.this_boot = true;
	if (ve_state_save(life->host, life->ctid, &held->state, err) < 0)
		return -1;
	unsigned base = start->ids.base;
	if (id_block_keep(&start->ids, life->ctid, err) < 0 ||
	    cgroup_create(&spec, &start->group, err) < 0 ||
	    limits_begin(life, held, &start->resources, err) < 0)
		return -1;
	start->userns = namespace_user_new(base, err);
	return start->userns < 0 ? -1 : confine_new(&start->confine, err);
}

static struct launch what_to_launch(const struct life *life, const struct held *held,
				    const struct start *start)
{
	return (struct launch){
		.host = life->host,
		.config = &held->config,
		.area = &start->area,
		.mounts = &start->mounts,
		.group = &start->group,
		.resources = &start->resources,
		.confine = start->confine,
		.userns = start->userns,
		.base = held->state.ids_base,
	};
}

static int begin(const struct life *life, struct held *held, struct start *start, struct error *err)
{
	const struct launch launch = what_to_launch(life, held, start);
	int result = launch_begin(&launch, &start->launched, err);
	held->state.init = start->launched.init;
	held->state.monitor = start->launched.monitor;
	if (result < 0)
		return -1;
	return cgroup_delegate(&start->group, launch.base, err);
}

/* RUNNING is said before it is true: if this process dies in between, init either ends, which is seen, or runs. */
static int go(const struct life *life, struct held *held, struct start *start, struct error *err)
{
	if (network_attach(life->host, &held->config, &held->state, life->report, err) < 0 ||
	    interfaces_attach(life->host, &held->config, &held->state, life->report, err) < 0 ||
	    rates_attach(life->host, &held->config, &held->state, err) < 0)
		return -1;
	held->state.phase = VE_RUNNING;
	if (ve_state_save(life->host, life->ctid, &held->state, err) < 0 ||
	    interrupt_check(err) < 0)
		return -1;
	return launch_go(&start->launched, err);
}

/* A script may be what puts the private area into its place. */
static int mount_area(const struct life *life, struct held *held, struct start *start,
		      struct error *err)
{
	const struct action action = { life->host, life->report, &held->config };
	if (action_run(&action, ACTION_PREMOUNT, err) < 0 ||
	    action_run_mounted(&action, ACTION_MOUNT, &start->mounts, err) < 0)
		return -1;
	if (private_open(life->host, &held->config, &start->area, err) < 0)
		return -1;
	return disk_start_held(life, held, &start->area, err);
}

static int boot(const struct life *life, struct held *held, struct start *start, struct error *err)
{
	return begin(life, held, start, err) < 0 ? -1 : go(life, held, start, err);
}

static int restore(const struct life *life, struct held *held, struct start *start,
		   struct error *err)
{
	const struct launch launch = what_to_launch(life, held, start);
	return restore_held(life, held, &launch, &start->dump, err);
}

static int started(const struct life *life, struct held *held, struct error *err)
{
	if (!life->run_inside)
		return 0;
	return life->run_inside(life, &held->config, ACTION_START, err);
}

/* It is the host's to say whether CPU time is spent on it. */
static void warn_if_unmerged(const struct life *life, const struct ve_config *config)
{
	static const char run[] = "/sys/kernel/mm/ksm/run";
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (config->merge_memory && file_read(AT_FDCWD, run, 16, &text, NULL) == 0 &&
	    text.text[0] != '1')
		report_warning(life->report, "MERGE_MEMORY",
			       "VE %u: the kernel merges no memory now: echo 1 > %s", life->ctid,
			       run);
}

int start_held(const struct life *life, struct held *held, struct error *err)
{
	AUTO(start_release) struct start start = START_INIT;
	bool dumped = held->state.phase == VE_DUMPED;
	if (held->config.disabled && !life->force) {
		error_set(err, ERROR_DISABLED, "the VE %u is disabled", life->ctid);
		return error_hint(err, "\"vzctl set %u --disabled no --save\" enables it",
				  life->ctid);
	}
	if (limits_load(life, held, &start.resources, err) < 0 ||
	    (dumped && dump_open(life->host, life->ctid, &start.dump, err) < 0))
		return -1;
	if (is_mounted(held->config.root) && umount_held(life, held, err) < 0)
		return -1;
	if (prepare(life, held, &start, err) < 0)
		held->state.phase = VE_STOPPED; /* no script was run, so none is to be undone */
	else if (mount_area(life, held, &start, err) == 0 &&
		 (dumped                              ? restore(life, held, &start, err)
		  : boot(life, held, &start, err) < 0 ? -1
						      : started(life, held, err)) == 0) {
		was_running_forget(life->host, life->ctid);
		warn_if_unmerged(life, &held->config);
		return 0;
	}
	cleanup_stopped(life->host, life->ctid, life->report, &held->state, NULL);
	return -1;
}

int life_start(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (held.state.suspended) {
		report_info(life->report, "VE %u is suspended, and goes on where it was",
			    life->ctid);
		return resume_held(life, &held, err);
	}
	if (held.state.phase == VE_RUNNING)
		return error_set(err, ERROR_RUNNING, "the VE %u is running already", life->ctid);
	if (held.state.phase == VE_DUMPED)
		report_info(life->report, "VE %u is suspended, and goes on where it was",
			    life->ctid);
	if (start_held(life, &held, err) < 0)
		return error_wrap(err, "starting the VE %u", life->ctid);
	return 0;
}

/* A script that fails when it is down is no reason to leave it so. */
static int stop_and_warn(const struct life *life, struct held *held, bool fast, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (stop_held(life, held, fast, &why) == 0)
		return 0;
	if (why.kind == ERROR_SCRIPT) {
		report_warning(life->report, NULL, "%s", why.message);
		return 0;
	}
	error_move(err, &why);
	return -1;
}

int life_restart(const struct life *life, bool fast, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (held.state.phase == VE_RUNNING && stop_and_warn(life, &held, fast, err) < 0)
		return -1;
	if (held.state.phase == VE_DUMPED && stop_dumped_held(life, &held, fast, err) < 0)
		return -1;
	if (start_held(life, &held, err) < 0)
		return error_wrap(err, "starting the VE %u", life->ctid);
	return 0;
}

/* What the monitor has kept of the VE; nobody else is to get it, nor the VE that is started next. */
static int take_namespace(void)
{
	const char *text = getenv(MONITOR_NETNS);
	int fd = text ? (int)strtol(text, NULL, 10) : -1;
	unsetenv(MONITOR_NETNS);
	return fd > 2 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? fd : -1;
}

static int reap(const struct life *life, pid_t init, bool reboot, struct error *err)
{
	autoclose int netns = take_namespace();
	AUTO(held_release) struct held held = HELD_INIT;
	struct ve_state before;
	/* Who stops it, or has started it again since, holds the lock or has put another number there. */
	if (ve_state_load(life->host, life->ctid, &before, err) < 0)
		return -1;
	pid_t known = before.init.pid;
	ve_state_release(&before);
	if (known != init)
		return 0;
	if (ve_lock(life->host, life->ctid, life->timeout_s, NULL, NULL, &held.lock, err) < 0 ||
	    ve_state_load(life->host, life->ctid, &held.state, err) < 0)
		return -1;
	if (held.state.init.pid != init || ve_process_alive(&held.state, &held.state.init))
		return 0;
	int result = cleanup_stopped(life->host, life->ctid, life->report, &held.state, err);
	if (netns >= 0)
		close(steal_fd(&netns));
	if (!reboot || (result < 0 && err->kind != ERROR_SCRIPT))
		return result;
	error_clear(err);
	if (ve_config_load(life->host, life->ctid, &held.config, err) < 0)
		return -1;
	return start_held(life, &held, err);
}

/* Whoever has stopped the VE could not remove the group that this process, its monitor, was in. */
int life_reap(const struct life *life, pid_t init, bool reboot, struct error *err)
{
	cgroup_shared_leave();
	int result = reap(life, init, reboot, err);
	cgroup_tidy(MONITOR_GROUP);
	return result;
}
