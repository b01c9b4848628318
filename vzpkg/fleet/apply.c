#include "vzpkg/fleet/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "vzpkg/fleet/applier.h"
#include "vzpkg/fleet/apply_mark.h"
#include "vzpkg/fleet/apply_restart.h"
#include "vzpkg/fleet/undo.h"
#include "vzpkg/metadata/installed.h"

enum { OUTPUT_LINES = 15, LISTED_MAX = 2000, LINES_MAX = 100000, CALL_LIMIT_S = 60 };

/* ---- what both kinds need ---------------------------------------------------------------------------------------------- */

void applier_enter(const struct applier *applier, enum apply_phase phase)
{
	if (applier->job->phase)
		atomic_store(applier->job->phase, phase);
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int too_late(const struct applier *applier, struct error *err)
{
	const char *package = applier->working_on;

	error_set(err, ERROR_TIME_LIMIT, "it was not done within %u s%s%s",
		  applier->job->time_limit_s, package ? "; at work was the package " : "",
		  package ?: "");
	if (package)
		error_subject(err, "%s", package);
	return -1;
}

void applier_renew_time(struct applier *applier)
{
	unsigned limit_s = applier->job->time_limit_s;

	applier->deadline_ms = limit_s ? now_ms() + (uint64_t)limit_s * 1000 : 0;
}

int applier_time_left(const struct applier *applier, unsigned *ret, struct error *err)
{
	uint64_t now = now_ms();

	*ret = 0;
	if (!applier->deadline_ms)
		return 0;
	if (now >= applier->deadline_ms)
		return too_late(applier, err);
	*ret = (unsigned)((applier->deadline_ms - now + 999) / 1000);
	return 0;
}

void applier_set_working_on(struct applier *applier, const char *name, size_t length)
{
	autofree char *text = xstrndup(name, length);

	free(applier->working_on);
	applier->working_on = text_clean(text);
}

const struct plan_package *applier_package_of(const struct applier *applier, const char *file)
{
	const struct plan *plan = applier->job->plan;

	for (size_t i = 0; i < plan->count; i++) {
		const char *name = plan->packages[i].name;
		/* Whoever prints a million lines shall not cost a million times all packages. */
		if (strncmp(file, name, strlen(name)) != 0)
			continue;
		autofree char *own = share_file(applier->job->share, &plan->packages[i]);
		if (strncmp(file, own, strlen(own)) == 0)
			return &plan->packages[i];
	}
	return NULL;
}

void applier_files(const struct applier *applier, const bool *wanted, struct strvec *files)
{
	const struct apply_job *job = applier->job;

	for (size_t i = 0; i < job->plan->count; i++) {
		if (!wanted[i])
			continue;
		autofree char *file = share_file(job->share, &job->plan->packages[i]);
		strvec_pushf(files, PACKAGES_TARGET "/%s", file);
	}
}

/* ---- programs ------------------------------------------------------------------------------------------------------------ */

struct listening {
	struct applier *applier;
	const struct applier_command *command;
};

static void heard(const char *line, void *data)
{
	const struct listening *listening = data;
	struct applier *applier = listening->applier;

	if (strstr(line, "No space left on device") || strstr(line, "Disk quota exceeded"))
		applier->full = true;
	if (listening->command->line)
		listening->command->line(applier, line);
	if (listening->command->lines && listening->command->lines->count < LINES_MAX)
		strvec_push(listening->command->lines, line);
	if (applier->job->line)
		applier->job->line(line, applier->job->data);
}

static void keep_output(struct applier *applier, struct ve_result *result)
{
	free(applier->result->output);
	applier->result->output = text_clean(result->output ?: "");
}

static enum error_kind kind_of_failure(struct applier *applier)
{
	AUTO(error_clear) struct error ignored = ERROR_INIT;
	int tree = visit_tree(applier->visit, &ignored);

	if (applier->full || (tree >= 0 && space_used_up(tree)))
		return ERROR_NO_SPACE;
	return applier->locked ? ERROR_LOCKED : ERROR_INSTALL;
}

static int ended_badly(struct applier *applier, const char *what, const struct ve_result *result,
		       struct error *err)
{
	autofree char *printed = text_tail(result->output ?: "", OUTPUT_LINES);
	const char *said = *printed ? "; it printed:" : " and printed nothing";
	enum error_kind kind = kind_of_failure(applier);
	const char *why = kind == ERROR_NO_SPACE ? "the VE's disk is full: "
			  : kind == ERROR_LOCKED ? "the VE's own package manager is at work: "
						 : "";

	if (WIFSIGNALED(result->status))
		error_set(err, kind, "%s%s: it died by SIG%s%s%s", why, what,
			  sigabbrev_np(WTERMSIG(result->status)) ?: "?", said, printed);
	else
		error_set(err, kind, "%s%s: it ended with status %d%s%s", why, what,
			  WEXITSTATUS(result->status), said, printed);
	if (applier->failed)
		error_subject(err, "%s", applier->failed);
	if (kind == ERROR_NO_SPACE)
		error_hint(err,
			   "free some space in VE %u, or give it more: vzctl set %u --diskspace",
			   applier->job->ctid, applier->job->ctid);
	return -1;
}

/* A file that holds the text. */
static int open_input(const char *text, struct error *err)
{
	autoclose int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "making a file in memory");
	if (write_all(fd, text, strlen(text), "a file in memory", err) < 0)
		return -1;
	lseek(fd, 0, SEEK_SET);
	return steal_fd(&fd);
}

