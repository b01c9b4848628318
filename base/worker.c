#include "base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/worker_child.h"

enum {
	READ_SIZE = 65536,
	SIGNAL_WAIT_MS = 50,
	ASK_AGAIN_MS = 100,
	POLLS_EACH = 1 + WORKER_PRINTED, /* messages, and what is printed */
};

struct slot {
	pid_t pid; /* 0: free */
	int fd;
	int printed[WORKER_PRINTED]; /* -1: at its end, or the child has the parent's */
	size_t first, count, ended; /* tasks */
	struct strbuf received;
	size_t taken; /* bytes of that */
};

struct workers {
	struct worker_job job;
	unsigned jobs; /* slots; at least 1, at most a task each */
	struct slot *slots;
	struct pollfd *polls; /* POLLS_EACH for each slot, and one for interrupts */
	size_t next; /* task to be started */
	uint64_t weight; /* of all that are to be started */
	size_t running;
	bool passed; /* a signal, to those at work */
};

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

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The ends for reading are the slot's, the others the child's. */
static int make_pipes(const struct worker_job *job, struct slot *slot, struct worker_child *child,
		      struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, errno, "%s: making a pipe", job->name);
	slot->fd = ends[0];
	child->messages = ends[1];
	for (int i = 0; job->printed && i < WORKER_PRINTED; i++) {
		if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
			return error_errno(err, errno, "%s: making a pipe", job->name);
		slot->printed[i] = ends[0];
		child->printed[i] = ends[1];
	}
	return 0;
}

static void close_ends(struct slot *slot)
{
	close_fd(&slot->fd);
	for (int i = 0; i < WORKER_PRINTED; i++)
		close_fd(&slot->printed[i]);
}

static int start(struct workers *pool, struct slot *slot, struct error *err)
{
	struct worker_child child = { .messages = -1, .printed = { -1, -1 } };
	pid_t parent = getpid();
	int result = make_pipes(&pool->job, slot, &child, err);

	slot->first = child.first = pool->next;
	slot->count = child.count = take_tasks(pool);
	slot->ended = slot->taken = 0;
	slot->pid = result < 0 ? 0 : fork();
	if (result == 0 && slot->pid == 0) {
		close_ends(slot);
		worker_child_run(&pool->job, &child, parent);
	}
	if (slot->pid < 0)
		result = error_errno(err, errno, "%s: starting a process", pool->job.name);
	close_fd(&child.messages);
	for (int i = 0; i < WORKER_PRINTED; i++)
		close_fd(&child.printed[i]);
	if (result < 0) {
		slot->pid = 0;
		close_ends(slot);
		return -1;
	}
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
	close_ends(slot);
	slot->pid = 0;
	return status;
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
static const char *next_message(const struct slot *slot, struct worker_message *header)
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

	slot->taken += sizeof(struct worker_message) + size;
	return job->done ? job->done(index, job->data, content, size, err) : 0;
}

/* All but the last one, and a failure: what the child says of those counts when it has ended. */
static int take_early(const struct workers *pool, struct slot *slot, struct error *err)
{
	struct worker_message header;
	const char *content;

	while (slot->ended + 1 < slot->count && (content = next_message(slot, &header)) &&
	       header.status == 0)
		if (take_result(pool, slot, content, header.size, err) < 0)
			return -1;
	return 0;
}

/* The next result of a child that has ended, or its failure. */
static const char *understand(const struct workers *pool, const struct slot *slot, int status,
			      struct worker_message *header, struct error *why)
{
	const char *content = status == 0 ? next_message(slot, header) : NULL;

	if (content && header->status == 0)
		return content;
	if (content)
		worker_message_error(header, content, why);
	else
		ended_badly(pool, slot->first + slot->ended, status, why);
	return NULL;
}

/* 1 if there was something, 0 if there is nothing for now or any more. */
static int take_printed(const struct workers *pool, struct slot *slot, int which, struct error *err)
{
	char bytes[READ_SIZE];
	ssize_t got = read(slot->printed[which], bytes, sizeof(bytes));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		close_fd(&slot->printed[which]);
		return 0;
	}
	return pool->job.printed(slot->first + slot->ended, pool->job.data, STDOUT_FILENO + which,
				 bytes, (size_t)got, err) < 0
		       ? -1
		       : 1;
}

