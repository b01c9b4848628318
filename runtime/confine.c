#include "runtime/confine.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "runtime/capability.h"
#include "runtime/seccomp.h"

int confine_new(void **ret, struct error *err)
{
	return seccomp_filter_new_tenant(ret, err);
}

void confine_free(void *confine)
{
	seccomp_filter_free(confine);
}

/* What the caller's shell had is not the VE's business. A hard limit only ever comes down, which always
 * works. */
static void limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit now;
	if (getrlimit(resource, &now) < 0)
		return;
	now.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
	now.rlim_cur = soft < now.rlim_max ? soft : now.rlim_max;
	setrlimit(resource, &now);
}

/* core(5): a pattern that begins with "|" starts a program of the host for each crash. */
static bool crashes_go_to_host(void)
{
	char first = 0;
	autoclose int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &first, 1) == 1 && first == '|';
}

/* Who enters has at most what the VE's PID 1 may have, which is itself when the VE starts. */
static void follow_init(void)
{
	struct rlimit own, first;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit(i, &own) == 0 && prlimit(1, i, NULL, &first) == 0)
			limit(i, own.rlim_cur, first.rlim_max);
}

static void set_limits(void)
{
	follow_init();
	if (crashes_go_to_host())
		limit(RLIMIT_CORE, 1, 1); /* 0 would keep only files from being written */
	else
		limit(RLIMIT_CORE, 0, RLIM_INFINITY);
	limit(RLIMIT_NOFILE, 1024, 524288);
	limit(RLIMIT_STACK, 8 << 20, RLIM_INFINITY);
	limit(RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY);
	limit(RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY);
	limit(RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY);
}

/* elf(5): is the VE's init a program for 32 bits? A script, or none, is not. */
static bool is_32bit(void)
{
	unsigned char ident[EI_NIDENT] = { 0 };
	autoclose int fd = open("/sbin/init", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && read(fd, ident, sizeof(ident)) == sizeof(ident) &&
	       memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS32;
}

int confine_personality(struct error *err)
{
	if (is_32bit() && personality(PER_LINUX32) < 0)
		return error_errno(err, errno, "setting the personality of a VE for 32 bits");
	return 0;
}

int confine_apply(void *confine, struct error *err)
{
	set_limits();
	if (confine_personality(err) < 0)
		return -1;
	/* The filter first: without no_new_privs it takes CAP_SYS_ADMIN. */
	if (seccomp_filter_load(confine) < 0)
		return error_errno(err, errno, "loading the VE's system call filter");
	if (capability_limit(CAPABILITY_TENANT) < 0)
		return error_errno(err, errno, "dropping capabilities");
	return 0;
}
