#include "runtime/access/ready.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "runtime/access/exec.h"
#include "runtime/life/init_kind.h"
#include "runtime/life/running.h"

enum {
	STEP_MS = 20,
	YOUNG_MS =
		1500, /* so long an init may take until it listens to signals, by which it is known */
	REAP_MS = 3000,
	QUIET_STEPS = 5, /* so long no script is seen: the first may not have been started */
	OUTPUT_MAX = 256 << 10,
	TEXT_MAX = 1 << 20,
	CONSOLE_LINES = 12,
};

/* A VE that is being waited for. */
struct watch {
	struct running running;
	int64_t begun, deadline; /* ms */
	unsigned quiet;
	struct strbuf state; /* what systemd or runlevel said last */
};

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void watch_release(struct watch *watch)
{
	running_release(&watch->running);
	strbuf_release(&watch->state);
}

/* ---- asking inside ------------------------------------------------------------------------------------ */

/* A file in memory that does not grow: what the VE prints is not trusted to have an end. */
static int output_file(struct error *err)
{
	autoclose int fd = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, OUTPUT_MAX) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0)
		return error_errno(err, errno, "creating a file in memory");
	return steal_fd(&fd);
}

/* What the shell command prints, without the newlines at its end. What it takes is limited by what is left. */
static int ask(const struct watch *watch, const char *command, struct strbuf *text,
	       struct error *err)
{
	int status;
	int64_t left = watch->deadline - now_ms();
	autoclose int fd = output_file(err);
	const struct ve_exec_spec spec = {
		.kind = VE_EXEC_SHELL,
		.command = command,
		.limit_ms = left > 0 ? (unsigned)left : 1,
		.input = -1,
		.output = fd,
		.errors = -1,
	};
	strbuf_truncate(text, 0);
	if (fd < 0 || ve_exec(&watch->running, &spec, &status, err) < 0)
		return -1;
	off_t size = lseek(fd, 0, SEEK_CUR);
	strbuf_reserve(text, (size_t)size + 1);
	ssize_t got = pread(fd, text->text, (size_t)size, 0);
	if (got < 0)
		return error_errno(err, errno, "reading what the VE printed");
	text->text[got] = 0;
	size_t length = strlen(text->text);
	text->length = (size_t)got;
	while (length && text->text[length - 1] == '\n')
		length--;
	strbuf_truncate(text, length);
	return 0;
}

/* ---- how an init shows it ------------------------------------------------------------------------------- */

/* Each: 1 it is up, 0 not yet, -1 it never will be. */

static int failed_units(const struct watch *watch, struct ready *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (ask(watch, "exec systemctl --failed --plain --no-legend --no-pager --full", &text,
		err) < 0)
		return -1;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		AUTO(strvec_release) struct strvec words = STRVEC_INIT;
		strvec_split(&words, line);
		/* Versions before 252 do not know --plain here, and begin with a mark. */
		for (size_t i = 0; i < words.count; i++)
			if (strchr(words.items[i], '.')) {
				strvec_push(&ret->failed, words.items[i]);
				break;
			}
	}
	strvec_sort(&ret->failed);
	return 0;
}

/* Before 240 systemctl has no --wait here, and either does not know it or is back at once. */
static int systemd_up(struct watch *watch, struct ready *ret, struct error *err)
{
	static const char question[] =
		"systemctl is-system-running --wait 2>/dev/null || systemctl is-system-running";
	if (ask(watch, question, &watch->state, err) < 0)
		return -1;
	char *last = strrchr(watch->state.text, '\n');
	const char *word = last ? last + 1 : watch->state.text;
	if (!strcmp(word, "running"))
		return 1;
	if (!strcmp(word, "degraded"))
		return failed_units(watch, ret, err) < 0 ? -1 : 1;
	if (strcmp(word, "maintenance") != 0 && strcmp(word, "stopping") != 0)
		return 0;
	failed_units(watch, ret, NULL);
	return error_set(err, ERROR_CHILD, "systemd is in the state \"%s\"%s%s", word,
			 ret->failed.count ? ", as has failed: " : "",
			 ret->failed.count ? ret->failed.items[0] : "");
}