/* What it had printed when it ended; what it has started may keep the other end for ever. */
static int take_last_words(const struct workers *pool, struct slot *slot, struct error *err)
{
	int taken = 0;

	for (int i = 0; taken >= 0 && i < WORKER_PRINTED; i++)
		while (slot->printed[i] >= 0 && (taken = take_printed(pool, slot, i, err)) > 0)
			;
	return taken;
}

/* The child has closed its pipe. */
static int finish(struct workers *pool, struct slot *slot, struct error *err)
{
	const struct worker_job *job = &pool->job;
	AUTO(error_clear) struct error why = ERROR_INIT;
	int ret = take_last_words(pool, slot, err), status = reap(slot);

	pool->running--;
	while (ret == 0 && slot->ended < slot->count) {
		struct worker_message header;
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

/* With the first one, those at work end as the job says; with the second, at once. */
static int check_signals(struct workers *pool, struct error *err)
{
	const struct worker_job *job = &pool->job;

	if (!(job->finish_started || job->pass_signals) || interrupt_count() > 1)
		return interrupt_check(err);
	if (!job->pass_signals || pool->passed || !interrupt_pending())
		return 0;
	pool->passed = true;
	for (unsigned i = 0; i < pool->jobs; i++)
		if (pool->slots[i].pid)
			kill(pool->slots[i].pid, interrupt_pending());
	return 0;
}

static void plan_polls(struct workers *pool)
{
	/* Of the first signal one is told once. */
	bool heard = (pool->job.finish_started || pool->job.pass_signals) && interrupt_pending();
	struct pollfd *poll = pool->polls;

	for (unsigned i = 0; i < pool->jobs; i++) {
		const struct slot *slot = &pool->slots[i];
		*poll++ = (struct pollfd){ .fd = slot->pid ? slot->fd : -1, .events = POLLIN };
		for (int p = 0; p < WORKER_PRINTED; p++)
			*poll++ = (struct pollfd){ .fd = slot->pid ? slot->printed[p] : -1,
						   .events = POLLIN };
	}
	*poll = (struct pollfd){ .fd = heard ? -1 : interrupt_fd(), .events = POLLIN };
}

static int serve(struct workers *pool, struct slot *slot, const struct pollfd *polls,
		 struct error *err)
{
	for (int i = 0; i < WORKER_PRINTED; i++)
		if (polls[1 + i].revents && take_printed(pool, slot, i, err) < 0)
			return -1;
	return polls[0].revents ? receive(pool, slot, err) : 0;
}

static int wait_some(struct workers *pool, struct error *err)
{
	const struct worker_job *job = &pool->job;
	bool again = job->allowed || job->waiting || interrupt_pending();

	plan_polls(pool);
	if (poll(pool->polls, POLLS_EACH * pool->jobs + 1, again ? ASK_AGAIN_MS : -1) < 0 &&
	    errno != EINTR)
		return error_errno(err, errno, "%s: waiting", job->name);
	if (job->waiting)
		job->waiting(job->data);
	if (check_signals(pool, err) < 0)
		return -1;
	for (unsigned i = 0; i < pool->jobs; i++)
		if (pool->slots[i].pid &&
		    serve(pool, &pool->slots[i], &pool->polls[i * POLLS_EACH], err) < 0)
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
	workers->polls = xcalloc(POLLS_EACH * workers->jobs + 1, sizeof(*workers->polls));
	for (unsigned i = 0; i < workers->jobs; i++)
		workers->slots[i] =
			(struct slot){ .fd = -1, .printed = { -1, -1 }, .received = STRBUF_INIT };
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

unsigned cpu_count(void)
{
	cpu_set_t set;
	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned)CPU_COUNT(&set);
}

int workers_run(const struct worker_job *job, struct error *err)
{
	struct workers *workers = NULL;

	return workers_begin(job, &workers, err) < 0 ? -1 : workers_end(&workers, err);
}
