#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "runtime/config/ve_dump.h"
#include "runtime/config/was_running.h"
#include "runtime/confine.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/init_kind.h"
#include "runtime/life/life.h"
#include "runtime/life/monitor.h"
#include "runtime/life/network.h"
#include "runtime/life/running.h"

enum { KILL_WAIT_MS = 10000, STEP_MS = 250, YOUNG_MS = 1500 };

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* 1 when it has ended, 0 when the time is over, -1 when we are interrupted. */
static int wait_end(const struct life *life, int pidfd, int64_t limit_ms, struct error *err)
{
	struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN },
				   { .fd = interrupt_fd(), .events = POLLIN } };
	int64_t begun = now_ms();
	bool told = false;
	for (;;) {
		int64_t passed = now_ms() - begun;
		int wait = (int)(limit_ms - passed < STEP_MS ? limit_ms - passed : STEP_MS);
		if (poll(polled, 2, wait > 0 ? wait : 0) < 0 && errno != EINTR)
			return error_errno(err, errno, "waiting for the VE's init");
		if (interrupt_check(err) < 0)
			return -1;
		if (polled[0].revents)
			return 1;
		if (passed >= limit_ms)
			return 0;
		if (passed >= 1000 && !told)
			report_phase(life->report, "waiting for the VE to shut down", REPORT_ITEMS,
				     (uint64_t)limit_ms / 1000, 100);
		told |= passed >= 1000;
		if (told)
			report_progress(life->report, (uint64_t)passed / 1000, NULL);
	}
}

struct halting {
	const char *const *argv;
	void *confine;
};

static int run_halt(void *data, struct error *err)
{
	struct halting *halting = data;
	char *const env[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, NULL };
	if (confine_apply(halting->confine, err) < 0)
		return -1;
	execve(halting->argv[0], (char *const *)(uintptr_t)halting->argv, env);
	return error_errno(err, errno, "executing %s in the VE", halting->argv[0]);
}

static int64_t age_ms(const struct ve_process *process)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000 -
	       (int64_t)(process->start * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* An init that was executed a moment ago does not hear yet, and a signal that PID 1 does not hear is lost. */
static const struct init_kind *wait_kind(const struct running *running)
{
	const struct init_kind *kind;
	while (kind = init_kind_of(running->state.init.pid),
	       !kind->signal && !kind->command && age_ms(&running->state.init) < YOUNG_MS)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	return kind;
}

/* false if there is no way to ask it. */
static bool ask(const struct life *life, const struct running *running)
{
	const struct init_kind *kind = wait_kind(running);
	AUTO(error_clear) struct error why = ERROR_INIT;
	report_detail(life->report, "the VE's init is %s", kind->name);
	if (kind->signal)
		return pidfd_send_signal(running->pidfd, kind->signal, NULL, 0) == 0;
	if (!kind->command)
		return false;
	struct halting halting = { kind->command, running->confine };
	/* It may well be killed by what it has brought about. */
	return running_call(running, run_halt, &halting, NULL, 0, &why) == 0 ||
	       why.kind == ERROR_CHILD;
}

static int kill_all(const struct life *life, const struct running *running, struct error *err)
{
	pidfd_send_signal(running->pidfd, SIGKILL, NULL, 0);
	int ended = wait_end(life, running->pidfd, KILL_WAIT_MS, err);
	if (ended > 0)
		return 0;
	if (ended == 0) {
		error_set(err, ERROR_STOP, "the VE's init does not die");
		error_hint(err, "a process in it hangs in the kernel: \"ps -o pid,stat,wchan,cmd\" "
				"shows state D");
	}
	return -1;
}

static int end_init(const struct life *life, struct running *running, bool fast, struct error *err)
{
	AUTO(error_clear) struct error script = ERROR_INIT;
	if (fast)
		return kill_all(life, running, err);
	if (life->run_inside &&
	    life->run_inside(life, &running->config, ACTION_STOP, &script) < 0) {
		if (script.kind == ERROR_INTERRUPTED)
			return interrupt_check(err);
		/* A tenant can make it fail, and is to be stopped all the same. */
		report_warning(life->report, NULL, "%s", script.message);
	}
	/* Without somebody at the console, each of systemd's lines there costs it a second. */
	monitor_ensure(life->host, life->ctid, running, NULL);
	if (!ask(life, running))
		return kill_all(life, running, err);
	unsigned limit_s = running->config.stop_timeout_s;
	int ended = wait_end(life, running->pidfd, limit_s * 1000LL, err);
	report_phase_end(life->report);
	if (ended < 0)
		return -1;
	if (ended)
		return 0;
	report_warning(life->report, NULL, "the VE %u did not shut down within %u s and is killed",
		       life->ctid, limit_s);
	return kill_all(life, running, err);
}

int stop_held(const struct life *life, struct held *held, bool fast, struct error *err)
{
	AUTO(running_release) struct running running = { .pidfd = -1 };
	AUTO(error_clear) struct error why = ERROR_INIT;
	/* It is to hear that it is to stop. */
	if (held->state.suspended && resume_held(life, held, err) < 0)
		return -1;
	held->state.phase = VE_STOPPING;
	if (ve_state_save(life->host, life->ctid, &held->state, err) < 0)
		return -1;
	/* So that its devices are there when their counters are read. */
	autoclose int netns = network_namespace(&held->state, NULL);
	(void)netns;
	if (running_find(life->host, life->ctid, &running, &why) == 0) {
		/* A VE whose groups somebody has removed can be stopped all the same. */
		cgroup_open(&running.state.groups, &running.group, NULL);
		if (end_init(life, &running, fast, err) < 0)
			return error_wrap(err, "stopping the VE %u", life->ctid);
	} else if (why.kind != ERROR_NOT_RUNNING) {
		error_move(err, &why);
		return -1;
	}
	if (cleanup_stopped(life->host, life->ctid, life->report, &held->state, err) == 0)
		return 0;
	return err->kind == ERROR_SCRIPT ? error_wrap(err, "the VE %u is stopped, but", life->ctid)
					 : -1;
}

/* It goes on first, to hear that it is to stop. `fast`: its processes are forgotten. */
int stop_dumped_held(const struct life *life, struct held *held, bool fast, struct error *err)
{
	if (!fast)
		return start_held(life, held, err) < 0 ? -1 : stop_held(life, held, false, err);
	if (ve_dump_remove(life->host, life->ctid, err) < 0)
		return -1;
	return cleanup_stopped(life->host, life->ctid, life->report, &held->state, err);
}

int life_stop(const struct life *life, bool fast, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0)
		return -1;
	if (held.state.phase == VE_DUMPED)
		return stop_dumped_held(life, &held, fast, err);
	if (held.state.phase != VE_RUNNING) {
		if (is_mounted(held.config.root))
			return umount_held(life, &held, err);
		return error_set(err, ERROR_NOT_RUNNING, "the VE %u is not running", life->ctid);
	}
	if (life->with_host && was_running_note(life->host, life->ctid, err) < 0)
		return -1;
	return stop_held(life, &held, fast, err);
}
