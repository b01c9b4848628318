#include "vzpkg/metadata/decompress.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/interrupt.h"

enum { CHILD_OK, CHILD_DAMAGED, CHILD_TOO_LONG, CHILD_NO_READER };

/* ARCHIVE_OK; ARCHIVE_EOF: there is nothing in it; or it is damaged. */
static int open_raw(struct archive *archive, int fd)
{
	struct archive_entry *entry;

	archive_read_support_filter_xz(archive);
	archive_read_support_filter_gzip(archive);
	archive_read_support_filter_zstd(archive);
	archive_read_support_filter_bzip2(archive);
	archive_read_support_format_raw(archive);
	archive_read_support_format_empty(archive);
	if (archive_read_open_fd(archive, fd, 1 << 16) != ARCHIVE_OK)
		return ARCHIVE_FATAL;
	return archive_read_next_header(archive, &entry);
}

static int child(int from, int to, uint64_t limit)
{
	struct archive *archive = archive_read_new();
	uint64_t total = 0;
	const void *block;
	la_int64_t offset;
	size_t size;
	int status = open_raw(archive, from);

	/* libarchive has no data of a file without any. */
	while (status == ARCHIVE_OK &&
	       (status = archive_read_data_block(archive, &block, &size, &offset)) == ARCHIVE_OK) {
		total += size;
		if (total > limit)
			return CHILD_TOO_LONG;
		if (write_all(to, block, size, "pipe", NULL) < 0)
			return CHILD_NO_READER;
	}
	return status == ARCHIVE_EOF ? CHILD_OK : CHILD_DAMAGED;
}

int decompressor_start(struct decompressor *decompressor, int fd, uint64_t limit, struct error *err)
{
	int fds[2];
	pid_t parent = getpid();

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "making a pipe");
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* fewer switches between the two */
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		interrupt_reset_child();
		close(fds[0]);
		_exit(getppid() == parent ? child(fd, fds[1], limit) : CHILD_NO_READER);
	}
	int saved = errno;
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return error_errno(err, saved, "starting a process");
	}
	decompressor->pid = pid;
	decompressor->fd = fds[0];
	return 0;
}

int decompressor_finish(struct decompressor *decompressor, const char *name, struct error *err)
{
	int status = -1;

	while (waitpid(decompressor->pid, &status, 0) < 0 && errno == EINTR)
		;
	decompressor->pid = 0;
	decompressor_stop(decompressor);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_TOO_LONG)
		error_set(err, ERROR_FETCH, "%s: it is longer than it may be", name);
	else
		error_set(err, ERROR_FETCH, "%s: the compressed file is damaged", name);
	error_subject(err, "%s", name);
	return error_hint(err, "the repository is broken; use another mirror, or tell its owner");
}

void decompressor_stop(struct decompressor *decompressor)
{
	if (decompressor->pid > 0) {
		kill(decompressor->pid, SIGKILL);
		while (waitpid(decompressor->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (decompressor->fd >= 0)
		close(decompressor->fd);
	*decompressor = DECOMPRESSOR_INIT;
}