static int too_little_memory(const struct applier *applier, struct error *err)
{
	unsigned ctid = applier->job->ctid;

	error_hint(
		err,
		"give it more (PHYSPAGES in %u.conf) or end something in it; \"vzpkg resume\", or "
		"its own package manager, finishes what was begun",
		ctid);
	return error_wrap(err,
			  "the VE's memory was used up, and the kernel killed a process in it");
}

int applier_run(struct applier *applier, const struct applier_command *command, struct error *err)
{
	autoclose int input = command->input ? open_input(command->input, err) : -1;
	struct ve_result result = { 0 };
	struct listening listening = { .applier = applier, .command = command };
	struct ve_command run = {
		.argv = command->argv,
		.env = (const char *const *)applier->env.items,
		.script = command->script,
		.input = input,
		.line = heard,
		.data = &listening,
	};
	if ((command->input && input < 0) || applier_time_left(applier, &run.time_limit_s, err) < 0)
		return error_wrap(err, "%s", command->what);
	applier->result->commands++;
	unsigned long kills = visit_oom_kills(applier->visit);
	int ret = visit_run(applier->visit, &run, &result, err);
	applier->out_of_memory = visit_oom_kills(applier->visit) > kills;
	if (ret == 0)
		keep_output(applier, &result);
	else
		applier->holds_lock = false;
	applier->cut_off = ret < 0 || WIFSIGNALED(result.status);
	if (ret < 0 && err->kind == ERROR_TIME_LIMIT && applier->deadline_ms)
		too_late(applier, err);
	if (ret < 0)
		error_wrap(err, "%s", command->what);
	else if (result.status != 0)
		ret = ended_badly(applier, command->what, &result, err);
	free(result.output);
	return ret < 0 && applier->out_of_memory ? too_little_memory(applier, err) : ret;
}

struct call {
	ve_function *function;
	void *data;
	struct strbuf result;
	size_t limit;
};

static int call_inside(void *data, int channel, struct error *err)
{
	const struct call *call = data;
	return call->function(call->data, channel, err);
}

static void receive(const void *bytes, size_t size, void *data)
{
	struct call *call = data;
	size_t room = call->limit - call->result.length;
	strbuf_add(&call->result, bytes, size < room ? size : room);
}

int applier_call(struct applier *applier, ve_function *function, void *data, struct strbuf *ret,
		 size_t limit, struct error *err)
{
	struct call call = {
		.function = function,
		.data = data,
		.result = STRBUF_INIT,
		.limit = ret ? limit : 0,
	};
	unsigned left;

	if (applier_time_left(applier, &left, err) < 0)
		return -1;
	if (!left || left > CALL_LIMIT_S)
		left = CALL_LIMIT_S;
	int status = visit_call(applier->visit, call_inside, &call, NULL, 0, receive, left, err);
	if (ret)
		strbuf_add(ret, call.result.text, call.result.length);
	strbuf_release(&call.result);
	return status;
}

/* ---- scripts of application templates ------------------------------------------------------------------------------------- */