/* runit's second stage becomes runsvdir when its scripts have ended. */
bool ready_is_boot_script(const char *command_line)
{
	static const char *const parts[] = { "/etc/init.d/rc", "/etc/rc.d/rc", "/lib/init/rc",
					     "/etc/runit/1",   "/etc/runit/2", "openrc ",
					     "openrc-run" };
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strstr(command_line, parts[i]))
			return true;
	return false;
}

/* As one line; "" for a process that is gone. */
static void read_command_line(const char *pid, struct strbuf *text)
{
	autofree char *path = xasprintf("/proc/%s/cmdline", pid);
	strbuf_truncate(text, 0);
	if (file_read(AT_FDCWD, path, TEXT_MAX, text, NULL) < 0)
		strbuf_truncate(text, 0);
	for (size_t i = 0; i < text->length; i++)
		if (!text->text[i])
			text->text[i] = ' ';
}

static bool scripts_run(const struct watch *watch)
{
	AUTO(strbuf_release) struct strbuf children = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf line = STRBUF_INIT;
	AUTO(strvec_release) struct strvec pids = STRVEC_INIT;
	int init = watch->running.state.init.pid;
	autofree char *path = xasprintf("/proc/%d/task/%d/children", init, init);
	if (file_read(AT_FDCWD, path, TEXT_MAX, &children, NULL) < 0)
		return false;
	strvec_split(&pids, children.text);
	for (size_t i = 0; i < pids.count; i++) {
		read_command_line(pids.items[i], &line);
		if (ready_is_boot_script(line.text))
			return true;
	}
	return false;
}

static int scripts_up(struct watch *watch)
{
	watch->quiet = scripts_run(watch) ? 0 : watch->quiet + 1;
	return watch->quiet >= QUIET_STEPS;
}

/* "init [2]" */
bool ready_sysvinit_level(const char *command_line)
{
	const char *level = strstr(command_line, "init [");
	return level && isdigit((unsigned char)level[6]);
}

/* "N 3" */
bool ready_runlevel(const char *printed)
{
	const char *blank = strchr(printed, ' ');
	return blank && isdigit((unsigned char)blank[1]);
}

static int sysvinit_up(struct watch *watch)
{
	AUTO(strbuf_release) struct strbuf line = STRBUF_INIT;
	autofree char *pid = xasprintf("%d", watch->running.state.init.pid);
	read_command_line(pid, &line);
	return ready_sysvinit_level(line.text) && scripts_up(watch);
}

static int upstart_up(struct watch *watch, struct error *err)
{
	if (ask(watch, "exec runlevel", &watch->state, err) < 0)
		return -1;
	return ready_runlevel(watch->state.text) && scripts_up(watch);
}

static int is_up(struct watch *watch, struct ready *ret, struct error *err)
{
	const struct init_kind *kind = init_kind_of(watch->running.state.init.pid);
	ret->init = kind->name;
	if (!kind->signal && !kind->command && now_ms() - watch->begun < YOUNG_MS)
		return 0;
	switch (kind->boot) {
	case BOOT_SYSTEMD:
		return systemd_up(watch, ret, err);
	case BOOT_SYSVINIT:
		return sysvinit_up(watch);
	case BOOT_UPSTART:
		return upstart_up(watch, err);
	case BOOT_SCRIPTS:
		return scripts_up(watch);
	default:
		return 1;
	}
}

/* ---- waiting ---------------------------------------------------------------------------------------------- */

/* What is for terminals alone: "\r", and colours (ECMA-48, 5.4). */
static void strip(struct strbuf *text)
{
	size_t length = 0;
	for (const char *at = text->text; *at; at++) {
		if (at[0] == '\033' && at[1] == '[') {
			at += 2;
			at += strspn(at, "0123456789;:?");
			if (!*at)
				break;
		} else if (*at != '\r') {
			text->text[length++] = *at;
		}
	}
	text->text[length] = 0;
	text->length = length;
}

