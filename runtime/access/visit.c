#include "runtime/access/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "runtime/access/agent.h"
#include "runtime/access/tree.h"
#include "runtime/area/private.h"
#include "runtime/config/ve_config.h"
#include "runtime/life/life.h"
#include "runtime/life/running.h"
#include "runtime/resource/resources.h"
#include "runtime/state.h"

struct visit {
	struct visit_spec spec;
	struct lock packages;
	char *init; /* vzinit on the host */
	bool is_running;
	struct running running; /* if so */
	struct held held; /* else */
	struct private_area area;
	struct ve *ve; /* NULL: there is nothing of ours in it yet, or any more */
	unsigned long kills_before,
		kills; /* for want of memory: before there was something of ours in it, and since */
	int tree;
};

/* ---- locks ----------------------------------------------------------------------------------------------- */

static void say_waiting(const char *holder, void *data)
{
	const struct visit_spec *spec = data;
	report_info(spec->report, "waiting for %s, which is at work on the packages of VE %u",
		    holder, spec->ctid);
}

static char *lock_name(const struct visit_spec *spec)
{
	return xasprintf("%u.packages.lck", spec->ctid);
}

static int lock_packages(const struct visit_spec *spec, struct lock *lock, struct error *err)
{
	autofree char *name = lock_name(spec);
	autoclose int dir = dir_open(AT_FDCWD, spec->host->lock_dir, true, 0755, err);
	if (dir < 0)
		return -1;
	return lock_take(lock, dir, name, LOCK_EXCLUSIVE, spec->timeout_s, say_waiting,
			 (void *)spec, err);
}

