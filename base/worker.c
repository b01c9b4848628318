#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"

/*
 * What a child writes to its pipe as a task ends: a header, then on success the result, on failure the three
 * texts of the error, each ended by NUL (subject and hint may be empty). A failure is the last message.
 */
struct message_header {
	int32_t status; /* 0, or -1 */
	int32_t kind; /* enum error_kind */
	uint64_t size; /* of what follows */
};

enum { READ_SIZE = 65536, SIGNAL_WAIT_MS = 50, ASK_AGAIN_MS = 100 };

struct slot {
	pid_t pid; /* 0: free */
	int fd;
	size_t first, count, ended; /* tasks */
	struct strbuf received;
	size_t taken; /* bytes of that */
};

struct workers {
	struct worker_job job;
	unsigned jobs; /* slots; at least 1, at most a task each */
	struct slot *slots;
	struct pollfd *polls; /* of the slots in use, and one for interrupts */
	size_t next; /* task to be started */
	uint64_t weight; /* of all that are to be started */
	size_t running;
};

static void put_text(struct strbuf *text, const char *part)
{
	strbuf_add(text, part ?: "", strlen(part ?: "") + 1);
}

static void child_report(int fd, int status, const struct strbuf *result, const struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct message_header header = { .status = status, .kind = (int32_t)err->kind };

	if (status < 0) {
		put_text(&text, err->subject);
		put_text(&text, err->message);
		put_text(&text, err->hint);
	} else {
		strbuf_add(&text, result->text, result->length);
	}
	header.size = text.length;
	if (write_all(fd, &header, sizeof(header), "pipe", NULL) < 0 ||
	    write_all(fd, text.text, text.length, "pipe", NULL) < 0)
		_exit(2);
}

/* The child must not outlive its parent; that may have ended before prctl() took effect. */
static void child_run(const struct worker_job *job, const struct slot *slot, pid_t parent)
{
	struct strbuf result = STRBUF_INIT;
	struct error err = ERROR_INIT;
	int status = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(2);
	interrupt_reset_child();
	/* A terminal's signals are for the parent's group. */
	if (job->finish_started)
		setpgid(0, 0);
	for (size_t i = 0; status == 0 && i < slot->count; i++) {
		strbuf_truncate(&result, 0);
		status = job->task(slot->first + i, job->data, &result, &err);
		child_report(slot->fd, status, &result, &err);
	}
	_exit(0);
}

static uint64_t weight_of(const struct worker_job *job, size_t index)
{
	return job->weight ? job->weight(index, job->data) : 1;
}

/* The share becomes smaller with what is left, so that no child is alone with much at the end. */
static size_t take_tasks(struct workers *pool)
{
	const struct worker_job *job = &pool->job;
	uint64_t share = job->batches ? pool->weight / (2 * pool->jobs) : 0;
	uint64_t weight = weight_of(job, pool->next);
	size_t count = 1;

	for (; job->batches && pool->next + count < job->count; count++) {
		uint64_t more = weight_of(job, pool->next + count);
		if (weight + more > share)
			break;
		weight += more;
	}
	pool->next += count;
	pool->weight -= weight;
	return count;
}

static int start(struct workers *pool, struct slot *slot, struct error *err)
{
	int fds[2];
	pid_t parent = getpid();

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s: making a pipe", pool->job.name);
	slot->first = pool->next;
	slot->count = take_tasks(pool);
	slot->ended = slot->taken = 0;
	pid_t pid = fork();
	if (pid < 0) {
		int saved = errno;
		close(fds[0]);
		close(fds[1]);
		return error_errno(err, saved, "%s: starting a process", pool->job.name);
	}
	if (pid == 0) {
		close(fds[0]);
		slot->fd = fds[1];
		child_run(&pool->job, slot, parent);
	}
	close(fds[1]);
	slot->pid = pid;
	slot->fd = fds[0];
	pool->running++;
	if (pool->job.started)
		pool->job.started(slot->first, pool->job.data);
	return 0;
}

