/*
 * A command for the packages of many VEs, from its words to the result of each:
 *
 *	fleet_take()	which VEs, and what they have
 *	fleet_plan()	those alike are one class, which is solved for once
 *	fleet_fetch()	each package is downloaded and made ready once
 *	fleet_work()	in each VE its own package manager, several VEs at a time
 *	fleet_result()	what has become of each
 */
#pragma once

#include <jansson.h>

#include "vzpkg/app.h"
#include "vzpkg/application.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/fleet/inventory.h"
#include "vzpkg/fleet/journal.h"
#include "vzpkg/fleet/share.h"
#include "vzpkg/metadata/local.h"
#include "vzpkg/resolve/change.h"

enum fleet_objects {
	FLEET_APPLICATIONS,
	FLEET_PACKAGES,
	FLEET_GROUPS,
	FLEET_FILES, /* of packages, on the host: absolute paths */
};

/* What is asked for. It can be written down, so that another run can go on with it. */
struct fleet_request {
	const char *command; /* "install", "update", "remove" */
	enum change_verb verb;
	enum fleet_objects kind;
	struct strvec objects; /* none: all packages (update) */
	bool dependants; /* remove what needs them too */
	bool unneeded; /* … and dependencies of theirs that nothing needs any more */
	bool rollback; /* a VE in which it fails is taken back to what it was */
	bool purge; /* remove configuration files too */
	unsigned jobs; /* VEs at a time; 0: as the host can bear */
	unsigned time_limit_s; /* for each VE; 0: none */
	unsigned canary; /* VEs that come first, of which none may fail; 0: none */
	unsigned canary_percent; /* the same as a share of all */
	unsigned failures_max; /* so many may fail; more, and no other VE is begun */
	bool failures_limited;
};

#define FLEET_REQUEST_INIT ((struct fleet_request){ .objects = STRVEC_INIT })

json_t *fleet_request_json(const struct fleet_request *request);
int fleet_request_parse(const json_t *json, struct fleet_request *ret, struct error *err);
void fleet_request_release(struct fleet_request *request);

/* "5" or "5%". ERROR_USAGE. */
int fleet_canary_parse(const char *text, struct fleet_request *request, struct error *err);

/* Packages that are replaced or removed, to go back to (fleet_former.h). */
struct fleet_former {
	struct plan **plans;
	size_t plan_count;
	const struct plan_package **items; /* of the plans: those of which the file is at hand */
	size_t count;
};

#define FLEET_FORMER_INIT ((struct fleet_former){ 0 })

/* VEs alike: what is to be done in one is to be done in all of them. */
struct fleet_class {
	const struct template *template;
	const struct installed_set *set;
	const struct fleet_metadata *metadata; /* whose repositories it is from */
	size_t ves;
	struct plan *plan;
	struct difference difference;
	struct change_notes notes;
	unsigned journaled; /* the number of its plan in the journal; 0: none */
	bool any_running; /* of its VEs */
	struct fleet_former former; /* --rollback, if any is running */
	struct error error; /* it cannot be done in any of them */
};

/* Why nothing can be done in VEs of that class; NULL if it can. Borrowed. */
const struct error *fleet_class_error(const struct fleet_class *class);

/* The applications that are asked for as one template has them, and its repositories with theirs. */
struct fleet_metadata {
	const struct template *template;
	struct application_set applications;
	struct template *merged; /* NULL: it is the template itself */
	struct error error;
};

enum fleet_state {
	FLEET_WAITING,
	FLEET_UNCHANGED, /* nothing was to be done */
	FLEET_CHANGED,
	FLEET_FAILED,
	FLEET_STATES
};

/* "changed" … */
const char *fleet_state_name(enum fleet_state state);

struct fleet_task {
	const struct fleet_ve *ve;
	struct fleet_class *class; /* NULL if there is an error */
	enum fleet_state state;
	json_t *record; /* what has become of it; NULL: nothing yet */
	uint64_t begun_ms;
	bool put_off; /* its packages have changed since they were looked at */
};

