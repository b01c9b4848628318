/* The processes of a VE, written to disk. */
#include "runtime/life/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/apart.h"
#include "runtime/capability.h"
#include "runtime/config/ve_dump.h"
#include "runtime/criu/criu.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/life.h"
#include "runtime/life/network.h"
#include "runtime/life/relaunch.h"
#include "runtime/life/running.h"
#include "runtime/net/filter.h"

enum { CRIU_SKIPS_LOCK_MAJOR = 3, CRIU_SKIPS_LOCK_MINOR = 18 };

/* ---- CRIU --------------------------------------------------------------------------------------------------- */

/* A child of ours, which serves `socket`. */
struct served {
	int socket;
	pid_t pid;
};

static void served_release(struct served *served)
{
	if (served->socket >= 0)
		close(served->socket);
	if (served->pid > 0)
		TEMP_FAILURE_RETRY(waitpid(served->pid, NULL, 0));
	*served = (struct served){ -1, 0 };
}

/* `as`: whom it is to be; 0: root. */
static int serve(const char *program, unsigned as, struct served *ret, struct error *err)
{
	int pair[2];
	*ret = (struct served){ -1, 0 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "creating a socket pair");
	ret->pid = fork();
	if (ret->pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		interrupt_reset_child();
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		/* What is sent to all processes of a terminal is not for it: it would leave the VE as it stands. */
		if (setsid() >= 0 && (!as || capability_keep_as(as) == 0) && dup2(pair[1], 3) == 3)
			criu_execute(program, 3);
		_exit(127);
	}
	close(pair[1]);
	ret->socket = pair[0];
	return ret->pid < 0 ? error_errno(err, errno, "starting %s", program) : 0;
}

int dump_ask_locks(const char *program, bool *ret, struct error *err)
{
	AUTO(served_release) struct served served;
	struct criu_version version = { 0 };
	if (serve(program, 0, &served, err) < 0 ||
	    criu_ask_version(served.socket, &version, err) < 0)
		return error_wrap(err, "asking %s which version it is", program);
	*ret = version.major < CRIU_SKIPS_LOCK_MAJOR ||
	       (version.major == CRIU_SKIPS_LOCK_MAJOR && version.minor < CRIU_SKIPS_LOCK_MINOR);
	return 0;
}

/* ---- what is dumped ------------------------------------------------------------------------------------------- */

struct dumping {
	const struct life *life;
	struct held *held;
	int root; /* the VE's */
	struct dump dump;
	char *begun, *path;
};

static void dumping_release(struct dumping *dumping)
{
	if (dumping->root >= 0)
		close(dumping->root);
	dump_release(&dumping->dump);
	free(dumping->begun);
	free(dumping->path);
}

static int check(const struct life *life, const struct held *held, struct error *err)
{
	if (held->state.phase != VE_RUNNING) {
		error_set(err, held->state.phase == VE_DUMPED ? ERROR_SUSPEND : ERROR_NOT_RUNNING,
			  held->state.phase == VE_DUMPED ? "the VE %u is suspended already"
							 : "the VE %u is not running",
			  life->ctid);
		return error_hint(err, "only what runs can be suspended");
	}
	if (held->state.suspended) {
		error_set(err, ERROR_SUSPEND, "the VE %u is suspended in memory", life->ctid);
		return error_hint(err, "\"vzctl resume %u\" first", life->ctid);
	}
	if (!held->state.netifs)
		return 0;
	error_set(err, ERROR_TECHNOLOGY,
		  "the VE %u has bridged interfaces, whose addresses it has given itself",
		  life->ctid);
	return error_hint(err, "without --disk it is frozen in memory");
}

static int take_dev(struct dumping *dumping, struct error *err)
{
	const struct ve_state *state = &dumping->held->state;
	struct stat st;
	autoclose int from =
		open_in_root(dumping->root, "/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (mkdirat(dumping->dump.dir, DUMP_DEV, 0700) < 0)
		return error_errno(err, errno, "creating %s/" DUMP_DEV, dumping->begun);
	autoclose int to = dir_open(dumping->dump.dir, DUMP_DEV, false, 0, err);
	autoclose int console = open_in_root(dumping->root, "/dev/console", O_PATH | O_CLOEXEC, 0);
	if (to < 0)
		return -1;
	if (from < 0 || console < 0 || fstat(console, &st) < 0)
		return error_errno(err, errno, "opening /dev of the VE");
	/* A monitor that was killed took the first one along. Those who have that still could not be restored. */
	if (minor(st.st_rdev) != 0 || !ve_process_alive(state, &state->monitor)) {
		error_set(err, ERROR_TECHNOLOGY,
			  "the VE's console is not the one that it was started with");
		return error_hint(err,
				  "its monitor was killed; \"vzctl restart\" gives it another");
	}
	/* https://criu.org/External_TTYs */
	dumping->dump.console =
		xasprintf("tty[%lx:%lx]", (unsigned long)st.st_rdev, (unsigned long)st.st_dev);
	return copy_specials(from, to, err);
}

static int describe(struct dumping *dumping, struct strvec *external, struct error *err)
{
	const struct ve_state *state = &dumping->held->state;
	autofree char *path = xasprintf("/proc/%d/root", state->init.pid);
	dumping->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dumping->root < 0)
		return error_errno(err, errno, "opening the VE's root");
	if (take_dev(dumping, err) < 0)
		return -1;
	for (const struct external *one = externals; one->place; one++)
		strvec_pushf(external, "mnt[%s]:%s", one->place, one->name);
	strvec_push(external, dumping->dump.console);
	dumping->dump.ids_base = state->ids_base;
	return dump_describe(&dumping->dump, err);
}

