#include "vzpkg/metadata/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"

enum {
	NOBODY = 65534,
	OUTPUT_FD = 3, /* in the child; the files follow */
	MESSAGE_MAX = 1000, /* bytes */
	POLL_MS = 200,
};

/* What the child says last: a byte that no output has, then how it went. */
enum { END = 4, FAILED = 5 };

/* ---- in the child ------------------------------------------------------------------------------------------------ */

/* Our descriptors are none of its business. Those that it needs get the numbers from OUTPUT_FD on, by way of higher ones. */
static int keep_descriptors(const struct jail *jail, int output, int *files)
{
	int count = (int)jail->count, above = OUTPUT_FD + count + 1;

	for (int i = 0; i <= count; i++) {
		int fd = i ? jail->files[i - 1].fd : output;
		files[i] = fcntl(fd, F_DUPFD_CLOEXEC, above);
		if (files[i] < 0)
			return -1;
	}
	for (int i = 0; i <= count; i++)
		if (dup3(files[i], OUTPUT_FD + i, O_CLOEXEC) < 0)
			return -1;
	return close_range((unsigned)above, ~0U, 0);
}

/* A file system in memory that is in no folder of ours becomes the root. */
static int change_root(uint64_t size, struct error *err)
{
	char text[32];
	autoclose int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

	snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", text, 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "64", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_errno(err, errno, "making a file system in memory");
	autoclose int root = fsmount(context, FSMOUNT_CLOEXEC,
				     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	if (root < 0 || fchdir(root) < 0 || chroot(".") < 0 || chown("/", NOBODY, NOBODY) < 0)
		return error_errno(err, errno, "entering a file system in memory");
	return 0;
}

static int copy_files(const struct jail *jail, struct error *err)
{
	for (size_t i = 0; i < jail->count; i++) {
		const char *name = jail->files[i].name;
		autoclose int to =
			open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (to < 0 || fchown(to, NOBODY, NOBODY) < 0)
			return error_errno(err, errno, "making a copy of %s", name);
		if (file_copy_fd(OUTPUT_FD + 1 + (int)i, to, name, err) < 0)
			return -1;
		close(OUTPUT_FD + 1 + (int)i);
	}
	return 0;
}

static uint64_t memory_in_use(void)
{
	unsigned long pages = 0;
	autofclose FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%lu", &pages) != 1)
		return 0;
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int limit(int resource, uint64_t value)
{
	return setrlimit(resource, &(struct rlimit){ value, value });
}

static int drop_rights(const struct jail *jail, uint64_t memory, struct error *err)
{
	if (limit(RLIMIT_AS, memory + jail->memory_max) < 0 ||
	    limit(RLIMIT_CPU, jail->limit_s) < 0 || limit(RLIMIT_FSIZE, jail->files_max) < 0 ||
	    limit(RLIMIT_NPROC, 0) < 0 || limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_NOFILE, 64) < 0)
		return error_errno(err, errno, "setting limits");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return error_errno(err, errno, "giving up rights");
	return 0;
}

static int child_steps(const struct jail *jail, struct error *err)
{
	uint64_t memory = memory_in_use();

	if (jail->prepare && jail->prepare(jail->data, err) < 0)
		return -1;
	if (change_root(jail->files_max, err) < 0 || copy_files(jail, err) < 0 ||
	    drop_rights(jail, memory, err) < 0)
		return -1;
	return jail->run(OUTPUT_FD, jail->data, err);
}

static void child(const struct jail *jail, int output)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree int *files = xcalloc(jail->count + 1, sizeof(*files));
	autofree char *end = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	interrupt_reset_child();
	if (keep_descriptors(jail, output, files) < 0)
		_exit(1);
	int status = child_steps(jail, &err);
	end = status == 0 ? xasprintf("%c", END)
			  : xasprintf("%c%.*s", FAILED, MESSAGE_MAX, err.message ?: "it failed");
	write_all(OUTPUT_FD, end, strlen(end), "pipe", NULL);
	_exit(0);
}

/* ---- in the parent ----------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int take_output(const struct jail *jail, int fd, struct strbuf *output, struct error *err)
{
	int64_t end = now_ms() + (int64_t)jail->limit_s * 1000;
	size_t before = output->length;

	for (;;) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		int ready = poll(&poll_fd, 1, POLL_MS);
		if (interrupt_check(err) < 0)
			return -1;
		if (now_ms() > end)
			return error_set(err, ERROR_CHILD, "reading it takes too long");
		if (ready <= 0)
			continue;
		strbuf_reserve(output, 1 << 16);
		ssize_t got = read(fd, output->text + output->length, 1 << 16);
		if (got < 0 && errno != EINTR)
			return error_errno(err, errno, "reading a pipe");
		if (got == 0)
			return 0;
		output->length += got > 0 ? (size_t)got : 0;
		output->text[output->length] = '\0';
		if (output->length - before > jail->output_max)
			return error_set(err, ERROR_CHILD, "there is too much in it");
	}
}

static int judge(struct strbuf *output, size_t before, struct error *err)
{
	char *failed = memchr(output->text + before, FAILED, output->length - before);

	if (output->length > before && output->text[output->length - 1] == END) {
		strbuf_truncate(output, output->length - 1);
		return 0;
	}
	if (!failed)
		return error_set(err, ERROR_CHILD, "reading it fails, or takes too much");
	for (char *at = failed + 1; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return error_set(err, ERROR_CHILD, "%s", failed + 1);
}

int jail_run(const struct jail *jail, struct strbuf *output, struct error *err)
{
	const unsigned long flags = CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
	size_t before = output->length;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "making a pipe");
	/* As fork(2), in namespaces of its own. */
	pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		child(jail, fds[1]);
	int saved = errno;
	close(fds[1]);
	autoclose int from = fds[0];
	if (pid < 0)
		return error_errno(err, saved, "starting a process");
	int ret = take_output(jail, from, output, err);
	if (ret < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return ret < 0 ? -1 : judge(output, before, err);
}