static int run_script(struct applier *applier, const struct application_script *script,
		      struct error *err)
{
	const char *slash = strrchr(script->name, '/');
	const char *argv[] = { slash ? slash + 1 : script->name, NULL };
	autofree char *what = xasprintf("running the script %s", script->name);
	autoclose int fd = open(script->path, O_RDONLY | O_CLOEXEC);
	struct applier_command command = { .what = what, .argv = argv, .script = fd };

	if (fd < 0)
		return error_errno(err, errno, "opening %s", script->path);
	applier->result->changed = true;
	if (applier_run(applier, &command, err) < 0)
		return error_subject(err, "%s", script->name);
	return 0;
}

static int run_scripts(struct applier *applier, const struct application_script *scripts,
		       size_t count, struct error *err)
{
	if (count)
		applier_enter(applier, APPLY_SCRIPTS);
	for (size_t i = 0; i < count; i++)
		if (run_script(applier, &scripts[i], err) < 0)
			return -1;
	return 0;
}

/* ---- what is installed ----------------------------------------------------------------------------------------------------- */

static int check_expected(struct applier *applier, struct error *err)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	int tree = visit_tree(applier->visit, err);

	if (tree < 0 || installed_read(tree, applier->job->template->format, &set, err) < 0)
		return -1;
	if (digest_equal(&set.digest, &applier->job->expected->digest))
		return 0;
	error_set(err, ERROR_CHANGED, "the VE's packages have changed since they were looked at");
	return error_hint(err, "run it again");
}

static void push_package(struct strvec *list, const char *name, const char *version,
			 const char *arch)
{
	strvec_pushf(list, "%s %s %s", name, version, arch);
}

/* What is there now, by what was there and by what was to be done; sorted. */
static void list_wanted(const struct apply_job *job, struct strvec *wanted)
{
	const struct installed *before = &job->expected->installed;
	const struct difference *difference = job->difference;

	for (size_t i = 0; i < before->count; i++) {
		const struct installed_package *package = &before->packages[i];
		bool stays = true;
		for (size_t c = 0; c < difference->count && stays; c++)
			stays = difference->changes[c].before != package;
		if (stays)
			push_package(wanted, package->name, package->version, package->arch);
	}
	for (size_t i = 0; i < difference->count; i++) {
		if (difference->changes[i].kind == CHANGE_REMOVE)
			continue;
		const struct plan_package *package =
			&job->plan->packages[difference->changes[i].package];
		push_package(wanted, package->name, package->version, package->arch);
	}
	strvec_sort(wanted);
}

static void list_one(struct strbuf *text, const char *item)
{
	if (text->length < LISTED_MAX)
		strbuf_addf(text, "%s%s", text->length ? ", " : "", item);
}

/* Both are sorted. */
static void compare(const struct strvec *wanted, const struct strvec *is, struct strbuf *missing,
		    struct strbuf *more)
{
	size_t w = 0, i = 0;

	while (w < wanted->count || i < is->count) {
		int order = w == wanted->count ? 1
			    : i == is->count   ? -1
					       : strcmp(wanted->items[w], is->items[i]);
		if (order < 0)
			list_one(missing, wanted->items[w++]);
		else if (order > 0)
			list_one(more, is->items[i++]);
		else
			w++, i++;
	}
}

/* Its database belongs to the tenant, and so do the programs that write it. */
static int check_result(struct applier *applier, struct error *err)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	AUTO(strvec_release) struct strvec wanted = STRVEC_INIT, is = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf missing = STRBUF_INIT, more = STRBUF_INIT;
	int tree = visit_tree(applier->visit, err);

	applier_enter(applier, APPLY_CHECKING);
	if (tree < 0 || installed_read(tree, applier->job->template->format, &set, err) < 0)
		return error_wrap(err, "after the change");
	list_wanted(applier->job, &wanted);
	for (size_t i = 0; i < set.installed.count; i++) {
		const struct installed_package *package = &set.installed.packages[i];
		push_package(&is, package->name, package->version, package->arch);
	}
	strvec_sort(&is);
	compare(&wanted, &is, &missing, &more);
	if (!missing.length && !more.length)
		return 0;
	autofree char *missing_text = text_clean(missing.text), *more_text = text_clean(more.text);
	return error_set(err, ERROR_INSTALL,
			 "its package manager has succeeded, and yet not all is as it should be: "
			 "not there: %s; there besides: %s",
			 *missing_text ? missing_text : "nothing",
			 *more_text ? more_text : "nothing");
}

/* ---- the whole --------------------------------------------------------------------------------------------------------------- */