/* While the processes stand still. From the renaming on the VE is on disk, if it is not there. */
static int complete(enum criu_step step, pid_t pid, void *data, struct error *err)
{
	struct dumping *dumping = data;
	const struct life *life = dumping->life;
	(void)pid;
	if (step != CRIU_IMAGES_WRITTEN)
		return 0;
	if (interrupt_check(err) < 0)
		return -1;
	if (syncfs(dumping->root) < 0 || syncfs(dumping->dump.dir) < 0)
		return error_errno(err, errno, "syncing the VE's files");
	if (rename(dumping->begun, dumping->path) < 0)
		return error_errno(err, errno, "renaming %s", dumping->begun);
	dumping->held->state.phase = VE_DUMPED;
	return ve_state_save(life->host, life->ctid, &dumping->held->state, err);
}

static int open_folder(struct dumping *dumping, struct error *err)
{
	const struct life *life = dumping->life;
	dumping->path = ve_dump_path(life->host, life->ctid);
	dumping->begun = xasprintf("%s.new", dumping->path);
	autoclose int parent = dir_open(AT_FDCWD, life->host->dump_dir, true, 0700, err);
	if (parent < 0 || ve_dump_remove(life->host, life->ctid, err) < 0)
		return -1;
	if (mkdir(dumping->begun, 0700) < 0)
		return error_errno(err, errno, "creating %s", dumping->begun);
	dumping->dump.dir = dir_open(AT_FDCWD, dumping->begun, false, 0, err);
	if (dumping->dump.dir < 0)
		return -1;
	if (mkdirat(dumping->dump.dir, DUMP_IMAGES, 0700) < 0)
		return error_errno(err, errno, "creating %s/" DUMP_IMAGES, dumping->begun);
	dumping->dump.images = dir_open(dumping->dump.dir, DUMP_IMAGES, false, 0, err);
	if (dumping->dump.images >= 0 && fchmod(dumping->dump.images, 0755) < 0)
		return error_errno(err, errno, "changing the mode of %s", dumping->begun);
	return dumping->dump.images < 0 ? -1 : 0;
}

/* In a process of its own. */
static int check_filter(const void *data, struct error *err)
{
	autoclose int net = network_namespace(data, err);
	if (net < 0 || setns(net, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "entering the VE's network");
	int used = filter_is_used(err);
	if (used <= 0)
		return used;
	error_set(err, ERROR_TECHNOLOGY,
		  "the VE has packet filter rules of its own, which would be lost");
	return error_hint(err, "without --disk it is frozen in memory");
}

/* Who owns the VE's user namespace may ask all that CRIU asks, even if root of this host has not all capabilities. 0: root may. */
static int whom_to_be(const struct ve_state *state, unsigned *ret, struct error *err)
{
	autofree char *path = xasprintf("/proc/%d/ns/user", state->init.pid);
	autoclose int user = open(path, O_RDONLY | O_CLOEXEC);
	uid_t owner = 0;
	if (user < 0 || ioctl(user, NS_GET_OWNER_UID, &owner) < 0)
		return error_errno(err, errno, "asking who owns the VE's user namespace");
	*ret = capability_has_resources() ? 0 : owner;
	return 0;
}

static int dump(struct dumping *dumping, const char *program, struct error *err)
{
	AUTO(strvec_release) struct strvec external = STRVEC_INIT;
	AUTO(served_release) struct served served = { -1, 0 };
	struct ve_state *state = &dumping->held->state;
	bool locks = false;
	unsigned as = 0;
	if (apart_do(check_filter, state, err) < 0 || whom_to_be(state, &as, err) < 0 ||
	    dump_ask_locks(program, &locks, err) < 0 || open_folder(dumping, err) < 0 ||
	    describe(dumping, &external, err) < 0 || network_down(state, err) < 0 ||
	    serve(program, as, &served, err) < 0)
		return -1;
	const struct criu_request request = {
		.images = dumping->dump.images,
		.pid = state->init.pid,
		.external = &external,
		.locks_network = locks,
		.unprivileged = as != 0,
		.step = complete,
		.data = dumping,
	};
	return criu_ask(served.socket, &request, err);
}

/* It goes on. */
static void give_up(struct dumping *dumping)
{
	const struct life *life = dumping->life;
	struct held *held = dumping->held;
	AUTO(error_clear) struct error why = ERROR_INIT;
	held->state.phase = VE_RUNNING;
	if (network_up(life->host, &held->config, &held->state, &why) < 0 ||
	    ve_state_save(life->host, life->ctid, &held->state, &why) < 0 ||
	    ve_dump_remove(life->host, life->ctid, &why) < 0)
		report_warning(life->report, NULL, "VE %u: %s", life->ctid, why.message);
}

/* Whatever CRIU has said then, if it is on disk and its processes are no more, that is where it is. */
static bool is_on_disk(const struct held *held)
{
	return held->state.phase == VE_DUMPED && !ve_process_alive(&held->state, &held->state.init);
}

int dump_held(const struct life *life, struct held *held, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	struct dumping dumping = { life, held, -1, DUMP_INIT, NULL, NULL };
	autofree char *program = NULL;
	if (check(life, held, err) < 0 || !(program = dump_program(life->host, err)))
		return -1;
	report_phase(life->report, "writing the VE's processes", REPORT_ITEMS, 0, 100);
	int result = dump(&dumping, program, &why);
	report_phase_end(life->report);
	if (result == 0 || is_on_disk(held)) {
		dumping_release(&dumping);
		return cleanup_stopped(life->host, life->ctid, life->report, &held->state, err);
	}
	give_up(&dumping);
	dumping_release(&dumping);
	error_move(err, &why);
	return -1;
}

int life_dump(const struct life *life, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (dump_held(life, &held, err) == 0)
		return 0;
	return error_wrap(err, "suspending the VE %u to disk", life->ctid);
}
