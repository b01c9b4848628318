/* Limits that each process of a VE has. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/resource/limit.h"
#include "runtime/resource/processes.h"

enum { ROUNDS = 20 };

/* RLIM_INFINITY: there is none. */
static rlim_t wanted_of(const struct resources *wanted, int id)
{
	uint64_t limit = wanted->values[id].limit,
		 times = resource_table[id].unit == UNIT_PAGES ? page_size() : 1;
	if (!resource_table[id].rlimit || !resource_is_limited(wanted, id) ||
	    __builtin_mul_overflow(limit, times, &limit))
		return RLIM_INFINITY;
	return (rlim_t)limit;
}

void limit_raise(const struct resources *wanted)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		rlim_t most = wanted_of(wanted, i);
		struct rlimit limit;
		if (most == RLIM_INFINITY || getrlimit(resource_table[i].rlimit, &limit) < 0 ||
		    limit.rlim_max >= most)
			continue;
		limit.rlim_max = most;
		setrlimit(resource_table[i].rlimit, &limit);
	}
}

void limit_take(const struct resources *wanted)
{
	for (int i = 0; i < RESOURCE_COUNT; i++) {
		rlim_t most = wanted_of(wanted, i);
		struct rlimit limit;
		if (most == RLIM_INFINITY || getrlimit(resource_table[i].rlimit, &limit) < 0)
			continue;
		limit.rlim_max = most < limit.rlim_max ? most : limit.rlim_max;
		limit.rlim_cur = most < limit.rlim_cur ? most : limit.rlim_cur;
		setrlimit(resource_table[i].rlimit, &limit);
	}
}

unsigned limit_terminals(const struct resources *wanted)
{
	uint64_t limit = wanted->values[RESOURCE_NUMPTY].limit;
	return resource_is_limited(wanted, RESOURCE_NUMPTY) && limit < UINT_MAX ? (unsigned)limit
										: UINT_MAX;
}

/* Whether it had more. */
static bool lower(pid_t pid, int resource, rlim_t most)
{
	struct rlimit limit;
	if (prlimit(pid, resource, NULL, &limit) < 0 || limit.rlim_max <= most)
		return false;
	limit.rlim_max = most;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	return prlimit(pid, resource, &limit, NULL) == 0;
}

static bool lower_all(const struct strvec *folders, const struct resources *wanted)
{
	AUTO(processes_release) struct processes list = PROCESSES_INIT;
	bool any = false;
	processes_list(folders, &list);
	for (size_t n = 0; n < list.count; n++)
		for (int i = 0; i < RESOURCE_COUNT; i++) {
			rlim_t most = wanted_of(wanted, i);
			any |= most != RLIM_INFINITY &&
			       lower(list.pids[n], resource_table[i].rlimit, most);
		}
	return any;
}

/* Again, while one that had not been looked at yet has had a child: until nobody is found who has more. */
int limit_lower(const struct strvec *folders, int init, const struct resources *wanted,
		struct error *err)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		if (setns(init, CLONE_NEWUSER) < 0)
			_exit(errno);
		for (int round = 0; round < ROUNDS && lower_all(folders, wanted); round++)
			;
		_exit(0);
	}
	if (child < 0 || TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) < 0)
		return error_errno(err, errno, "starting a process");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	error_errno(err, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR,
		    "lowering limits of the VE's processes");
	err->kind = ERROR_LIMIT;
	return -1;
}
