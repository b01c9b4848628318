/*
 * The temporary VE of one build, and programs that run in it.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "runtime/ve.h"
#include "vzpkg/install/install.h"

/* Where job->packages is shown in the VE. */
#define CHANGE_PACKAGES_TARGET "/.vzpkg-packages"
/* Of an ERROR_NO_SPACE. */
#define HINT_DISK_FULL                                                                          \
	"the disk of TEMPLATE is full: free some space, or set TEMPLATE in vz.conf to another " \
	"disk"

struct session {
	const struct install_job *job;
	struct ve *ve;
	struct strvec env; /* of every program: the usual, and the template's */
};

#define SESSION_INIT ((struct session){ 0 })

/* Starts the VE on the job's tree. `epoch` is what programs get as SOURCE_DATE_EPOCH. */
int session_start(struct session *session, const struct install_job *job, int64_t epoch,
		  struct error *err);

/* Ends the VE, so that the tree is as its packages made it. */
int session_close(struct session *session, struct error *err);
void session_end(struct session *session);

/* A program and what to say of it. */
struct program {
	const char *what; /* "configuring the packages", for errors */
	const char *const *argv;
	int script; /* descriptor, or -1 */
	int input; /* standard input, or -1 */
	const struct strvec *env; /* more of it; may be NULL */
	void (*line)(const char *line, void *data);
	void *data;
};

/* Runs it; any end but a success is an error that shows the end of what it printed. */
int session_run(struct session *session, const struct program *program, struct error *err);

/* The template's script of that kind, if it has one, and then those of its applications: in the VE, or for pre-cache and
 * post-cache (session NULL) with the host's programs. */
int template_script_run(struct session *session, const struct install_job *job,
			enum template_script kind, struct error *err);

/* The post-update of each, or else its post-install: what its packages need after they have been changed. */
int template_script_run_after_update(struct session *session, const struct install_job *job,
				     struct error *err);