static void unlock_packages(const struct visit_spec *spec, struct lock *lock)
{
	autofree char *name = lock_name(spec);
	autoclose int dir = open(spec->host->lock_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	lock_remove(lock, dir, name);
}

/* Without a file there is no lock. */
static bool is_locked(const struct visit_spec *spec)
{
	autofree char *path = xasprintf("%s/%u.packages.lck", spec->host->lock_dir, spec->ctid);
	return access(path, F_OK) == 0;
}

int visit_wait(const struct visit_spec *spec, struct error *err)
{
	struct lock lock = LOCK_INIT;
	if (!is_locked(spec))
		return 0;
	if (lock_packages(spec, &lock, err) < 0)
		return -1;
	unlock_packages(spec, &lock);
	return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------ */

static int open_running(struct visit *visit, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (running_open(visit->spec.host, visit->spec.ctid, &visit->running, &why) == 0) {
		visit->is_running = true;
		return 0;
	}
	running_release(&visit->running);
	error_move(err, &why);
	return -1;
}

/* With the VE's lock, unless the caller has it. */
static int hold(struct visit *visit, struct error *err)
{
	const struct visit_spec *spec = &visit->spec;
	struct life life = { spec->host, spec->report, spec->ctid, spec->timeout_s };
	if (!spec->skip_lock)
		return held_take(&life, true, &visit->held, err);
	ve_sweep(spec->host->lock_dir);
	if (ve_state_load(spec->host, spec->ctid, &visit->held.state, err) < 0)
		return -1;
	return ve_config_load(spec->host, spec->ctid, &visit->held.config, err);
}

/* Who mounts it may be reading or changing it at this moment. To take that mount away, as a start does, would surprise them, as
 * the VE would be stopped again afterwards and not mounted. */
static int check_stopped(const struct visit *visit, struct error *err)
{
	const struct held *held = &visit->held;
	if (held->state.phase == VE_MIGRATING)
		return error_set(err, ERROR_LOCKED, "the VE %u is being moved to another host",
				 visit->spec.ctid);
	if (held->state.phase == VE_DUMPED) {
		error_set(err, ERROR_SUSPENDED, "the VE %u is suspended", visit->spec.ctid);
		return error_hint(err, "\"vzctl resume %u\" lets it go on", visit->spec.ctid);
	}
	if (held->state.phase == VE_RUNNING || held->state.phase == VE_STOPPING)
		return error_set(err, ERROR_RUNNING, "the VE %u is running", visit->spec.ctid);
	if (!is_mounted(held->config.root))
		return 0;
	error_set(err, ERROR_MOUNTED, "the VE %u is mounted, at %s", visit->spec.ctid,
		  held->config.root);
	return error_hint(err, "\"vzctl umount %u\" first: an overlay must not be mounted twice",
			  visit->spec.ctid);
}

static int open_stopped(struct visit *visit, struct error *err)
{
	if (hold(visit, err) < 0 || check_stopped(visit, err) < 0)
		return -1;
	return private_open(visit->spec.host, &visit->held.config, &visit->area, err);
}

/* Until it is held it may be started, and be stopped when it has been started. */
static int open_either(struct visit *visit, struct error *err)
{
	enum { TRIES = 10 };
	AUTO(error_clear) struct error why = ERROR_INIT;
	for (int i = 0; i < TRIES; i++) {
		if (open_running(visit, &why) == 0)
			return 0;
		if (why.kind != ERROR_NOT_RUNNING)
			break;
		if (open_stopped(visit, &why) == 0)
			return 0;
		if (why.kind != ERROR_RUNNING)
			break;
		held_release(&visit->held);
		visit->held = HELD_INIT;
	}
	error_move(err, &why);
	return -1;
}

static struct visit *visit_new(const struct visit_spec *spec)
{
	struct visit *visit = xcalloc(1, sizeof(*visit));
	*visit = (struct visit){
		.spec = *spec,
		.packages = LOCK_INIT,
		.init = xasprintf("%s/vzinit", spec->host->libexec_dir),
		.running = { .config = VE_CONFIG_INIT,
			     .state = VE_STATE_INIT,
			     .pidfd = -1,
			     .group = CGROUP_INIT },
		.held = HELD_INIT,
		.area = PRIVATE_AREA_INIT,
		.tree = -1,
	};
	return visit;
}

static int check(const struct visit_spec *spec, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	if (geteuid() != 0) {
		error_set(err, ERROR_NOT_ROOT, "going into a VE needs root");
		return error_hint(err, "run it as root");
	}
	if (spec->shown && (strncmp(spec->target, "/run/", 5) != 0 || !spec->target[5]))
		return error_set(err, ERROR_INTERNAL, "%s is not below /run", spec->target);
	return ve_config_load(spec->host, spec->ctid, &config, err);
}

int visit_open(const struct visit_spec *spec, struct visit **ret, struct error *err)
{
	if (check(spec, err) < 0)
		return -1;
	AUTO(visit_freep) struct visit *visit = visit_new(spec);
	if (lock_packages(&visit->spec, &visit->packages, err) < 0 || open_either(visit, err) < 0)
		return -1;
	*ret = steal_ptr(visit);
	return 0;
}

bool visit_is_running(const struct visit *visit)
{
	return visit->is_running;
}

/* ---- being there -------------------------------------------------------------------------------------------- */

/* An init that ends has no namespaces any more from before all others in the VE are killed. In this order: what is read in /proc
 * is of another process if that number is used again, but then ours has ended. */
static bool is_ending(const struct running *running)
{
	struct pollfd polled = { .fd = running->pidfd, .events = POLLIN };
	autofree char *path = xasprintf("/proc/%d/ns/mnt", (int)running->state.init.pid);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 || poll(&polled, 1, 0) > 0;
}

/* Whatever went wrong: that the VE has been stopped is why. */
static int judge(const struct visit *visit, struct error *err)
{
	if (!visit->is_running || (err && err->kind == ERROR_INTERRUPTED) ||
	    !is_ending(&visit->running))
		return -1;
	error_set(err, ERROR_NOT_RUNNING, "the VE %u was stopped meanwhile", visit->spec.ctid);
	return error_hint(err, "do it again: the VE need not run");
}

static int enter_running(struct visit *visit, struct error *err)
{
	const struct agent_spec spec = {
		.running = &visit->running,
		.init = visit->init,
		.shown = visit->spec.shown,
		.target = visit->spec.target,
	};
	return agent_start(&spec, &visit->ve, err);
}

/* As the VE's own start does it (life/launch.h). */
static int mount_area(const void *data, int userns, unsigned base, struct error *err)
{
	const struct visit *visit = data;
	AUTO(private_copies_release) struct private_copies copies = PRIVATE_COPIES_INIT;
	if (private_copy(&visit->area, userns, &copies, err) < 0)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, errno, "creating a mount namespace");
	return private_mount(&copies, base, visit->spec.host->lock_dir, err);
}

/* What the VE may use itself; 0: it has no limit. */
static int memory_of(const struct host_config *host, const struct ve_config *config, uint64_t *ret,
		     struct error *err)
{
	AUTO(resources_release) struct resources resources = RESOURCES_INIT;
	if (resources_load(host, &config->conf, &resources, err) < 0)
		return -1;
	*ret = resources_memory(&resources);
	if (*ret == RESOURCE_UNLIMITED)
		*ret = 0;
	return 0;
}

static int enter_stopped(struct visit *visit, struct error *err)
{
	const struct visit_spec *own = &visit->spec;
	const struct ve_config *config = &visit->held.config;
	autofree char *name = xasprintf("%u", own->ctid);
	autofree struct ve_bind *binds = xcalloc(own->bind_count + 1, sizeof(*binds));
	struct ve_spec spec = {
		.name = name,
		.hostname = config->hostname ?: config->name,
		.root_kind = VE_ROOT_MOUNT,
		.mount = mount_area,
		.mount_data = visit,
		.ids_base = config->ids_shifted ? config->ids_base : 0,
		.ids_owner = own->ctid,
		.init = visit->init,
		.lock_dir = own->host->lock_dir,
		.binds = binds,
		.memory_max = own->memory_max,
	};
	if (!spec.memory_max && memory_of(own->host, config, &spec.memory_max, err) < 0)
		return -1;
	if (own->shown)
		binds[spec.bind_count++] = (struct ve_bind){ own->shown, own->target, false };
	for (size_t i = 0; i < own->bind_count; i++)
		binds[spec.bind_count++] = own->binds[i];
	return ve_start(&spec, &visit->ve, err);
}

static int enter(struct visit *visit, struct error *err)
{
	if (visit->ve)
		return 0;
	if ((visit->is_running ? enter_running(visit, err) : enter_stopped(visit, err)) == 0) {
		visit->kills_before = cgroup_oom_kills(&visit->ve->group) - visit->kills;
		return 0;
	}
	error_wrap(err, "going into the VE %u", visit->spec.ctid);
	return judge(visit, err);
}

static void tidy(const struct visit *visit)
{
	for (size_t i = 0; !visit->is_running && i < visit->spec.bind_count; i++) {
		const char *target = visit->spec.binds[i].target, *slash = strrchr(target, '/');
		autofree char *folder = xstrndup(target, (size_t)(slash - target));
		private_tidy(&visit->area, folder);
	}
}

/* After a failure. What was ended by it is begun again by the next command. */
static int failed(struct visit *visit, struct error *err)
{
	if (ve_check(visit->ve, NULL) < 0) {
		visit->kills = visit_oom_kills(visit);
		ve_freep(&visit->ve);
		tidy(visit);
		cleanup_close(&visit->tree);
		visit->tree = -1;
	}
	return judge(visit, err);
}

int visit_tree(struct visit *visit, struct error *err)
{
	if (!visit->is_running)
		return enter(visit, err) < 0 ? -1 : ve_tree(visit->ve);
	if (visit->tree < 0)
		visit->tree = tree_of_running(&visit->running, err);
	return visit->tree >= 0 ? visit->tree : judge(visit, err);
}

/* As vzinit wants it: a copy that nobody can change, and so nothing of the host's file is seen in the VE. */
static int copy_script(int script, struct error *err)
{
	static const unsigned seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	char path[32];
	autoclose int memory = memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory < 0)
		return error_errno(err, errno, "creating a memory file");
	if (lseek(script, 0, SEEK_SET) < 0 || file_copy_fd(script, memory, "the script", err) < 0)
		return -1;
	if (fchmod(memory, 0555) < 0 || fcntl(memory, F_ADD_SEALS, seals) < 0)
		return error_errno(err, errno, "sealing a memory file");
	/* While it is open for writing it cannot be executed. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, errno, "opening a memory file") : fd;
}

int visit_run(struct visit *visit, const struct ve_command *command, struct ve_result *ret,
	      struct error *err)
{
	struct ve_command own = *command;
	autoclose int script = -1;
	if (enter(visit, err) < 0)
		return -1;
	if (visit->is_running && command->script >= 0) {
		script = copy_script(command->script, err);
		if (script < 0)
			return -1;
		own.script = script;
	}
	return ve_run(visit->ve, &own, ret, err) < 0 ? failed(visit, err) : 0;
}

int visit_call(struct visit *visit, ve_function *function, void *data, const int *keep,
	       size_t keep_count, void (*receive)(const void *bytes, size_t size, void *data),
	       unsigned time_limit_s, struct error *err)
{
	if (enter(visit, err) < 0)
		return -1;
	if (ve_call(visit->ve, function, data, keep, keep_count, receive, time_limit_s, err) < 0)
		return failed(visit, err);
	return 0;
}

unsigned long visit_oom_kills(const struct visit *visit)
{
	return visit->ve ? cgroup_oom_kills(&visit->ve->group) - visit->kills_before : visit->kills;
}

int visit_hold(struct visit *visit, const char *path, unsigned timeout_s, struct error *err)
{
	if (!visit->is_running)
		return 0;
	if (enter(visit, err) < 0)
		return -1;
	return agent_lock(visit->ve, path, timeout_s, err) < 0 ? failed(visit, err) : 0;
}

/* ---- taking it back ----------------------------------------------------------------------------------------- */

int visit_save(struct visit *visit, struct error *err)
{
	if (visit->is_running || visit->ve)
		return error_set(err, ERROR_INTERNAL, "a VE in use cannot be saved");
	if (private_save(&visit->area, err) < 0)
		return error_wrap(err, "saving the VE %u before it is changed", visit->spec.ctid);
	return 0;
}

/* Everything in it is at an end before, or else it would still be written to. */
int visit_put_back(struct visit *visit, struct error *err)
{
	ve_freep(&visit->ve);
	cleanup_close(&visit->tree);
	visit->tree = -1;
	if (private_put_back(&visit->area, err) < 0)
		return error_wrap(err, "taking the VE %u back", visit->spec.ctid);
	return 0;
}

int visit_forget(struct visit *visit, struct error *err)
{
	return private_forget(&visit->area, err);
}

/* ---- leaving ------------------------------------------------------------------------------------------------ */

int visit_close(struct visit *visit, struct error *err)
{
	int result = 0;
	if (!visit)
		return 0;
	if (visit->ve) {
		result = ve_end(visit->ve, err);
		ve_freep(&visit->ve);
		tidy(visit);
	}
	cleanup_close(&visit->tree);
	running_release(&visit->running);
	private_release(&visit->area);
	held_release(&visit->held);
	unlock_packages(&visit->spec, &visit->packages);
	free(visit->init);
	free(visit);
	return result;
}

void visit_freep(struct visit **visit)
{
	visit_close(steal_ptr(*visit), NULL);
}
