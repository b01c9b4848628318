/*
 * Bytes between the caller's descriptors and those of a command in a VE, in several directions at once.
 *
 * Reading stops while what was read cannot be written. The end of a source closes its sink, and a sink
 * that nobody reads from any more closes its source. When the command has ended, what it had written by then is
 * delivered, and no more: a process of its that stays in the background keeps nobody waiting.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum { RELAY_BUFFER = 65536 };

/* What follows the last byte into the sink. */
enum relay_end {
	RELAY_CLOSE,
	RELAY_EOT, /* ^D, to a terminal */
	RELAY_HANG_UP, /* nothing: the terminal of the caller is gone, and so is all else */
};

struct relay_stream {
	int from, to;
	bool outward; /* from the command, whose end leaves something to be delivered */
	enum relay_end end;

	/* The relay's own. */
	bool finished, ending, whole, careful;
	size_t left; /* bytes to be taken still, after the command's end */
	size_t at, filled;
	char buffer[RELAY_BUFFER];
};

struct relay {
	struct relay_stream *streams;
	size_t count;
	int ended; /* readable when the command has ended */

	/* Something that is looked at beside, such as signals: called when `event_fd` is readable; -1: none. */
	int event_fd;
	void (*event)(void *data);

	/* Called once when the caller gets SIGINT, SIGTERM or SIGHUP, or its terminal is gone (SIGHUP): is to end the
	 * command, which has `grace_ms` for it. */
	void (*interrupt)(int signal, void *data);
	unsigned grace_ms;
	void *data;
	unsigned
		limit_ms; /* 0: none. ERROR_TIME_LIMIT when it is over; the command has not ended then */
};

/* Takes over both descriptors. `from` has to be the relay's own, not blocking, if it is outward. */
void relay_stream_init(struct relay_stream *stream, int from, int to, bool outward,
		       enum relay_end end);

/* A descriptor for writing to where the caller's `fd` goes: one that does not block if the kernel gives us such a one
 * without changing the caller's, which others may share. -1 with errno set. */
int relay_output(int fd);

/* 0 when the command has ended and all is delivered. -1: ERROR_INTERRUPTED, ERROR_TIME_LIMIT (it may not have ended), or what it wrote
 * could not be delivered, which is said when it has ended. */
int relay_run(struct relay *relay, struct error *err);
void relay_stream_release(struct relay_stream *stream);
