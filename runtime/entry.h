/*
 * Going into a VE that runs: a process of ours in all of its namespaces and control groups, as its root,
 * with its root folder as "/", with the capabilities and the system call filter that everything in it has.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/cgroup.h"

struct entry {
	int pidfd; /* of the VE's PID 1 */
	const struct cgroup *group;

	/* Called in the new process when it is inside and before it is restricted, with err for what fails;
	 * restricting is its own to do. It must close every descriptor that is not for the VE before it
	 * executes anything. Its return value is the exit status. */
	int (*function)(void *data);
	void *data;

	/* Where an error before `function` is reported: a pipe, as bytes of wire.h. */
	int failure;
};

/*
 * Forks. The process that is returned is on the threshold: in the VE's groups and in its namespaces but that of
 * the processes; it waits for the one inside, ends as that one ends (exit status or signal), and takes it
 * along when it is killed. Nobody in the VE can look into either, as they are not dumpable. -1 with *err.
 */
pid_t entry_fork(const struct entry *entry, struct error *err);

enum { ENTRY_SIGNAL_MAX = 15 };

/*
 * Has the one on the threshold signal the process inside and, if that leads a group, all of the group, as a key on a terminal would. Only
 * the process's parent knows that its number is not another's by now, and pidfd_send_signal(2) has groups since Linux 6.9.
 * `number` is 1 to ENTRY_SIGNAL_MAX, as all of POSIX's numbered ones are. -1 with errno set.
 */
int entry_signal(pid_t threshold, int number);

/* In the process inside, before it executes something: signals are as in a new session, and who is protected from the host's
 * OOM killer protects nobody. */
void entry_forget_caller(void);

/* The same: standard input, output and error are the VE's /dev/null, whatever somebody has put there; umask 022; the folder is its root. */
int entry_settle(struct error *err);

/* The same: closes everything but 0 to 2 and these, which it sorts. -1 with errno set. */
int entry_close_others(int *keep, size_t count);
