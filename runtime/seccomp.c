#include "runtime/seccomp.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* Names that libseccomp does not know, or an architecture does not have, are passed by. */

/* In every VE. The user namespace keeps root of a VE from most of these already; here they fail the same on every
 * kernel, and kernel code that has not been written with tenants in mind is not reached at all. */
static const char *const refused[] = {
	/* The kernel itself. */
	"init_module",
	"finit_module",
	"delete_module",
	"create_module",
	"query_module",
	"get_kernel_syms",
	"kexec_load",
	"kexec_file_load",
	"swapon",
	"swapoff",
	"syslog",
	"bpf",
	"perf_event_open",
	"lookup_dcookie",
	"acct",
	"quotactl",
	"quotactl_fd",
	"nfsservctl",
	"iopl",
	"ioperm",
	"vm86",
	"vm86old",
	"uselib",
	"_sysctl",
	"sysfs",
	/* Clocks of the host. */
	"settimeofday",
	"stime",
	"clock_settime",
	"clock_settime64",
	/* Not divided by namespaces, or known for trouble. */
	"add_key",
	"request_key",
	"keyctl",
	"open_by_handle_at",
	"userfaultfd",
	"move_pages",
	"migrate_pages",
	/* Reads and writes of a ring pass by this filter. */
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
};

/* And while a template is built. */
static const char *const refused_building[] = {
	/* The tree of mounts is ready when the first command runs; nodev and read-only mounts in it
	 * are limits. New namespaces would give the capabilities for all this back. */
	"mount",
	"umount",
	"umount2",
	"pivot_root",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"open_tree",
	"move_mount",
	"mount_setattr",
	"setns",
	"unshare",
	/* The kernel itself. */
	"reboot",
	"modify_ldt",
	"vhangup",
	/* Known for trouble, or for looking into others. */
	"ptrace",
	"pidfd_getfd",
	"process_vm_readv",
	"process_vm_writev",
	"kcmp",
	"mbind",
	"set_mempolicy",
	"set_mempolicy_home_node",
};

/* What one syncfs() of the host makes up for when a template is done. O_SYNC is left alone. */
static const char *const syncs[] = {
	"fsync",
	"fdatasync",
	"sync",
	"syncfs",
	"msync",
	"sync_file_range",
	"sync_file_range2",
	"arm_sync_file_range",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static int add(scmp_filter_ctx filter, const char *name, int number)
{
	int call = seccomp_syscall_resolve_name(name);
	if (call == __NR_SCMP_ERROR)
		return 0;
	int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)number), call, 0);
	return result == -EDOM ? 0 : result;
}

static int add_all(scmp_filter_ctx filter, const char *const *names, size_t count, int number)
{
	int result = 0;
	for (size_t i = 0; i < count && result == 0; i++)
		result = add(filter, names[i], number);
	return result;
}

/*
 * clone() with any namespace flag is refused. The flags of clone3() are behind a pointer, so it is
 * said not to exist, and libraries fall back on clone().
 */
static int add_clone(scmp_filter_ctx filter)
{
	static const unsigned flags[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
					  CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
	int result = add(filter, "clone3", ENOSYS);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags) && result == 0; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
					  SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
	return result;
}

/* Writing into the input of a terminal that one has as standard input. */
static int add_ioctl(scmp_filter_ctx filter)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
}

/* The other architectures whose programs this kernel may run. x32 stays out. */
static int add_architectures(scmp_filter_ctx filter)
{
	uint32_t other = 0;
	if (seccomp_arch_native() == SCMP_ARCH_X86_64)
		other = SCMP_ARCH_X86;
	else if (seccomp_arch_native() == SCMP_ARCH_AARCH64)
		other = SCMP_ARCH_ARM;
	int result = other ? seccomp_arch_add(filter, other) : 0;
	return result == -EEXIST ? 0 : result;
}

static int add_nodes(scmp_filter_ctx filter)
{
	static const unsigned kinds[] = { S_IFCHR, S_IFBLK };
	int result = 0;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && result == 0; i++) {
		result = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(mknodat), 1,
					  SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]));
		/* Newer architectures have only the other one. */
		if (result == 0)
			result = seccomp_rule_add(filter, SCMP_ACT_NOTIFY, SCMP_SYS(mknod), 1,
						  SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, kinds[i]));
		result = result == -EDOM ? 0 : result;
	}
	return result;
}

static int begin(scmp_filter_ctx filter)
{
	int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	if (result == 0)
		result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	return result == 0 ? add_architectures(filter) : result;
}

static int build(scmp_filter_ctx filter, bool no_sync)
{
	int result = add_all(filter, refused, COUNT(refused), EPERM);
	if (result == 0)
		result = add_all(filter, refused_building, COUNT(refused_building), EPERM);
	if (result == 0 && no_sync)
		result = add_all(filter, syncs, COUNT(syncs), 0);
	if (result == 0)
		result = add_clone(filter);
	if (result == 0)
		result = add_ioctl(filter);
	if (result == 0)
		result = add_nodes(filter);
	return result;
}

/* `result` is of building it. */
static int finish(scmp_filter_ctx filter, int result, void **ret, struct error *err)
{
	if (result < 0) {
		seccomp_release(filter);
		return error_errno(err, -result, "creating a system call filter");
	}
	/* A tree instead of a list: each call of each process passes through it. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	*ret = filter;
	return 0;
}

int seccomp_filter_new(bool no_sync, void **ret, struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return error_set(err, ERROR_SYSTEM, "creating a system call filter failed");
	int result = begin(filter);
	if (result == 0)
		result = build(filter, no_sync);
	return finish(filter, result, ret, err);
}

int seccomp_filter_new_tenant(void **ret, struct error *err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return error_set(err, ERROR_SYSTEM, "creating a system call filter failed");
	int result = begin(filter);
	if (result == 0)
		result = add_all(filter, refused, COUNT(refused), EPERM);
	if (result == 0)
		result = add_ioctl(filter);
	return finish(filter, result, ret, err);
}

int seccomp_filter_load(void *filter)
{
	int result = seccomp_load(filter);
	if (result < 0)
		return errno = -result, -1;
	int listener = seccomp_notify_fd(filter);
	return listener > 0 ? listener : 0;
}

void seccomp_filter_free(void *filter)
{
	if (filter)
		seccomp_release(filter);
}