static void set_env(struct applier *applier)
{
	const struct template *template = applier->job->template;
	struct strvec *env = &applier->env;

	strvec_push(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strvec_push(env, "HOME=/root");
	strvec_push(env, "TERM=dumb");
	strvec_push(env, "LANG=C.UTF-8");
	strvec_pushf(env, "VEID=%u", applier->job->ctid);
	if (template->format == PACKAGE_DEB)
		strvec_push(env, "DEBIAN_FRONTEND=noninteractive");
	for (size_t i = 0; i < template->environment.count; i++)
		strvec_push(env, template->environment.items[i]);
}

int applier_open(struct applier *applier, struct error *err)
{
	const struct apply_job *job = applier->job;

	set_env(applier);
	applier->policy = xasprintf("%s/policy-rc.d", job->host->libexec_dir);
	applier->bind =
		(struct ve_bind){ .source = applier->policy, .target = "/usr/sbin/policy-rc.d" };
	struct visit_spec spec = {
		.host = job->host,
		.ctid = job->ctid,
		.timeout_s = job->lock_timeout_s,
		.skip_lock = job->skip_lock,
		.shown = job->share ? share_path(job->share) : NULL,
		.target = job->share ? PACKAGES_TARGET : NULL,
		.binds = &applier->bind,
		/* No service is started in a VE that is stopped. (rpm packages start none by themselves.) */
		.bind_count = job->template->format == PACKAGE_DEB,
	};
	if (visit_open(&spec, &applier->visit, err) < 0)
		return -1;
	applier->result->ran = visit_is_running(applier->visit);
	/* Who waits for another command's work has not begun. */
	applier_renew_time(applier);
	return 0;
}

void applier_release(struct applier *applier)
{
	visit_freep(&applier->visit);
	strvec_release(&applier->env);
	free(applier->policy);
	free(applier->working_on);
	free(applier->failed);
}

/* That it has ended is also so when it has failed, and does not leave more to be finished than it says itself. */
static int change_packages(struct applier *applier, struct error *err)
{
	const struct apply_job *job = applier->job;

	if (job->manager && job->difference->count)
		job->manager(false, job->data);
	int ret = job->template->format == PACKAGE_DEB ? apply_deb(applier, err)
						       : apply_rpm(applier, err);
	applier->result->half_done = ret < 0 && applier->cut_off;
	if (applier->result->half_done)
		error_hint(err,
			   "when the cause is mended, \"vzpkg resume\" finishes what was begun");
	if (job->manager && job->difference->count && !applier->result->half_done)
		job->manager(true, job->data);
	return ret;
}

static int work(struct applier *applier, struct undo *undo, struct error *err)
{
	const struct apply_job *job = applier->job;

	if (check_expected(applier, err) < 0 || undo_save_files(applier, undo, err) < 0 ||
	    run_scripts(applier, job->before, job->before_count, err) < 0 ||
	    change_packages(applier, err) < 0 ||
	    run_scripts(applier, job->after, job->after_count, err) < 0 ||
	    check_result(applier, err) < 0 ||
	    (job->rollback && job->template->format == PACKAGE_RPM &&
	     apply_mark_rpm(applier, err) < 0))
		return -1;
	if (applier->result->ran && difference_count(job->difference, CHANGE_REPLACE))
		return apply_find_restart(applier, err);
	return 0;
}

int apply_change(const struct apply_job *job, struct apply_result *ret, struct error *err)
{
	AUTO(applier_release) struct applier applier = { .job = job, .result = ret };
	AUTO(undo_release) struct undo undo = UNDO_INIT;

	*ret = APPLY_RESULT_INIT;
	applier_enter(&applier, APPLY_WAITING);
	if (applier_open(&applier, err) < 0)
		return -1;
	applier_enter(&applier, APPLY_LOOKING);
	if (undo_prepare(&applier, &undo, err) < 0)
		return -1;
	if (work(&applier, &undo, err) < 0)
		return undo_change(&applier, &undo, err);
	if (undo_forget(&applier, &undo, err) < 0)
		return -1;
	return visit_close(steal_ptr(applier.visit), err);
}

void apply_result_release(struct apply_result *result)
{
	strvec_release(&result->restart);
	strvec_release(&result->unfinished);
	strvec_release(&result->not_undone);
	free(result->output);
	*result = APPLY_RESULT_INIT;
}
