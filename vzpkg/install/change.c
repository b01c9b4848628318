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

int change_lay_out(const struct install_job *job, const char *suffix, struct error *err)
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

int change_verify(struct session *session, const char *const *command, const struct strvec *names,
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

int change_check_before(const struct strvec *lines, struct error *err)
{
	for (size_t i = 0; i < lines->count; i++)
		if (!is_config(lines->items[i]))
			return differs(lines->items[i],
				       "was changed by a script, and its package is to be replaced",
				       err);
	return 0;
}

int change_check_after(const struct strvec *before, const struct strvec *lines,
		       const struct tree_state *old, const struct tree_state *now,
		       struct error *err)
{
	for (size_t i = 0; i < lines->count; i++) {
		const char *line = lines->items[i], *path = strstr(line, " /") + 2;
		const struct walk_entry *was = tree_state_find(old, path);
		const struct walk_entry *is = tree_state_find(now, path);
		bool untouched = was && is && !tree_entry_touched(was, is);
		if (!untouched && !strvec_contains(before, line))
			return differs(line, "is not what its package says", err);
	}
	return 0;
}
