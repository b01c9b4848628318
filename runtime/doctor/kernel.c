/* What VEs need of the kernel: tried, where trying leaves nothing behind. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/strbuf.h"
#include "runtime/doctor/doctor.h"
#include "runtime/hierarchy.h"
#include "runtime/mount.h"
#include "runtime/namespace.h"

enum { TRIED_BASE = 0x7fff0000 }; /* ids of a VE that nobody has */

static void check_version(struct doctor *doctor)
{
	struct utsname name;
	unsigned major = 0, minor = 0;
	uname(&name);
	sscanf(name.release, "%u.%u", &major, &minor);
	bool idmap = major > 5 || (major == 5 && minor >= 12);
	bool overlay = major > 5 || (major == 5 && minor >= 19);
	doctor_add(doctor,
		   !idmap     ? DOCTOR_FAIL
		   : !overlay ? DOCTOR_WARN
			      : DOCTOR_OK,
		   "kernel", xstrdup(name.release),
		   overlay ? NULL
			   : xstrdup("VEs have copies of their templates instead of sharing them"),
		   overlay ? NULL : xstrdup("Linux 5.19 or newer"));
}

/* Runs `try` in a process of its own; its errno, or 0. */
static int attempt(int (*try)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		interrupt_reset_child();
		_exit(try() < 0 ? errno : 0);
	}
	if (pid < 0 || TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static int try_namespaces(void)
{
	return unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		       CLONE_NEWCGROUP);
}

/* In memory, in a mount namespace of its own; whether VEs' file systems can show mapped ids is tried there (storage.c). */
static int try_overlay(void)
{
	static const char *const folders[] = { "lower", "upper", "work", "merged" };
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, "mode=0700") < 0 || chdir("/tmp") < 0)
		return -1;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (mkdir(folders[i], 0755) < 0)
			return -1;
	return mount("overlay", "merged", "overlay", 0,
		     "lowerdir=lower,upperdir=upper,workdir=work");
}

static void check_tries(struct doctor *doctor)
{
	static const struct {
		const char *name;
		int (*try)(void);
		enum doctor_level without;
		const char *means, *advice;
	} rows[] = {
		{ "namespaces", try_namespaces, DOCTOR_FAIL, "no VE can be started",
		  "a kernel with CONFIG_PID_NS, CONFIG_NET_NS and the other namespaces" },
		{ "overlay", try_overlay, DOCTOR_WARN,
		  "VEs have copies of their templates instead of sharing them",
		  "modprobe overlay, or a kernel with CONFIG_OVERLAY_FS" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int number = attempt(rows[i].try);
		doctor_add(doctor, number ? rows[i].without : DOCTOR_OK, rows[i].name,
			   xstrdup(number ? strerror(number) : "works"),
			   number ? xstrdup(rows[i].means) : NULL,
			   number ? xstrdup(rows[i].advice) : NULL);
	}
}

static void check_userns(struct doctor *doctor)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	autoclose int userns = namespace_user_new(TRIED_BASE, &why);
	bool works = userns >= 0;
	doctor_add(doctor, works ? DOCTOR_OK : DOCTOR_FAIL, "user namespaces",
		   xstrdup(works ? "works" : why.message),
		   works ? NULL : xstrdup("no VE can be started"),
		   works ? NULL
			 : xstrdup("sysctl -w user.max_user_namespaces=16384; a kernel with "
				   "CONFIG_USER_NS"));
}

static void check_groups(struct doctor *doctor)
{
	static const struct {
		const char *v1, *v2, *means;
	} rows[] = {
		{ "memory", "memory", "memory (--ram, --swap, physpages) is not limited" },
		{ "cpu", "cpu", "processor time (--cpuunits, --cpulimit) is not limited" },
		{ "cpuset", "cpuset", "--cpumask and --nodemask have no effect" },
		{ "pids", "pids", "processes (--numproc) are not limited" },
		{ "blkio", "io", "disks (--iolimit, --iopslimit) are not limited" },
	};
	AUTO(hierarchy_release) struct hierarchy v2 = hierarchy_find(NULL);
	AUTO(strbuf_release) struct strbuf missing = STRBUF_INIT, means = STRBUF_INIT;
	bool any = v2.mount;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		AUTO(hierarchy_release) struct hierarchy v1 = hierarchy_find(rows[i].v1);
		any |= v1.mount != NULL;
		if (v1.mount || (v2.mount && hierarchy_offers(&v2, rows[i].v2)))
			continue;
		strbuf_addf(&missing, "%s%s", missing.length ? ", " : "without ", rows[i].v2);
		strbuf_addf(&means, "%s%s", means.length ? "; " : "", rows[i].means);
	}
	doctor_add(doctor,
		   !any             ? DOCTOR_FAIL
		   : missing.length ? DOCTOR_WARN
				    : DOCTOR_OK,
		   "control groups",
		   any ? xstrdup(missing.length ? missing.text : "all controllers")
		       : xstrdup("not mounted"),
		   missing.length ? strbuf_detach(&means) : NULL,
		   missing.length ? xstrdup("boot with cgroup_enable=memory and without "
					    "cgroup_disable=, or mount the controllers")
				  : NULL);
}

/* Programs of before 2013 jump to a page at a fixed address for gettimeofday(2). */
static void check_vsyscall(struct doctor *doctor)
{
	char line[512];
	bool there = false;
	autofclose FILE *file = fopen("/proc/self/maps", "re");
	while (file && fgets(line, sizeof(line), file))
		there |= strstr(line, "[vsyscall]") != NULL;
#ifdef __x86_64__
	doctor_add(doctor, there ? DOCTOR_OK : DOCTOR_WARN, "vsyscall",
		   xstrdup(there ? "there" : "none"),
		   there ? NULL : xstrdup("programs of old systems (CentOS 6 and before) crash"),
		   there ? NULL : xstrdup("boot with vsyscall=xonly, if VEs have such systems"));
#else
	(void)doctor;
#endif
}

static void check_filters(struct doctor *doctor)
{
	autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	bool there = fd >= 0;
	doctor_add(doctor, there ? DOCTOR_OK : DOCTOR_WARN, "packet filters",
		   xstrdup(there ? "nfnetlink is there" : "no nfnetlink"),
		   there ? NULL : xstrdup("iptables and nft do not work in VEs"),
		   there ? NULL
			 : xstrdup("modprobe nf_tables, and a line of that in "
				   "/etc/modules-load.d/vz.conf"));
}

/* Nobody in a VE is more than an unprivileged user of the host. */
static void check_nested(struct doctor *doctor)
{
	static const struct {
		const char *path, *name;
		uint64_t good;
	} rows[] = {
		{ "/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone",
		  1 },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
		  "kernel.apparmor_restrict_unprivileged_userns", 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t value;
		if (!doctor_number(doctor, rows[i].path, &value))
			continue;
		bool good = value == rows[i].good;
		doctor_add(
			doctor, good ? DOCTOR_OK : DOCTOR_WARN, rows[i].name,
			xasprintf("%u", (unsigned)value),
			good ? NULL
			     : xstrdup("services in VEs that want user namespaces of their own "
				       "may not start"),
			good ? NULL
			     : xasprintf("sysctl -w %s=%u", rows[i].name, (unsigned)rows[i].good));
	}
}

void doctor_kernel(struct doctor *doctor)
{
	check_version(doctor);
	check_userns(doctor);
	check_tries(doctor);
	check_groups(doctor);
	check_filters(doctor);
	check_vsyscall(doctor);
	check_nested(doctor);
}
