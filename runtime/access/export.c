#include "runtime/access/export.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "image/pack.h"
#include "runtime/namespace.h"
#include "runtime/wire.h"

enum { LOOK_EVERY_MS = 200, FAILURE_MAX = 1 << 16 };

/* ---- the file -------------------------------------------------------------------------------------------- */

/* Beside the target, and without a name where the file system can do that, so that no end of ours leaves anything. */
struct draft {
	int dir, fd;
	char *name; /* of the target in `dir` */
	char *temporary;
	bool named;
};

#define DRAFT_INIT ((struct draft){ .dir = -1, .fd = -1 })

static void draft_release(struct draft *draft)
{
	if (draft->named)
		unlinkat(draft->dir, draft->temporary, 0);
	cleanup_close(&draft->fd);
	cleanup_close(&draft->dir);
	free(draft->name);
	free(draft->temporary);
}

static int open_parent(const char *target, struct draft *draft, struct error *err)
{
	const char *slash = strrchr(target, '/');
	autofree char *parent =
		slash ? xstrndup(target, (size_t)(slash - target) + 1) : xstrdup(".");
	struct stat st;
	draft->name = xstrdup(slash ? slash + 1 : target);
	draft->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (draft->dir < 0)
		return error_errno(err, errno, "opening the folder %s", parent);
	if (!*draft->name ||
	    (fstatat(draft->dir, draft->name, &st, 0) == 0 && !S_ISREG(st.st_mode)))
		return error_set(err, ERROR_USAGE, "%s cannot be written: it is no file", target);
	return 0;
}

static int draft_open(const char *target, struct draft *draft, struct error *err)
{
	if (open_parent(target, draft, err) < 0)
		return -1;
	draft->temporary = xasprintf(".%.200s.vzctl-%d", draft->name, (int)getpid());
	draft->fd = openat(draft->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (draft->fd >= 0)
		return 0;
	/* Whatever is there is of a process of our number that is gone. */
	unlinkat(draft->dir, draft->temporary, 0);
	draft->fd = openat(draft->dir, draft->temporary,
			   O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	draft->named = draft->fd >= 0;
	return draft->named ? 0 : error_errno(err, errno, "creating a file beside %s", target);
}

static int draft_publish(struct draft *draft, const char *target, struct error *err)
{
	if (!draft->named) {
		autofree char *path = xasprintf("/proc/self/fd/%d", draft->fd);
		unlinkat(draft->dir, draft->temporary, 0);
		if (linkat(AT_FDCWD, path, draft->dir, draft->temporary, AT_SYMLINK_FOLLOW) < 0)
			return error_errno(err, errno, "naming %s", target);
		draft->named = true;
	}
	if (renameat(draft->dir, draft->temporary, draft->dir, draft->name) < 0)
		return error_errno(err, errno, "replacing %s", target);
	draft->named = false;
	if (fsync(draft->dir) < 0)
		return error_errno(err, errno, "writing the folder of %s", target);
	return 0;
}

/* ---- in a process of its own ------------------------------------------------------------------------------ */

/*
 * In the user namespace of the VE, so that the owners are those in it. It stays in the host's mount namespace, where
 * the VE sees nothing of it: it looks at nothing but the tree, by descriptor, and at the host's /proc.
 */
static int pack(const struct ve_export *export, int fd, struct ve_exported *ret, struct error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	const struct image_pack job = {
		.tree = export->tree,
		.epoch = INT64_MAX,
		.threads = export->threads ?: (cpus > 0 ? (unsigned)cpus : 1),
		.live = export->live,
	};
	struct image_packed packed;
	if (export->ids >= 0 &&
	    (setns(export->ids, CLONE_NEWUSER) < 0 || namespace_become_root() < 0))
		return error_errno(err, errno, "entering the VE's user namespace");
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of ids takes it away */
	prctl(PR_SET_DUMPABLE, 0);
	if (image_pack(&job, fd, export->target, &packed, err) < 0)
		return -1;
	*ret = (struct ve_exported){
		.bytes = packed.gzip_bytes,
		.entries = packed.entries,
		.changed = packed.changed,
		.nodes_dropped = packed.nodes_dropped,
	};
	image_packed_release(&packed);
	return 0;
}

static int run_packer(const struct ve_export *export, int fd, int results)
{
	struct error err = ERROR_INIT;
	struct ve_exported exported;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	interrupt_reset_child();
	if (pack(export, fd, &exported, &err) == 0)
		return write_all(results, &exported, sizeof(exported), "a pipe", NULL) < 0;
	wire_pack_error(&text, &err);
	write_all(results, text.text, text.length, "a pipe", NULL);
	return 1;
}

/* ---- the whole ----------------------------------------------------------------------------------------------- */

static int watch(const struct ve_export *export, int pidfd, int fd, struct error *err)
{
	struct stat st;
	struct pollfd polled[] = { { .fd = pidfd, .events = POLLIN },
				   { .fd = interrupt_fd(), .events = POLLIN } };
	report_phase(export->report, "exporting", REPORT_BYTES, 0, 100);
	for (;;) {
		if (interrupt_check(err) < 0)
			return -1;
		if (poll(polled, 2, LOOK_EVERY_MS) > 0 && polled[0].revents)
			break;
		if (fstat(fd, &st) == 0)
			report_progress(export->report, (uint64_t)st.st_size, NULL);
	}
	report_phase_end(export->report);
	return 0;
}

static int read_results(int results, bool success, struct ve_exported *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read_fd(results, "a pipe", FAILURE_MAX, &text, err) < 0)
		return -1;
	if (!success)
		return wire_unpack_error(text.text, text.length, err);
	if (text.length != sizeof(*ret))
		return error_set(err, ERROR_INTERNAL, "packing the VE had no result");
	memcpy(ret, text.text, sizeof(*ret));
	return 0;
}

static int await_packer(const struct ve_export *export, pid_t child, int fd, int results,
			struct ve_exported *ret, struct error *err)
{
	int status = 0;
	autoclose int pidfd = pidfd_open(child, 0);
	int result = pidfd < 0 ? error_errno(err, errno, "opening process %d", (int)child)
			       : watch(export, pidfd, fd, err);
	if (result < 0)
		kill(child, SIGKILL);
	TEMP_FAILURE_RETRY(waitpid(child, &status, 0));
	if (result < 0)
		return -1;
	if (WIFSIGNALED(status))
		return error_set(err, ERROR_CHILD, "the process that packs the VE was killed: %s",
				 strsignal(WTERMSIG(status)));
	return read_results(results, WEXITSTATUS(status) == 0, ret, err);
}

static int run(const struct ve_export *export, int fd, struct ve_exported *ret, struct error *err)
{
	int results[2];
	if (pipe2(results, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	pid_t child = fork();
	if (child == 0)
		_exit(run_packer(export, fd, results[1]));
	int number = errno;
	close(results[1]);
	int result = child < 0 ? error_errno(err, number, "starting a process")
			       : await_packer(export, child, fd, results[0], ret, err);
	close(results[0]);
	return result;
}

int ve_export(const struct ve_export *export, struct ve_exported *ret, struct error *err)
{
	AUTO(draft_release) struct draft draft = DRAFT_INIT;
	if (draft_open(export->target, &draft, err) < 0 || run(export, draft.fd, ret, err) < 0)
		return -1;
	return draft_publish(&draft, export->target, err);
}