/* A VE of the journal in which something was, or could not be, put right. */
struct fleet_repaired {
	unsigned ctid;
	struct error error; /* of no kind: it is */
	bool half_done; /* … or still may be so */
};

struct fleet_repairs {
	struct fleet_repaired *items;
	size_t count;
};

void fleet_repairs_release(struct fleet_repairs *repairs);

struct fleet {
	struct app *app;
	struct fleet_request *request;
	struct inventory inventory;
	struct fleet_metadata *metadata;
	size_t metadata_count;
	struct fleet_class *classes;
	size_t class_count;
	struct fleet_task *tasks; /* one for each VE of the inventory, in its order */
	struct local_package *local; /* FLEET_FILES */
	size_t local_count;
	unsigned solves;
	size_t packages; /* different package files */
	uint64_t package_bytes, missing_bytes; /* of them, and of those that are to be downloaded */
	struct fleet_files *files;
	struct journal *journal;
	const struct fleet_repairs *repairs; /* before this run; borrowed, may be NULL */
	bool unheard; /* nothing is printed as each VE ends */
	bool json_lines; /* a record on stdout as each VE ends */
	bool again; /* the second attempt, and the last */
	bool stopped; /* by a canary, or too many failures: some VEs were not begun */
	bool resumable;
};

/* All of it. ERROR_PARTIAL if some of several VEs failed; of a single one, its own error. */
int fleet_run(struct fleet *fleet, const struct ve_selection *selection, bool dry_run,
	      struct command_result *ret, struct error *err);

/* In VEs of the journal in which it has not succeeded, lets their package managers finish what they had begun, before they are looked at. What cannot be put right is
 * that VE's failure. */
int fleet_repair(struct fleet *fleet, struct fleet_repairs *ret, struct error *err);

/* What has become of that VE in it; NULL: there was nothing to be done. Borrowed. */
const struct fleet_repaired *fleet_repaired(const struct fleet *fleet, unsigned ctid);

/* The package files that are asked for, if any. */
int fleet_open_local(struct fleet *fleet, struct error *err);

/* The one of that digest; or NULL. */
const struct local_package *fleet_local(const struct fleet *fleet, const struct digest *digest);

/* The folder of the packages that are shown to VEs, unless there is one. */
int fleet_open_files(struct fleet *fleet, struct error *err);

/* What packages of a template are verified by; both stay NULL for those of the deb kind. */
int fleet_open_keys(struct fleet *fleet, const struct template *template, struct keyring **keyring,
		    struct package_keys **keys, struct error *err);

int fleet_take(struct fleet *fleet, const struct ve_selection *selection, struct error *err);
int fleet_plan(struct fleet *fleet, struct error *err);
int fleet_fetch(struct fleet *fleet, struct error *err);
int fleet_work(struct fleet *fleet, struct error *err);

/* From a plan to results, with a journal; VEs in which nothing can be or is to be done have their results already. */
int fleet_attempt(struct fleet *fleet, struct error *err);

/* VEs whose packages were changed between the plan and the work, by another run or by their own package manager: looked at,
 * planned for and worked in once more. */
int fleet_again(struct fleet *fleet, struct error *err);

/* A VE's part is over: its record is written, shown, and kept. */
int fleet_end(struct fleet *fleet, struct fleet_task *task, enum fleet_state state, json_t *record,
	      struct error *err);

/* It was killed at work. The journal goes on saying that it was begun, so that `resume` finishes what is half done. */
void fleet_cut_off(struct fleet *fleet, struct fleet_task *task, json_t *record);

/* The table of what would be done. */
void fleet_preview(const struct fleet *fleet, struct command_result *ret);
void fleet_result(const struct fleet *fleet, struct command_result *ret);

/* Whether an application is named itself, and not only required by one that is. */
bool fleet_names(const struct fleet_request *request, const struct application *application);

/* Whether that VE has something to be done. */
bool fleet_has_work(const struct fleet *fleet, const struct fleet_task *task);

void fleet_count_share(const struct fleet *fleet, struct share_counters *ret);
void fleet_files_freep(struct fleet_files **files);
void fleet_release(struct fleet *fleet);
