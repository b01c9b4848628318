/*
 * CRIU (criu.org), which writes processes to disk and makes them again, asked over its RPC: "criu swrk N" serves one request on a
 * SOCK_SEQPACKET socket (https://criu.org/RPC), and says before each step what it is about to do.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strvec.h"

enum criu_step {
	CRIU_IMAGES_WRITTEN, /* of a dump: the processes still stand where they are, and go on if this step fails */
	CRIU_NAMESPACES_MADE, /* of a restore: with the number of its first process, before sockets are made */
	CRIU_PROCESSES_MADE, /* of a restore: they stand still, and are killed if this step fails */
};

/* Returns 0, or -1 with *err: the request fails with that. */
typedef int criu_step_fn(enum criu_step step, pid_t pid, void *data, struct error *err);

struct criu_request {
	int images; /* a folder; also gets CRIU's log */
	pid_t pid; /* to be dumped, with all that it has begun; 0: restore */
	const char *root; /* of a restore: where its root is mounted, for CRIU */
	const struct strvec *
		external; /* what is not CRIU's: "mnt[PLACE]:NAME" in a dump, "mnt[NAME]:PLACE" in a restore; "tty[…]" */
	const char *
		inherited_key; /* of a restore: an external file, and its descriptor in CRIU; NULL: none */
	int inherited_fd;
	bool locks_network; /* CRIU is to keep packets away meanwhile; else somebody else does */
	bool unprivileged; /* CRIU runs with capabilities, but as another user than root */
	criu_step_fn *step;
	void *data;
};

/*
 * Asks, on a socket to a CRIU that was begun with criu_execute() by a child of who has made the socket pair. The first process of a restore is a child of the
 * parent of CRIU. The error is CRIU's own word, or that of the step.
 */
int criu_ask(int socket, const struct criu_request *request, struct error *err);

struct criu_version {
	int major, minor;
};
int criu_ask_version(int socket, struct criu_version *ret, struct error *err);

/* The program: `named` (NULL: none is), or what is in the usual folders; to be freed. ERROR_TECHNOLOGY. */
char *criu_find(const char *named, struct error *err);

/* Becomes CRIU, which serves `socket`; -1 with errno set. */
int criu_execute(const char *program, int socket);
