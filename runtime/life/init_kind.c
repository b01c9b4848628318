#include "runtime/life/init_kind.h"

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
 * SIGRTMIN here. sysvinit is asked through /run/initctl, which halt(8) knows. BusyBox: SIGUSR2 is poweroff.
 * OpenRC's init and runit are like sysvinit.
 */
enum { SYSTEMD_HALT = 37 };

static const struct {
	const char *program;
	struct init_kind kind;
} kinds[] = {
	{ "systemd", { "systemd", SYSTEMD_HALT, NULL } },
	{ "busybox", { "busybox", SIGUSR2, NULL } },
	{ "init", { "sysvinit", 0, "/sbin/halt" } },
	{ "upstart", { "upstart", 0, "/sbin/halt" } },
	{ "openrc-init", { "openrc", 0, "/sbin/halt" } },
	{ "runit", { "runit", SIGCONT, NULL } },
};

static const struct init_kind by_power = { "one that knows SIGPWR", SIGPWR, NULL };
static const struct init_kind by_term = { "one that knows SIGTERM", SIGTERM, NULL };
static const struct init_kind unknown = { "unknown", 0, NULL };

/* proc(5), SigCgt: a set of signals as a number, the lowest bit for signal 1. */
static uint64_t caught(pid_t init)
{
	autofree char *path = xasprintf("/proc/%d/status", init), *line = NULL;
	autofclose FILE *file = fopen(path, "re");
	unsigned long long set = 0;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "SigCgt: %llx", &set) == 1)
			break;
	return set;
}

static bool catches(uint64_t set, int signal)
{
	return set >> (signal - 1) & 1;
}

const struct init_kind *init_kind_of(pid_t init)
{
	char target[PATH_MAX];
	autofree char *link = xasprintf("/proc/%d/exe", init);
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = 0;
	char *deleted = strstr(target, " (deleted)"); /* it was upgraded meanwhile */
	if (deleted)
		*deleted = 0;
	const char *slash = strrchr(target, '/'), *program = slash ? slash + 1 : target;
	uint64_t set = caught(init);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		/* A small init of somebody's own may have one of these names, too. */
		if (!strcmp(program, kinds[i].program) &&
		    (kinds[i].kind.command ? catches(set, SIGHUP) || catches(set, SIGALRM)
					   : kinds[i].kind.signal >= 32 ||
						     catches(set, kinds[i].kind.signal)))
			return &kinds[i].kind;
	if (catches(set, SIGPWR))
		return &by_power;
	return catches(set, SIGTERM) ? &by_term : &unknown;
}