/* The end of the console as further lines of the message. */
static int with_console(const struct host_config *host, unsigned ctid, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("%s/%u.console", host->lock_dir, ctid);
	if (file_read(AT_FDCWD, path, TEXT_MAX, &text, NULL) < 0)
		return -1;
	strip(&text);
	autofree char *tail = text_tail(text.text, CONSOLE_LINES);
	if (!*tail)
		return -1;
	autofree char *message = err->message;
	err->message = xasprintf("%s; its console ends with:%s", message, tail);
	return -1;
}

/* The monitor empties the console before it clears away what is left of the VE. */
static void wait_reaped(const struct host_config *host, unsigned ctid)
{
	int64_t end = now_ms() + REAP_MS;
	for (bool gone = false; !gone && now_ms() < end;) {
		struct ve_state state = VE_STATE_INIT;
		gone = ve_state_load(host, ctid, &state, NULL) < 0 || state.phase == VE_STOPPED;
		ve_state_release(&state);
		if (!gone)
			poll(NULL, 0, STEP_MS);
	}
}

static int too_late(struct watch *watch, unsigned ctid, unsigned limit_s, struct ready *ret,
		    struct error *err)
{
	AUTO(strbuf_release) struct strbuf jobs = STRBUF_INIT;
	const char *init = ret->init ?: "unknown";
	watch->deadline = now_ms() + 5000; /* for this last question */
	if (!strcmp(init, "systemd") &&
	    ask(watch, "systemctl list-jobs --no-legend --no-pager --full | grep running", &jobs,
		NULL) == 0 &&
	    jobs.length)
		error_set(err, ERROR_TIME_LIMIT,
			  "the VE %u is not up after %u s; systemd still waits for:\n    %s", ctid,
			  limit_s, jobs.text);
	else
		error_set(err, ERROR_TIME_LIMIT, "the VE %u is not up after %u s; its init is %s",
			  ctid, limit_s, init);
	return error_hint(err, "it goes on; \"vzctl enter %u\" shows what it does", ctid);
}

/* false when it has ended. */
static bool pause_step(const struct watch *watch)
{
	struct pollfd polled[] = { { .fd = watch->running.pidfd, .events = POLLIN },
				   { .fd = interrupt_fd(), .events = POLLIN } };
	poll(polled, 2, STEP_MS);
	return !polled[0].revents;
}

static int wait_for(struct watch *watch, unsigned ctid, unsigned limit_s, struct ready *ret,
		    struct error *err)
{
	for (;;) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		int up = is_up(watch, ret, &why);
		if (interrupt_check(err) < 0)
			return -1;
		if (!pause_step(watch))
			return error_set(err, ERROR_NOT_RUNNING, "the VE %u ended before it was up",
					 ctid);
		if (up > 0)
			return 0;
		if (now_ms() >= watch->deadline)
			return too_late(watch, ctid, limit_s, ret, err);
		if (up < 0 && why.kind != ERROR_TIME_LIMIT) {
			error_move(err, &why);
			return -1;
		}
	}
}

int ready_wait(const struct host_config *host, unsigned ctid, unsigned limit_s,
	       struct report *report, struct ready *ret, struct error *err)
{
	AUTO(watch_release)
	struct watch watch = {
		.running.pidfd = -1,
		.begun = now_ms(),
		.deadline = now_ms() + limit_s * 1000LL,
		.state = STRBUF_INIT,
	};
	AUTO(error_clear) struct error why = ERROR_INIT;
	report_phase(report, "waiting for the VE to be up", REPORT_ITEMS, 0, 50);
	int result = running_open(host, ctid, &watch.running, &why);
	if (result < 0 && why.kind == ERROR_NOT_RUNNING)
		error_set(&why, ERROR_NOT_RUNNING, "the VE %u ended before it was up", ctid);
	if (result == 0)
		result = wait_for(&watch, ctid, limit_s, ret, &why);
	report_phase_end(report);
	if (result == 0)
		return 0;
	if (why.kind == ERROR_NOT_RUNNING)
		wait_reaped(host, ctid);
	if (why.kind == ERROR_NOT_RUNNING || why.kind == ERROR_TIME_LIMIT ||
	    why.kind == ERROR_CHILD)
		with_console(host, ctid, &why);
	error_move(err, &why);
	return -1;
}

void ready_release(struct ready *ready)
{
	strvec_release(&ready->failed);
}
