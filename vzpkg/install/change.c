#include "vzpkg/install/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "vzpkg/install/clean.h"

bool change_concerns(const struct install_job *job, const char *package)
{
	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		const char *name = change->kind == CHANGE_REMOVE
					   ? change->before->name
					   : job->plan->packages[change->package].name;
		if (strcmp(name, package) == 0)
			return true;
	}
	return false;
}

void change_names(const struct install_job *job, unsigned kinds, struct strvec *ret)
{
	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		if (!(kinds & 1U << change->kind))
			continue;
		strvec_push(ret, change->kind == CHANGE_REMOVE
					 ? change->before->name
					 : job->plan->packages[change->package].name);
	}
}

/* ---- package files ---------------------------------------------------------------------------------------------- */

char *change_file(size_t package, const char *suffix)
{
	return xasprintf(CHANGE_PACKAGES_TARGET "/%05zu.%s", package, suffix);
}

static int copy(int from, int to, const char *name, struct error *err)
{
	ssize_t sent;
	while ((sent = sendfile(to, from, NULL, 1 << 24)) > 0)
		;
	if (sent < 0)
		return error_errno(err, errno, "copying %s", name);
	return 0;
}

static int lay_out_one(const struct install_job *job, int dir, size_t package, const char *suffix,
		       struct error *err)
{
	const struct plan_package *row = &job->plan->packages[package];
	autofree char *name = xasprintf("%05zu.%s", package, suffix);
	autoclose int from = store_package_open(job->store, row, err);

	if (from < 0)
		return -1;
	autoclose int to = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to < 0 || fchmod(to, 0644) < 0)
		return error_errno(err, errno, "copying %s", row->name);
	return copy(from, to, row->name, err);
}

/* Verified copies into job->packages. (No links: the store's files are shown to no VE.) */
static int lay_out(const struct install_job *job, const char *suffix, struct error *err)
{
	autoclose int dir = dir_open(AT_FDCWD, job->packages, false, 0, err);

	if (dir < 0)
		return -1;
	for (size_t i = 0; i < job->difference->count; i++)
		if (job->difference->changes[i].kind != CHANGE_REMOVE &&
		    lay_out_one(job, dir, job->difference->changes[i].package, suffix, err) < 0)
			return -1;
	return 0;
}

/* ---- what package managers say of their files ----------------------------------------------------------------------- */

static void verify_line(const char *line, void *data)
{
	if (strstr(line, " /"))
		strvec_push(data, line);
}

/* Files that differ from what their packages say, by the guest's package manager ("dpkg --verify", "rpm -V": `command`, to which the
 * names are added): sorted lines, "c" of configuration files. */
static int verify(struct session *session, const char *const *command, const struct strvec *names,
		  struct strvec *lines, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	size_t count = 0;

	if (!names->count)
		return 0;
	while (command[count])
		count++;
	const char **argv = xcalloc(count + names->count + 1, sizeof(const char *));
	for (size_t i = 0; i < count; i++)
		argv[i] = command[i];
	for (size_t i = 0; i < names->count; i++)
		argv[count + i] = names->items[i];
	struct program program = {
		.what = "comparing files with their packages",
		.argv = argv,
		.script = -1,
		.input = -1,
		.line = verify_line,
		.data = lines,
	};
	int ret = session_run(session, &program, &why);
	free(argv);
	/* Both end with a failure if anything differs. */
	if (ret < 0 && !(why.kind == ERROR_INSTALL && lines->count)) {
		error_move(err, &why);
		return -1;
	}
	strvec_sort(lines);
	return 0;
}

static bool is_config(const char *line)
{
	return strstr(line, " c /") || strstr(line, " g /");
}

static int differs(const char *line, const char *what, struct error *err)
{
	autofree char *clean = text_clean(line);
	error_set(err, ERROR_GATE, "%s %s", strstr(clean, " /") + 1, what);
	return error_subject(err, "%s", strstr(clean, " /") + 1);
}

/* A file of a package that is to be replaced was changed by a script: it would be lost. ERROR_GATE. */
static int check_before(const struct strvec *lines, struct error *err)
{
	for (size_t i = 0; i < lines->count; i++)
		if (!is_config(lines->items[i]))
			return differs(lines->items[i],
				       "was changed by a script, and its package is to be replaced",
				       err);
	return 0;
}

/* What differs now and did not before, but for files that nothing has touched since. ERROR_GATE. */
static int check_after(const struct changer *changer, const struct strvec *lines, struct error *err)
{
	for (size_t i = 0; i < lines->count; i++) {
		const char *line = lines->items[i], *path = strstr(line, " /") + 2;
		const struct walk_entry *was = tree_state_find(&changer->before, path);
		const struct walk_entry *is = tree_state_find(&changer->after, path);
		bool untouched = was && is && !tree_entry_touched(was, is);
		if (!untouched && !strvec_contains(&changer->differed, line))
			return differs(line, "is not what its package says", err);
	}
	return 0;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static int step(struct changer *changer,
		int (*function)(struct changer *changer, struct error *err), struct error *err)
{
	return function ? function(changer, err) : 0;
}

static int look_before(struct changer *changer, const struct change_format *format,
		       struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	change_names(changer->job, 1U << CHANGE_REPLACE | 1U << CHANGE_REMOVE, &names);
	if (tree_state_read(&changer->session, &changer->before, err) < 0 ||
	    step(changer, format->look, err) < 0 ||
	    verify(&changer->session, format->verify, &names, &changer->differed, err) < 0)
		return -1;
	return check_before(&changer->differed, err);
}

static int look_after(struct changer *changer, const struct change_format *format,
		      struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, lines = STRVEC_INIT;
	const struct install_job *job = changer->job;

	report_phase(job->report, "comparing with the packages", REPORT_ITEMS, 0, 5);
	change_names(job, 1U << CHANGE_ADD | 1U << CHANGE_REPLACE, &names);
	if (step(changer, format->check_database, err) < 0 || clean_tree(job->tree, err) < 0 ||
	    tree_state_read(&changer->session, &changer->after, err) < 0 ||
	    tree_check(&changer->session, &changer->before, &changer->after, &names, err) < 0 ||
	    verify(&changer->session, format->verify, &names, &lines, err) < 0 ||
	    check_after(changer, &lines, err) < 0)
		return -1;
	return step(changer, format->check_files, err);
}

static void changer_release(struct changer *changer)
{
	session_end(&changer->session);
	tree_state_release(&changer->before);
	tree_state_release(&changer->after);
	strvec_release(&changer->differed);
}

int change_run(const struct install_job *job, const struct change_format *format, void *data,
	       struct error *err)
{
	AUTO(changer_release)
	struct changer changer = {
		.job = job,
		.session = { .job = job },
		.before = TREE_STATE_INIT,
		.after = TREE_STATE_INIT,
		.data = data,
	};
	struct session *session = &changer.session;

	if (lay_out(job, format->suffix, err) < 0 ||
	    session_start(session, job, job->before_epoch, err) < 0 ||
	    look_before(&changer, format, err) < 0 ||
	    template_script_run(session, job, SCRIPT_PRE_UPDATE, err) < 0 ||
	    step(&changer, format->remove, err) < 0 || step(&changer, format->upgrade, err) < 0 ||
	    template_script_run_after_update(session, job, err) < 0 ||
	    step(&changer, format->finish, err) < 0 || look_after(&changer, format, err) < 0)
		return -1;
	report_phase_end(job->report);
	return session_close(session, err);
}
