#include "vzpkg/fetch/gpg_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"

enum { TIME_LIMIT_S = 120, WATCHED_MAX = 16 };

/* A descriptor that gpgme wants to be told of; it is free if `call` is NULL. */
struct watched {
	int fd;
	short events;
	gpgme_io_cb_t call;
	void *data;
};

struct gpg_loop {
	gpgme_ctx_t context;
	struct watched watched[WATCHED_MAX];
	bool done;
	gpgme_error_t code;
	void (*key)(gpgme_key_t key, void *data); /* may be NULL */
	void *key_data;
};

static gpgme_error_t on_add(void *data, int fd, int reading, gpgme_io_cb_t call, void *call_data,
			    void **tag)
{
	struct gpg_loop *loop = data;
	for (size_t i = 0; i < WATCHED_MAX; i++) {
		struct watched *watched = &loop->watched[i];
		if (watched->call)
			continue;
		*watched = (struct watched){ fd, reading ? POLLIN : POLLOUT, call, call_data };
		*tag = watched;
		return 0;
	}
	return gpgme_error(GPG_ERR_ENOMEM);
}

static void on_remove(void *tag)
{
	struct watched *watched = tag;
	if (watched)
		watched->call = NULL;
}

static void on_key(const struct gpg_loop *loop, gpgme_key_t key)
{
	if (loop->key)
		loop->key(key, loop->key_data);
	gpgme_key_unref(key);
}

static void on_event(void *data, gpgme_event_io_t type, void *type_data)
{
	struct gpg_loop *loop = data;
	const struct gpgme_io_event_done_data *ended = type_data;
	if (type == GPGME_EVENT_START) {
		loop->done = false;
	} else if (type == GPGME_EVENT_DONE) {
		loop->done = true;
		loop->code = ended->err ? ended->err : ended->op_err;
	} else if (type == GPGME_EVENT_NEXT_KEY) {
		on_key(loop, type_data);
	}
}

struct gpg_loop *gpg_loop_new(gpgme_ctx_t context)
{
	struct gpg_loop *loop = xcalloc(1, sizeof(*loop));
	struct gpgme_io_cbs callbacks = { .add = on_add,
					  .add_priv = loop,
					  .remove = on_remove,
					  .event = on_event,
					  .event_priv = loop };
	loop->context = context;
	gpgme_set_io_cbs(context, &callbacks);
	return loop;
}

void gpg_loop_keys(struct gpg_loop *loop, void (*key)(gpgme_key_t key, void *data), void *data)
{
	loop->key = key;
	loop->key_data = data;
}

void gpg_loop_freep(struct gpg_loop **loop)
{
	if (!*loop)
		return;
	gpgme_set_io_cbs((*loop)->context, NULL);
	free(*loop);
	*loop = NULL;
}

static int64_t now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* poll() wants an array without gaps; owners[i] is whose fds[i] is. */
static nfds_t collect(struct gpg_loop *loop, struct pollfd *fds, struct watched **owners)
{
	nfds_t count = 0;
	for (size_t i = 0; i < WATCHED_MAX; i++) {
		struct watched *watched = &loop->watched[i];
		if (!watched->call)
			continue;
		owners[count] = watched;
		fds[count++] = (struct pollfd){ .fd = watched->fd, .events = watched->events };
	}
	return count;
}

/* A call may remove others that were ready, too: those are asked again the next time. */
static void call_ready(const struct pollfd *fds, struct watched *const *owners, nfds_t count)
{
	for (nfds_t i = 0; i < count; i++)
		if (fds[i].revents && owners[i]->call && owners[i]->fd == fds[i].fd)
			owners[i]->call(owners[i]->data, fds[i].fd);
}

static int turn(struct gpg_loop *loop, struct error *err)
{
	struct pollfd fds[WATCHED_MAX + 1];
	struct watched *owners[WATCHED_MAX];
	nfds_t count = collect(loop, fds, owners);
	fds[count] = (struct pollfd){ .fd = interrupt_fd(), .events = POLLIN };
	if (poll(fds, count + 1, 1000) < 0 && errno != EINTR)
		return error_errno(err, errno, "waiting for gpg");
	if (interrupt_check(err) < 0)
		return -1;
	call_ready(fds, owners, count);
	return 0;
}

int gpg_loop_wait(struct gpg_loop *loop, gpgme_error_t *code, struct error *err)
{
	int64_t end = now_s() + TIME_LIMIT_S;
	int status = 0;
	while (!loop->done && status == 0) {
		status = turn(loop, err);
		if (status == 0 && now_s() > end)
			status = error_set(err, ERROR_TIME_LIMIT, "gpg did not end within %d s",
					   TIME_LIMIT_S);
	}
	if (status < 0)
		gpgme_cancel(loop->context);
	*code = loop->code;
	return status;
}
