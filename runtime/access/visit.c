#include "runtime/access/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "runtime/access/agent.h"
#include "runtime/access/tree.h"
#include "runtime/config/ve_config.h"
#include "runtime/life/running.h"

struct visit {
	struct visit_spec spec;
	struct lock packages;
	char *init; /* vzinit on the host */
	bool is_running;
	struct running running; /* if so */
	struct ve *ve; /* NULL: there is nothing of ours in it yet, or any more */
	int tree;
};

/* ---- locks ----------------------------------------------------------------------------------------------- */

static void say_waiting(const char *holder, void *data)
{
	report_info(data, "waiting for %s, which is at work on the packages of this VE", holder);
}

static char *lock_name(const struct visit *visit)
{
	return xasprintf("%u.packages.lck", visit->spec.ctid);
}

static int lock_packages(struct visit *visit, struct error *err)
{
	autofree char *name = lock_name(visit);
	autoclose int dir = dir_open(AT_FDCWD, visit->spec.host->lock_dir, true, 0755, err);
	if (dir < 0)
		return -1;
	return lock_take(&visit->packages, dir, name, LOCK_EXCLUSIVE, visit->spec.timeout_s,
			 say_waiting, visit->spec.report, err);
}

static void unlock_packages(struct visit *visit)
{
	autofree char *name = lock_name(visit);
	autoclose int dir = open(visit->spec.host->lock_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	lock_remove(&visit->packages, dir, name);
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
	if (lock_packages(visit, err) < 0 || open_running(visit, err) < 0)
		return -1;
	*ret = steal_ptr(visit);
	return 0;
}

bool visit_is_running(const struct visit *visit)
{
	return visit->is_running;
}

/* ---- being there -------------------------------------------------------------------------------------------- */

/* Whatever went wrong: that the VE has been stopped is why. */
static int judge(const struct visit *visit, struct error *err)
{
	struct pollfd polled = { .fd = visit->running.pidfd, .events = POLLIN };
	if (!visit->is_running || poll(&polled, 1, 0) <= 0 || !polled.revents)
		return -1;
	if (err && err->kind == ERROR_INTERRUPTED)
		return -1;
	error_set(err, ERROR_NOT_RUNNING, "the VE %u was stopped meanwhile", visit->spec.ctid);
	return error_hint(err, "do it again: the VE need not run");
}

static int enter(struct visit *visit, struct error *err)
{
	if (visit->ve)
		return 0;
	struct agent_spec spec = {
		.running = &visit->running,
		.init = visit->init,
		.shown = visit->spec.shown,
		.target = visit->spec.target,
	};
	if (agent_start(&spec, &visit->ve, err) == 0)
		return 0;
	error_wrap(err, "going into the VE %u", visit->spec.ctid);
	return judge(visit, err);
}

/* What is in the VE after a failure is not known. */
static int leave(struct visit *visit, struct error *err)
{
	ve_freep(&visit->ve);
	cleanup_close(&visit->tree);
	visit->tree = -1;
	return judge(visit, err);
}

int visit_tree(struct visit *visit, struct error *err)
{
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
	AUTO(error_clear) struct error why = ERROR_INIT;
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
	if (ve_run(visit->ve, &own, ret, &why) == 0)
		return 0;
	bool goes_on = why.kind == ERROR_EXEC;
	if (err)
		error_move(err, &why);
	return goes_on ? -1 : leave(visit, err);
}

int visit_call(struct visit *visit, ve_function *function, void *data, const int *keep,
	       size_t keep_count, void (*receive)(const void *bytes, size_t size, void *data),
	       unsigned time_limit_s, struct error *err)
{
	if (enter(visit, err) < 0)
		return -1;
	if (ve_call(visit->ve, function, data, keep, keep_count, receive, time_limit_s, err) == 0)
		return 0;
	return leave(visit, err);
}

int visit_hold(struct visit *visit, const char *path, unsigned timeout_s, struct error *err)
{
	if (!visit->is_running)
		return 0;
	if (enter(visit, err) < 0)
		return -1;
	if (agent_lock(visit->ve, path, timeout_s, err) == 0)
		return 0;
	return leave(visit, err);
}

/* ---- leaving ------------------------------------------------------------------------------------------------ */

int visit_close(struct visit *visit, struct error *err)
{
	int result = 0;
	if (!visit)
		return 0;
	if (visit->ve)
		result = ve_end(visit->ve, err);
	ve_freep(&visit->ve);
	cleanup_close(&visit->tree);
	running_release(&visit->running);
	unlock_packages(visit);
	free(visit->init);
	free(visit);
	return result;
}

void visit_freep(struct visit **visit)
{
	visit_close(steal_ptr(*visit), NULL);
}
