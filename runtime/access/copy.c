#include "runtime/access/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/access/copy_stream.h"
#include "runtime/access/session.h"

enum { GRACE_MS = 5000 };

int copy_operand_parse(const char *word, struct copy_operand *ret, struct error *err)
{
	size_t length = strcspn(word, ":/");
	*ret = (struct copy_operand){ .path = word };
	if (word[length] != ':' || length == 0)
		return *word ? 0 : error_set(err, ERROR_USAGE, "an empty path");
	ret->path = word + length + 1;
	if (*ret->path != '/') {
		error_set(err, ERROR_USAGE, "\"%s\": a path in a VE begins with \"/\"", word);
		return error_hint(err, "a file of the host whose name has a \":\" is \"./%s\"",
				  word);
	}
	ret->ve = xstrndup(word, length);
	return 0;
}

void copy_operand_release(struct copy_operand *operand)
{
	free(operand->ve);
	operand->ve = NULL;
}

void ve_copied_release(struct ve_copied *copied)
{
	free(copied->first_left_out);
	*copied = VE_COPIED_INIT;
}

/* ---- inside -------------------------------------------------------------------------------------------- */

struct inside {
	const struct ve_copy *copy;
	int pipe;
};

static int run_inside(void *data, int *failure, struct error *err)
{
	const struct inside *inside = data;
	const struct ve_copy *copy = inside->copy;
	struct ve_copied copied = VE_COPIED_INIT;
	/* A link to /proc/self/fd leads to nothing of the host, also if it were followed. */
	if (session_settle(&inside->pipe, 1, failure) < 0)
		return error_errno(err, errno, "preparing a process in the VE");
	umask(022);
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || fchdir(root) < 0)
		return error_errno(err, errno, "opening the VE's root");
	int result = copy->outward ? copy_send(0, root, copy->sources, copy->folders, &copied, err)
				   : copy_receive(0, root, copy->target, copy->sources->count > 1,
						  false, &copied, err);
	ve_copied_release(&copied);
	return result < 0 ? error_wrap(err, "in the VE") : 0;
}

/* ---- outside ---------------------------------------------------------------------------------------------- */

static int run_outside(const struct ve_copy *copy, int pipe, struct ve_copied *ret,
		       struct error *err)
{
	if (copy->outward)
		return copy_receive(pipe, -1, copy->target, copy->sources->count > 1, true, ret,
				    err);
	return copy_send(pipe, -1, copy->sources, copy->folders, ret, err);
}

/* Its end of the pipe is closed: it takes away what is not complete, and ends. */
static void let_end(const struct session *session)
{
	struct pollfd polled = { .fd = session->pidfd, .events = POLLIN };
	poll(&polled, 1, GRACE_MS);
}

/* Why it failed: if one side only knows that the other is gone, that one knows more. */
static int judge(struct session *session, int outside, struct error *own, struct error *err)
{
	AUTO(error_clear) struct error other = ERROR_INIT;
	int status = 0, inside = 0;
	if (outside < 0 && own->kind != ERROR_CHILD) {
		let_end(session);
		error_move(err, own);
		return -1;
	}
	inside = session_begun(session, &other);
	if (inside == 0 && outside == 0)
		inside = session_wait(session, &status, &other);
	if (inside == 0 && status == 0 && outside == 0)
		return 0;
	if (inside < 0)
		error_move(err, &other);
	else if (outside < 0)
		error_move(err, own);
	else
		error_set(err, ERROR_CHILD, "the process in the VE was killed");
	return -1;
}

int ve_copy(const struct running *running, const struct ve_copy *copy, struct ve_copied *ret,
	    struct error *err)
{
	AUTO(session_release) struct session session = SESSION_INIT;
	AUTO(error_clear) struct error own = ERROR_INIT;
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "creating a pipe");
	int its = copy->outward ? ends[1] : ends[0], ours = copy->outward ? ends[0] : ends[1];
	struct inside inside = { copy, its };
	int started = session_begin(running, run_inside, &inside, &session, err);
	close(its);
	/* copy_put() and copy_get() wait by poll(2), also for the rest of a large piece. */
	if (started == 0)
		fcntl(ours, F_SETFL, O_NONBLOCK);
	int outside = started < 0 ? -1 : run_outside(copy, ours, ret, &own);
	close(ours);
	return started < 0 ? -1 : judge(&session, outside, &own, err);
}
