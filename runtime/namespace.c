#include "runtime/namespace.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/ids.h"

/* What the helper tells about its clone. */
struct outcome {
	pid_t pid;
	int number; /* errno */
};

/* Changing the effective id took the effective capabilities along; the permitted ones are there. */
static int raise_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		data[i].effective = data[i].permitted;
	return syscall(SYS_capset, &header, data) < 0 ? -1 : 0;
}

static pid_t clone_into(int cgroup, uint64_t flags, int exit_signal)
{
	struct clone_args args = { .flags = flags, .exit_signal = (uint64_t)exit_signal };
	if (cgroup >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

pid_t namespace_fork(int cgroup)
{
	return clone_into(cgroup, 0, SIGCHLD);
}

pid_t namespace_clone_init(int cgroup)
{
	return clone_into(cgroup,
			  CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
				  CLONE_PARENT,
			  0);
}

static void help(unsigned base, int cgroup, int (*function)(void *data), void *data, int report)
{
	struct outcome outcome = { .pid = -1 };
	if (syscall(SYS_setresuid, -1, base, -1) == 0 && raise_capabilities() == 0) {
		/* CLONE_PARENT: the new process is a child of the caller, not of the helper, and
		 * takes its exit signal from there. */
		outcome.pid = clone_into(cgroup,
					 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET |
						 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PARENT,
					 0);
		if (outcome.pid == 0) {
			close(report);
			_exit(function(data));
		}
	}
	outcome.number = errno;
	(void)!write(report, &outcome, sizeof(outcome));
	_exit(0);
}

/* namespaces(7): of those that a VE is made of, the kind that may not be made at all; NULL: none. */
static const char *forbidden(void)
{
	static const char *const kinds[] = { "user", "pid", "mnt", "net", "ipc", "uts" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		autofree char *path = xasprintf("/proc/sys/user/max_%s_namespaces", kinds[i]);
		if (file_read(AT_FDCWD, path, 32, &text, NULL) == 0 && !strcmp(text.text, "0\n"))
			return kinds[i];
	}
	return NULL;
}

static int too_many(struct error *err)
{
	const char *kind = forbidden();
	if (kind) {
		error_set(err, ERROR_CONTAINER,
			  "this host allows no %s namespaces (user.max_%s_namespaces is 0), and "
			  "every VE needs one",
			  kind, kind);
		return error_hint(err, "sysctl -w user.max_%s_namespaces=16384", kind);
	}
	error_set(err, ERROR_CONTAINER, "there are as many namespaces as the kernel allows");
	return error_hint(err, "raise the sysctls user.max_*_namespaces: \"vzctl doctor\"");
}

static int refused(int number, struct error *err)
{
	if (number == ENOSPC)
		return too_many(err);
	error_set(err, ERROR_CONTAINER, "the kernel refuses to create the VE's namespaces: %s",
		  strerror(number));
	switch (number) {
	case EPERM:
	case EACCES:
		return error_hint(err, "user namespaces must be allowed: see the sysctl "
				       "kernel.unprivileged_userns_clone and the security module; "
				       "inside another container, that one must allow nesting");
	case ENOSYS:
	case EINVAL:
		return error_hint(err, "Linux 5.12 or newer with all namespaces is needed");
	default:
		return -1;
	}
}

int namespace_clone(unsigned base, int cgroup, int (*function)(void *data), void *data,
		    pid_t *ret_pid, int *ret_pidfd, struct error *err)
{
	int report[2];
	struct outcome outcome;
	if (pipe2(report, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	pid_t helper = fork();
	if (helper == 0)
		help(base, cgroup, function, data, report[1]);
	int number = errno;
	close(report[1]);
	if (helper < 0) {
		close(report[0]);
		return error_errno(err, number, "starting a process");
	}
	ssize_t got = TEMP_FAILURE_RETRY(read(report[0], &outcome, sizeof(outcome)));
	close(report[0]);
	TEMP_FAILURE_RETRY(waitpid(helper, NULL, 0));
	if (got != sizeof(outcome))
		return error_set(err, ERROR_CHILD, "the process that creates a VE was killed");
	if (outcome.pid < 0)
		return refused(outcome.number, err);
	*ret_pidfd = pidfd_open(outcome.pid, 0);
	if (*ret_pidfd < 0) {
		number = errno;
		kill(outcome.pid, SIGKILL);
		TEMP_FAILURE_RETRY(waitpid(outcome.pid, NULL, 0));
		return error_errno(err, number, "opening process %d", outcome.pid);
	}
	*ret_pid = outcome.pid;
	return 0;
}

static int write_map(pid_t pid, const char *name, unsigned base, struct error *err)
{
	autofree char *path = xasprintf("/proc/%d/%s", pid, name);
	autofree char *text = xasprintf("0 %u %d", base, ID_BLOCK_SIZE);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text))
		return 0;
	error_set(err, ERROR_CONTAINER, "mapping the VE's ids (%s to %s): %s", text, path,
		  strerror(errno));
	return error_hint(err, "CAP_SETUID and CAP_SETGID are needed, with these ids mapped here");
}

int namespace_map(pid_t pid, unsigned base, struct error *err)
{
	autofree char *path = xasprintf("/proc/%d/ns/user", pid);
	if (write_map(pid, "uid_map", base, err) < 0 || write_map(pid, "gid_map", base, err) < 0)
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		error_errno(err, errno, "opening %s", path);
	return fd;
}

/* Its owner is `base` for the sake of limits per user, so whoever makes it takes that id. Says when it is
 * there, and stays until the other side has what it wants. */
static void hold_user(unsigned base, int said, int awaited)
{
	char done = 0;
	if (syscall(SYS_setresuid, -1, base, -1) < 0 || raise_capabilities() < 0 ||
	    unshare(CLONE_NEWUSER) < 0)
		done = (char)errno;
	(void)!write(said, &done, 1);
	(void)!read(awaited, &done, 1);
	_exit(0);
}

int namespace_user_new(unsigned base, struct error *err)
{
	int said[2], awaited[2], userns = -1;
	char number = ECHILD;
	if (pipe2(said, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	if (pipe2(awaited, O_CLOEXEC) < 0) {
		close(said[0]), close(said[1]);
		return error_errno(err, errno, "creating a pipe");
	}
	pid_t holder = fork();
	if (holder == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(awaited[1]);
		hold_user(base, said[1], awaited[0]);
	}
	close(said[1]);
	close(awaited[0]);
	if (holder < 0)
		error_errno(err, errno, "starting a process");
	else if (TEMP_FAILURE_RETRY(read(said[0], &number, 1)) != 1 || number)
		refused(number, err);
	else
		userns = namespace_map(holder, base, err);
	close(said[0]);
	close(awaited[1]);
	if (holder > 0)
		TEMP_FAILURE_RETRY(waitpid(holder, NULL, 0));
	return userns;
}

int namespace_enter(int pidfd, struct error *err)
{
	int all = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC |
		  CLONE_NEWUTS | CLONE_NEWCGROUP;
	if (setns(pidfd, all) < 0)
		return error_errno(err, errno, "entering the VE's namespaces");
	if (namespace_become_root() < 0)
		return error_errno(err, errno, "becoming root of the VE");
	return 0;
}

int namespace_become_root(void)
{
	return setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0 ? -1 : 0;
}

int namespace_take_file_ids(unsigned base)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
		return -1;
	setfsgid(base);
	setfsuid(base);
	/* It has no other way to say that it failed. */
	return (unsigned)setfsuid((uid_t)-1) == base ? 0 : (errno = EPERM, -1);
}

int namespace_loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return -1;
	request.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &request);
}
