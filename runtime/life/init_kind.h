/* How the init of a VE shows that it is up, and how it is asked to end. */
#pragma once

#include <sys/types.h>

enum init_boot {
	BOOT_AT_ONCE, /* it says nothing, and is up when it runs */
	BOOT_SYSTEMD, /* systemctl(1) says it */
	BOOT_SYSVINIT, /* its command line shows the runlevel, from when the scripts of that begin */
	BOOT_UPSTART, /* runlevel(8) says it, likewise */
	BOOT_SCRIPTS, /* when the scripts that it runs at boot have ended */
};

struct init_kind {
	const char *name; /* "systemd" */
	int signal; /* 0: none */
	const char *const *command; /* argument vector, run in the VE; NULL: none */
	enum init_boot boot;
};

/* What the process is, seen from the host: by its program, and else by the signals that it catches; a signal that
 * is not caught does nothing to a PID 1. Never NULL; "unknown" has neither signal nor command. */
const struct init_kind *init_kind_of(pid_t init);