static int reap(struct slot *slot)
{
	int status = 0;
	while (waitpid(slot->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(slot->fd);
	slot->pid = 0;
	return status;
}

/* The texts of a failure, as child_report() wrote them; the NUL behind `text` ends what a child that
 * has gone mad may have left out. */
static int take_error(const struct message_header *header, const char *text, struct error *err)
{
	const char *end = text + header->size;
	const char *subject = text;
	const char *message = subject + strlen(subject) + (subject < end);
	message = message < end ? message : end;
	const char *hint = message + strlen(message) + 1;
	hint = hint < end ? hint : end;

	bool known = header->kind > ERROR_NONE && header->kind < ERROR_KINDS;
	error_set(err, known ? (enum error_kind)header->kind : ERROR_INTERNAL, "%s",
		  *message ? message : "failed");
	if (*subject)
		error_subject(err, "%s", subject);
	if (*hint)
		error_hint(err, "%s", hint);
	return -1;
}

/* A terminal sends SIGINT to all of us; the child's end may be seen before our own signal. */
static bool is_interrupt(int number)
{
	struct pollfd signalled = { .fd = interrupt_fd(), .events = POLLIN };
	if (number == SIGINT || number == SIGTERM || number == SIGHUP)
		poll(&signalled, 1, SIGNAL_WAIT_MS);
	return interrupt_pending() != 0;
}

static int ended_badly(const struct workers *pool, size_t index, int status, struct error *err)
{
	if (WIFSIGNALED(status) && is_interrupt(WTERMSIG(status)))
		return interrupt_check(err);
	if (WIFSIGNALED(status))
		return error_set(err, ERROR_CHILD, "%s (task %zu): the process died by SIG%s",
				 pool->job.name, index, sigabbrev_np(WTERMSIG(status)) ?: "?");
	return error_set(err, ERROR_CHILD, "%s (task %zu): the process ended without a result",
			 pool->job.name, index);
}

/* The content of the next message, if it is there as a whole; behind the last one nothing may follow. */
static const char *next_message(const struct slot *slot, struct message_header *header)
{
	size_t left = slot->received.length - slot->taken;
	bool last = slot->ended + 1 == slot->count;

	if (left < sizeof(*header))
		return NULL;
	memcpy(header, slot->received.text + slot->taken, sizeof(*header));
	left -= sizeof(*header);
	if (left < header->size || (last && left > header->size))
		return NULL;
	return slot->received.text + slot->taken + sizeof(*header);
}

static int take_result(const struct workers *pool, struct slot *slot, const char *content,
		       uint64_t size, struct error *err)
{
	const struct worker_job *job = &pool->job;
	size_t index = slot->first + slot->ended++;

	slot->taken += sizeof(struct message_header) + size;
	return job->done ? job->done(index, job->data, content, size, err) : 0;
}

/* All but the last one, and a failure: what the child says of those counts when it has ended. */
static int take_early(const struct workers *pool, struct slot *slot, struct error *err)
{
	struct message_header header;
	const char *content;

	while (slot->ended + 1 < slot->count && (content = next_message(slot, &header)) &&
	       header.status == 0)
		if (take_result(pool, slot, content, header.size, err) < 0)
			return -1;
	return 0;
}

/* The next result of a child that has ended, or its failure. */
static const char *understand(const struct workers *pool, const struct slot *slot, int status,
			      struct message_header *header, struct error *why)
{
	const char *content = status == 0 ? next_message(slot, header) : NULL;

	if (content && header->status == 0)
		return content;
	if (content)
		take_error(header, content, why);
	else
		ended_badly(pool, slot->first + slot->ended, status, why);
	return NULL;
}

/* The child has closed its pipe. */
static int finish(struct workers *pool, struct slot *slot, struct error *err)
{
	const struct worker_job *job = &pool->job;
	AUTO(error_clear) struct error why = ERROR_INIT;
	int status = reap(slot), ret = 0;

	pool->running--;
	while (ret == 0 && slot->ended < slot->count) {
		struct message_header header;
		const char *content = understand(pool, slot, status, &header, &why);
		if (!content)
			break;
		ret = take_result(pool, slot, content, header.size, err);
	}
	strbuf_release(&slot->received);
	slot->received = STRBUF_INIT;
	if (why.kind == ERROR_NONE)
		return ret;
	if (job->failed)
		return job->failed(slot->first + slot->ended, job->data, &why, err);
	error_move(err, &why);
	return -1;
}

static int receive(struct workers *pool, struct slot *slot, struct error *err)
{
	strbuf_reserve(&slot->received, READ_SIZE);
	ssize_t got = read(slot->fd, slot->received.text + slot->received.length, READ_SIZE);
	if (got < 0 && errno == EINTR)
		return 0;
	if (got <= 0)
		return finish(pool, slot, err);
	slot->received.length += (size_t)got;
	slot->received.text[slot->received.length] = '\0';
	return take_early(pool, slot, err);
}

static bool may_start(const struct workers *pool)
{
	const struct worker_job *job = &pool->job;

	if (pool->next >= job->count || interrupt_pending())
		return false;
	return pool->running < (job->allowed ? job->allowed(job->data) : pool->jobs);
}

static int fill_slots(struct workers *pool, struct error *err)
{
	for (unsigned i = 0; i < pool->jobs && may_start(pool); i++)
		if (!pool->slots[i].pid && start(pool, &pool->slots[i], err) < 0)
			return -1;
	return 0;
}

static int check_signals(const struct workers *pool, struct error *err)
{
	if (pool->job.finish_started && interrupt_count() < 2)
		return 0;
	return interrupt_check(err);
}

static int wait_some(struct workers *pool, struct error *err)
{
	unsigned jobs = pool->jobs;
	for (unsigned i = 0; i < jobs; i++)
		pool->polls[i] = (struct pollfd){
			.fd = pool->slots[i].pid ? pool->slots[i].fd : -1,
			.events = POLLIN,
		};
	/* Of the first signal one is told once. */
	bool heard = pool->job.finish_started && interrupt_pending();
	pool->polls[jobs] = (struct pollfd){ .fd = heard ? -1 : interrupt_fd(), .events = POLLIN };
	bool again = pool->job.allowed || pool->job.waiting || heard;
	if (poll(pool->polls, jobs + 1, again ? ASK_AGAIN_MS : -1) < 0 && errno != EINTR)
		return error_errno(err, errno, "%s: waiting", pool->job.name);
	if (pool->job.waiting)
		pool->job.waiting(pool->job.data);
	if (check_signals(pool, err) < 0)
		return -1;
	for (unsigned i = 0; i < jobs; i++)
		if (pool->slots[i].pid && pool->polls[i].revents &&
		    receive(pool, &pool->slots[i], err) < 0)
			return -1;
	return 0;
}

static struct workers *workers_new(const struct worker_job *job)
{
	unsigned jobs = job->jobs > job->count ? (unsigned)job->count : job->jobs;
	struct workers *workers = xcalloc(1, sizeof(*workers));

	workers->job = *job;
	workers->jobs = jobs ? jobs : 1;
	workers->slots = xcalloc(workers->jobs, sizeof(*workers->slots));
	workers->polls = xcalloc(workers->jobs + 1, sizeof(*workers->polls));
	for (unsigned i = 0; i < workers->jobs; i++)
		workers->slots[i] = (struct slot){ .fd = -1, .received = STRBUF_INIT };
	for (size_t i = 0; i < job->count; i++)
		workers->weight += weight_of(job, i);
	return workers;
}

void workers_stop(struct workers **workers)
{
	struct workers *pool = steal_ptr(*workers);

	if (!pool)
		return;
	for (unsigned i = 0; i < pool->jobs; i++)
		if (pool->slots[i].pid)
			kill(pool->slots[i].pid, SIGKILL);
	for (unsigned i = 0; i < pool->jobs; i++) {
		if (pool->slots[i].pid)
			reap(&pool->slots[i]);
		strbuf_release(&pool->slots[i].received);
	}
	free(pool->slots);
	free(pool->polls);
	free(pool);
}

int workers_begin(const struct worker_job *job, struct workers **ret, struct error *err)
{
	*ret = workers_new(job);
	if (fill_slots(*ret, err) == 0)
		return 0;
	workers_stop(ret);
	return -1;
}

int workers_end(struct workers **workers, struct error *err)
{
	struct workers *pool = *workers;
	int ret = 0;

	if (!pool)
		return 0;
	while ((ret = fill_slots(pool, err)) == 0 && pool->running)
		if ((ret = wait_some(pool, err)) < 0)
			break;
	bool left = pool->next < pool->job.count;
	workers_stop(workers);
	return ret == 0 && left ? interrupt_check(err) : ret;
}

int workers_run(const struct worker_job *job, struct error *err)
{
	struct workers *workers = NULL;

	return workers_begin(job, &workers, err) < 0 ? -1 : workers_end(&workers, err);
}
