/*
 * One process of ours in a VE, seen from the host: how it begins, how it fails, how it ends. What it has to say goes
 * through descriptors that it makes itself inside and hands out; none of the host's goes in.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "runtime/life/running.h"

struct session {
	pid_t pid; /* on the threshold (entry.h); 0: none */
	int pidfd; /* of it: readable when the one inside has ended */
	int failure; /* errors of the one inside arrive here; its end says that there is none */
};

#define SESSION_INIT ((struct session){ .pidfd = -1, .failure = -1 })

/*
 * Called in the VE as its root, before it is restricted. `failure` is where errors go: it must stay open, and
 * close-on-exec, until the process executes something or ends. Returns 0, which is then its exit status, or -1 with *err.
 */
typedef int session_function(void *data, int *failure, struct error *err);

int session_begin(const struct running *running, session_function *function, void *data,
		  struct session *ret, struct error *err);

/* Inside: moves the `count` descriptors to 0, 1, …, where they stay open over exec, closes all others but
 * *failure. -1 with errno set. */
int session_settle(const int *fds, size_t count, int *failure);

/* Waits until `fd` is readable or at its end. -1 with ERROR_INTERRUPTED. */
int session_await(int fd, struct error *err);

/* Waits until nothing of ours is executed there any more: what failed inside is in *err, with -1. */
int session_begun(struct session *session, struct error *err);

/* Waits for its end; *status as of wait(2). */
int session_wait(struct session *session, int *status, struct error *err);

/* Kills the one inside with its process group, and waits a moment for that: in a VE that is frozen it does not come true. */
void session_kill(const struct session *session);

/* Ends what is left of it at once. Of a session that has been waited for, nothing is. */
void session_release(struct session *session);

/* The exit status as a shell says it: 128 + signal for a process that was killed. */
int session_status(int status);
