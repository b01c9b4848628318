#include "runtime/life/init_kind.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/*
 * By the name of the program. systemd(1): SIGRTMIN+3 halts, and is 37 for the kernel's numbers whatever libc calls
 * SIGRTMIN here. sysvinit is asked through /run/initctl, which telinit(8) knows; halt(8) would ask only if
 * it finds the runlevel in utmp, and else not run a single script. BusyBox: SIGUSR2 is poweroff.
 * runit(8): SIGCONT counts only if a file says so, which runit-init(8) sets; the place of that program differs, but it is /sbin/init.
 */
enum { SYSTEMD_HALT = 37 };

static const char *const telinit[] = { "/sbin/telinit", "0", NULL };
static const char *const runit_init[] = { "/sbin/init", "0", NULL };
static const char *const openrc[] = { "/sbin/openrc-shutdown", "-p", "now", NULL };

static const struct {
	const char *program;
	struct init_kind kind;
} kinds[] = {
	{ "systemd", { "systemd", SYSTEMD_HALT, NULL, BOOT_SYSTEMD } },
	{ "busybox", { "busybox", SIGUSR2, NULL, BOOT_SCRIPTS } },
	{ "init", { "sysvinit", 0, telinit, BOOT_SYSVINIT } },
	{ "upstart", { "upstart", 0, telinit, BOOT_UPSTART } },
	{ "openrc-init", { "openrc", 0, openrc, BOOT_SCRIPTS } },
	{ "runit", { "runit", 0, runit_init, BOOT_SCRIPTS } },
	{ "vzinit", { "vzinit", SIGPWR, NULL, BOOT_AT_ONCE } },
};

static const struct init_kind by_power = { "one that knows SIGPWR", SIGPWR, NULL, BOOT_AT_ONCE };
static const struct init_kind by_term = { "one that knows SIGTERM", SIGTERM, NULL, BOOT_AT_ONCE };
static const struct init_kind unknown = { "unknown", 0, NULL, BOOT_AT_ONCE };

/* proc(5), SigCgt and SigBlk: sets of signals as numbers, the lowest bit for signal 1. What is blocked is waited for
 * (sigwaitinfo(2), signalfd(2)). */
static uint64_t caught(pid_t init)
{
	autofree char *path = xasprintf("/proc/%d/status", init), *line = NULL;
	autofclose FILE *file = fopen(path, "re");
	unsigned long long set, all = 0;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "SigCgt: %llx", &set) == 1 ||
		    sscanf(line, "SigBlk: %llx", &set) == 1)
			all |= set;
	return all;
}

static bool catches(uint64_t set, int signal)
{
	return set >> (signal - 1) & 1;
}

/* The program's name without its folder; an empty one if it cannot be told. To be freed. */
static char *program_of(pid_t init)
{
	char target[PATH_MAX];
	autofree char *link = xasprintf("/proc/%d/exe", init);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = 0;
	char *deleted = strstr(target, " (deleted)"); /* it was upgraded meanwhile */
	if (deleted)
		*deleted = 0;
	const char *slash = strrchr(target, '/');
	return xstrdup(slash ? slash + 1 : target);
}

/* As the process calls itself: busybox is many programs. */
static bool calls_itself_init(pid_t init)
{
	char name[16] = "";
	autofree char *path = xasprintf("/proc/%d/comm", init);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && !strcmp(name, "init\n");
}

/* A small init of somebody's own may have one of the names, too; and what has just been started does not hear yet. What busybox waits for by sigtimedwait(2)
 * cannot be seen. */
static bool fits(const struct init_kind *kind, pid_t init, uint64_t set)
{
	if (kind->command)
		return catches(set, SIGHUP) || catches(set, SIGALRM);
	return catches(set, kind->signal) ||
	       (!strcmp(kind->name, "busybox") && calls_itself_init(init));
}

const struct init_kind *init_kind_of(pid_t init)
{
	autofree char *program = program_of(init);
	uint64_t set = caught(init);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(program, kinds[i].program) && fits(&kinds[i].kind, init, set))
			return &kinds[i].kind;
	if (catches(set, SIGPWR))
		return &by_power;
	return catches(set, SIGTERM) ? &by_term : &unknown;
}
