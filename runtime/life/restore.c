/* The processes of a VE that is suspended to disk, made again. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/apart.h"
#include "runtime/cgroup.h"
#include "runtime/config/ve_dump.h"
#include "runtime/criu/criu.h"
#include "runtime/life/dump.h"
#include "runtime/life/interfaces.h"
#include "runtime/life/life.h"
#include "runtime/life/network.h"
#include "runtime/life/rates.h"
#include "runtime/life/relaunch.h"
#include "runtime/namespace.h"

struct restoring {
	const struct life *life;
	struct held *held;
	struct relaunched relaunched;
};

/* In a process of its own: as the root of the VE, in its network. */
static int configure_inside(const void *data, struct error *err)
{
	const struct restoring *restoring = data;
	pid_t pid = restoring->held->state.init.pid;
	autofree char *user_path = xasprintf("/proc/%d/ns/user", pid);
	autoclose int user = open(user_path, O_RDONLY | O_CLOEXEC);
	autoclose int net = network_namespace(&restoring->held->state, err);
	if (net < 0)
		return -1;
	if (user < 0 || setns(user, CLONE_NEWUSER) < 0 || setns(net, CLONE_NEWNET) < 0 ||
	    namespace_become_root() < 0)
		return error_errno(err, errno, "entering the VE's namespaces");
	return network_configure_inside(&restoring->held->config, err);
}

static int make_network(struct restoring *restoring, pid_t pid, struct error *err)
{
	const struct life *life = restoring->life;
	struct held *held = restoring->held;
	held->state.init = ve_process_of(pid);
	if (network_attach(life->host, &held->config, &held->state, life->report, err) < 0 ||
	    interfaces_attach(life->host, &held->config, &held->state, life->report, err) < 0 ||
	    rates_attach(life->host, &held->config, &held->state, err) < 0)
		return -1;
	return apart_do(configure_inside, restoring, err);
}

/* RUNNING is said before it is true, as for a start, and the monitor has its VE: whoever is killed from here on, it is one or is none. */
static int step(enum criu_step step, pid_t pid, void *data, struct error *err)
{
	struct restoring *restoring = data;
	const struct life *life = restoring->life;
	if (interrupt_check(err) < 0)
		return -1;
	if (step == CRIU_NAMESPACES_MADE)
		return make_network(restoring, pid, err);
	if (step != CRIU_PROCESSES_MADE)
		return 0;
	restoring->held->state.phase = VE_RUNNING;
	if (ve_state_save(life->host, life->ctid, &restoring->held->state, err) < 0)
		return -1;
	return relaunch_end(&restoring->relaunched, &restoring->held->state.init, err);
}

/* What went wrong before CRIU was executed is the better reason why it does not answer. */
static int ask(struct relaunched *relaunched, const struct criu_request *request, struct error *err)
{
	AUTO(error_clear) struct error before = ERROR_INIT;
	if (criu_ask(relaunched->socket, request, err) == 0)
		return 0;
	if (err->kind != ERROR_INTERRUPTED && relaunch_failure(relaunched, &before) < 0)
		error_move(err, &before);
	return -1;
}

static int restore(struct restoring *restoring, const struct launch *launch,
		   const struct dump *dump, const char *program, struct error *err)
{
	struct relaunched *relaunched = &restoring->relaunched;
	struct held *held = restoring->held;
	bool locks = false;
	autoclose int dev = dir_open(dump->dir, DUMP_DEV, false, 0, err);
	if (dev < 0 || dump_ask_locks(program, &locks, err) < 0 ||
	    relaunch_begin(launch, program, dev, relaunched, err) < 0)
		return -1;
	held->state.monitor = relaunched->monitor;
	const struct criu_request request = {
		.images = dump->images,
		.root = relaunched->root,
		.external = &relaunched->external,
		.inherited_key = dump->console,
		.inherited_fd = relaunched->console,
		.locks_network = locks,
		.step = step,
		.data = restoring,
	};
	return ask(relaunched, &request, err);
}

/* If this process dies when the VE runs again and what it was suspended to is still there, the next command removes that. */
int restore_held(const struct life *life, struct held *held, const struct launch *launch,
		 const struct dump *dump, struct error *err)
{
	struct restoring restoring = { life, held, RELAUNCHED_INIT };
	autofree char *program = dump_program(life->host, err);
	if (!program)
		return -1;
	report_phase(life->report, "making the VE's processes", REPORT_ITEMS, 0, 100);
	int result = restore(&restoring, launch, dump, program, err);
	report_phase_end(life->report);
	relaunched_release(&restoring.relaunched);
	if (result < 0 || cgroup_delegate(launch->group, launch->base, err) < 0)
		return -1;
	return ve_dump_remove(life->host, life->ctid, err);
}
