/*
 * The other host: our own program there, and files to it, both by ssh(1), which knows how to get there.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/report.h"

struct remote {
	const char *host; /* [USER@]HOST */
	const char *ssh_options, *rsync_options; /* words; NULL: none */
	const char *program, *conf; /* vzmigrate there, and its --conf; NULL: found on PATH; none */
	struct report *report;
	bool answered; /* the last remote_call() has failed there: its error is the other host's, and it is known what it did not do */
};

/*
 * One step there (receive.h). Takes `request`. The answer is the caller's. ERROR_CONNECT: it is not known whether it was done; and ERROR_INTERRUPTED.
 */
int remote_call(struct remote *remote, const char *step, json_t *request, json_t **ret,
		struct error *err);

/*
 * Makes the folder `to` there equal to `from` here: owners by number, modes, times, links, holes, extended attributes, ACLs, device nodes; what is not in
 * `from` goes. `moving`: it changes meanwhile, and what cannot be copied for that is left. ERROR_COPY, ERROR_CONNECT.
 */
int remote_copy(struct remote *remote, const char *from, const char *to, bool moving,
		struct error *err);

/* The files `from` into the folder `to`. */
struct strvec;
int remote_copy_files(struct remote *remote, const struct strvec *from, const char *to,
		      struct error *err);
