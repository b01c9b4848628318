#include "runtime/notify.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/namespace.h"

/* null zero full random urandom tty console ptmx */
static const struct {
	unsigned major, minor;
} allowed[] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 1 }, { 5, 2 } };

struct request {
	pid_t pid;
	int dirfd;
	uint64_t path; /* address in its memory */
	mode_t mode;
	dev_t device;
};

/* mknod(path, mode, device) and mknodat(dirfd, path, mode, device), of any architecture. */
static bool decode(const struct seccomp_notif *notif, struct request *request)
{
	autofree char *name = seccomp_syscall_resolve_num_arch(notif->data.arch, notif->data.nr);
	const __u64 *args = notif->data.args;
	*request = (struct request){ .pid = (pid_t)notif->pid, .dirfd = AT_FDCWD };
	if (!name || (strcmp(name, "mknod") && strcmp(name, "mknodat")))
		return false;
	if (!strcmp(name, "mknodat"))
		request->dirfd = (int)*args++;
	request->path = args[0];
	request->mode = (mode_t)args[1];
	/* The kernel's own coding of 32 bits: include/linux/kdev_t.h, new_decode_dev(). */
	unsigned number = (unsigned)args[2];
	request->device =
		makedev((number & 0xfff00) >> 8, (number & 0xff) | (number >> 12 & 0xfff00));
	return true;
}

static bool is_allowed(const struct request *request)
{
	if (!S_ISCHR(request->mode))
		return false;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		if (request->device == makedev(allowed[i].major, allowed[i].minor))
			return true;
	return false;
}

/* What proc(5) says of the caller that matters to the kernel in such a call. */
struct caller {
	unsigned fsuid, umask;
	unsigned long long capabilities;
};

static bool read_caller(pid_t pid, struct caller *caller)
{
	autofree char *path = xasprintf("/proc/%d/status", pid);
	autofclose FILE *file = fopen(path, "re");
	autofree char *line = NULL;
	size_t size = 0;
	unsigned found = 0;
	while (file && getline(&line, &size, file) > 0)
		found += sscanf(line, "Umask: %o", &caller->umask) == 1 ||
			 sscanf(line, "Uid: %*u %*u %*u %u", &caller->fsuid) == 1 ||
			 sscanf(line, "CapEff: %llx", &caller->capabilities) == 1;
	return found == 3;
}

static char *read_path(const struct request *request)
{
	autofree char *name = xasprintf("/proc/%d/mem", request->pid);
	autoclose int fd = open(name, O_RDONLY | O_CLOEXEC);
	char text[PATH_MAX];
	/* The string may end just before memory that is not there. */
	ssize_t got = fd < 0 ? -1 : pread(fd, text, sizeof(text), (off_t)request->path);
	return got > 0 && memchr(text, 0, (size_t)got) ? xstrdup(text) : NULL;
}

/* Relative to the VE's root. What a folder's descriptor is called is said in the VE's own terms, as no
 * part of it can be seen from here. */
static char *make_absolute(const struct request *request, const char *path)
{
	if (*path == '/')
		return xstrdup(path);
	autofree char *link = request->dirfd == AT_FDCWD
				      ? xasprintf("/proc/%d/cwd", request->pid)
				      : xasprintf("/proc/%d/fd/%d", request->pid, request->dirfd);
	char folder[PATH_MAX];
	ssize_t length = readlink(link, folder, sizeof(folder) - 1);
	if (length <= 0 || *folder != '/')
		return NULL;
	folder[length] = 0;
	return xasprintf("%s/%s", folder, path);
}

/* The folder that it goes into, reached without ever leaving the VE's root; cuts it off the path. */
static int open_folder(const struct request *request, char *path)
{
	autofree char *name = xasprintf("/proc/%d/root", request->pid);
	autoclose int root = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *slash = strrchr(path, '/');
	*slash = 0;
	return root < 0 ? -1
			: open_in_root(root, *path ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC,
				       0);
}

/* In a child. Returns an errno. */
static int make(const struct ve *ve, const struct request *request, int listener, uint64_t id)
{
	struct caller caller;
	if (!read_caller(request->pid, &caller))
		return ESRCH;
	if (caller.fsuid != ve->ids.base || !(caller.capabilities >> CAP_MKNOD & 1))
		return EPERM;
	autofree char *path = read_path(request);
	autofree char *absolute = path && *path ? make_absolute(request, path) : NULL;
	if (!absolute)
		return path && !*path ? ENOENT : EFAULT;
	autoclose int folder = open_folder(request, absolute);
	if (folder < 0)
		return errno;
	/* Only now is it sure that all this was about the caller and not a later process of its id. */
	if (seccomp_notify_id_valid(listener, id) != 0)
		return ESRCH;
	/* As the VE's root, whose ids the mounts there map, but with the host's right to make nodes. */
	if (namespace_take_file_ids(ve->ids.base) < 0)
		return EPERM;
	umask(0);
	mode_t mode = request->mode & ~(mode_t)caller.umask;
	return mknodat(folder, absolute + strlen(absolute) + 1, mode, request->device) < 0 ? errno
											   : 0;
}

/* In a child because the change of identity would take more of ours along than it gives back. */
static int make_apart(const struct ve *ve, const struct request *request, int listener, uint64_t id)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(make(ve, request, listener, id));
	if (child < 0 || TEMP_FAILURE_RETRY(waitpid(child, &status, 0)) < 0)
		return EAGAIN;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

void notify_answer(const struct ve *ve, int listener)
{
	struct seccomp_notif *notif = NULL;
	struct seccomp_notif_resp *response = NULL;
	struct request request;
	if (seccomp_notify_alloc(&notif, &response) == 0 &&
	    seccomp_notify_receive(listener, notif) == 0) {
		int number = EPERM;
		if (decode(notif, &request) && is_allowed(&request))
			number = make_apart(ve, &request, listener, notif->id);
		response->id = notif->id;
		response->error = -number;
		/* It fails if the caller is dead by now, and then there is nobody to be told. */
		seccomp_notify_respond(listener, response);
	}
	seccomp_notify_free(notif, response);
}
