#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fleet/apply_mark.h"
#include "vzpkg/fleet/share_rpm.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/metadata/yumdb.h"

/* Of a VE, looked for from outside; -1: it has none. */
static int look_for(struct applier *applier, const char *path, uint64_t flags)
{
	AUTO(error_clear) struct error ignored = ERROR_INIT;
	int tree = visit_tree(applier->visit, &ignored);

	return tree < 0 ? -1 : open_in_root(tree, path, O_PATH | flags, 0);
}

/* What has come as a dependency. */
static bool is_asked_now(const struct apply_job *job, const struct installed_package *package)
{
	return package->automatic && job->asked && strvec_contains(job->asked, package->name);
}

/* ---- yum ----------------------------------------------------------------------------------------------------------------------- */

/* What yum writes when it installs is written, and what is gone is taken away: it would count for the next package of that name and version, too. */
struct yum_mark {
	char *package; /* NAME-VERSION-RELEASE-ARCH */
	char id[SHARE_RPM_ID_SIZE]; /* "": whatever it is */
	const char *reason; /* NULL: it is taken away */
};

struct yum_marks {
	struct yum_mark *items;
	size_t count, capacity;
};

static void yum_marks_release(struct yum_marks *marks)
{
	for (size_t i = 0; i < marks->count; i++)
		free(marks->items[i].package);
	free(marks->items);
}

static struct yum_mark *add_mark(struct yum_marks *marks, const char *name, const char *version,
				 const char *arch, const char *reason)
{
	marks->items = xgrow(marks->items, marks->count, &marks->capacity, sizeof(*marks->items));
	struct yum_mark *mark = &marks->items[marks->count++];
	*mark = (struct yum_mark){
		.package = yumdb_package(name, version, arch),
		.reason = reason,
	};
	return mark;
}

/* A package without an ID is of a time before yumdb. */
static int mark_new(const struct applier *applier, const struct plan_package *package,
		    struct yum_marks *marks, struct error *err)
{
	const struct share *share = applier->job->share;
	autofree char *file = share_file(share, package);
	autofree char *path = xasprintf("%s/%s", share_path(share), file);
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	char id[SHARE_RPM_ID_SIZE];

	if (fd < 0)
		return error_errno(err, errno, "opening %s", path);
	if (!share_rpm_id(fd, id))
		return 0;
	struct yum_mark *mark = add_mark(marks, package->name, package->version, package->arch,
					 package->automatic ? YUMDB_DEPENDENCY : YUMDB_ASKED);
	memcpy(mark->id, id, sizeof(mark->id));
	return 0;
}

/* What takes the place of something of which no reason is known has none either. */
static bool has_reason(const struct package_change *change)
{
	const struct installed_package *before = change->before;

	return change->kind == CHANGE_ADD ||
	       (change->kind == CHANGE_REPLACE && (before->automatic || before->asked));
}

/* What is gone comes first: what is new may be of the same version. */
static int list_marks(const struct applier *applier, struct yum_marks *marks, struct error *err)
{
	const struct apply_job *job = applier->job;
	const struct installed *installed = &job->expected->installed;

	for (size_t i = 0; i < job->difference->count; i++) {
		const struct installed_package *before = job->difference->changes[i].before;
		if (before)
			add_mark(marks, before->name, before->version, before->arch, NULL);
	}
	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		if (has_reason(change) &&
		    mark_new(applier, &job->plan->packages[change->package], marks, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < installed->count; i++) {
		const struct installed_package *package = &installed->packages[i];
		if (is_asked_now(job, package))
			add_mark(marks, package->name, package->version, package->arch,
				 YUMDB_ASKED);
	}
	return 0;
}

/* As yum does it: a reader sees the one reason or the other. */
static int write_reason(int dir, const char *reason, struct error *err)
{
	autoclose int fd = openat(dir, "reason.tmp",
				  O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_errno(err, errno, "creating reason.tmp");
	if (write_all(fd, reason, strlen(reason), "reason.tmp", err) < 0)
		return -1;
	return renameat(dir, "reason.tmp", dir, "reason") < 0
		       ? error_errno(err, errno, "renaming reason.tmp")
		       : 0;
}

/* In each entry of that package. */
static int mark_known(int yumdb, const struct yum_mark *mark, struct error *err)
{
	const char letter[] = { mark->package[0], '\0' };
	int fd = openat(yumdb, letter, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *package = yumdb_package_of(entry->d_name);
		if (!package || strcmp(package, mark->package) != 0)
			continue;
		if (!mark->reason && tree_remove(fd, entry->d_name, err) < 0)
			return -1;
		autoclose int folder =
			mark->reason ? dir_open(fd, entry->d_name, false, 0, err) : -1;
		if (mark->reason && (folder < 0 || write_reason(folder, mark->reason, err) < 0))
			return -1;
	}
	return 0;
}

/* In the VE. */
static int mark_yum(void *data, int channel, struct error *err)
{
	const struct yum_marks *marks = data;
	autoclose int yumdb = dir_open(AT_FDCWD, "/" YUMDB, true, 0755, err);

	(void)channel;
	if (yumdb < 0)
		return -1;
	for (size_t i = 0; i < marks->count; i++) {
		const struct yum_mark *mark = &marks->items[i];
		if (!*mark->id) {
			if (mark_known(yumdb, mark, err) < 0)
				return -1;
			continue;
		}
		autofree char *path =
			xasprintf("%c/%s-%s", mark->package[0], mark->id, mark->package);
		autoclose int dir = dir_open(yumdb, path, true, 0755, err);
		if (dir < 0 || write_reason(dir, mark->reason, err) < 0)
			return -1;
	}
	return 0;
}

static int mark_for_yum(struct applier *applier, struct error *err)
{
	AUTO(yum_marks_release) struct yum_marks marks = { 0 };
	autoclose int yum = look_for(applier, "/var/lib/yum", O_DIRECTORY);

	if (yum < 0)
		return 0;
	if (list_marks(applier, &marks, err) < 0)
		return -1;
	if (!marks.count)
		return 0;
	applier->result->changed = true;
	return applier_call(applier, mark_yum, &marks, NULL, 0, err);
}

/* ---- dnf ----------------------------------------------------------------------------------------------------------------------- */

/* Its database is its own affair, so it is asked to write there. What is replaced stays what it was to it. */
static const struct dnf {
	const char *asked, *dependency; /* dnf(8), dnf5-mark(8); neither needs a network */
} dnf4 = { "dnf -q -y --noplugins mark install", "dnf -q -y --noplugins mark remove" },
  dnf5 = { "dnf5 -q -y mark user", "dnf5 -q -y mark dependency" };

/* NULL: there is none. The fifth calls itself dnf, too. */
static const struct dnf *find_dnf(struct applier *applier)
{
	char target[256];
	autoclose int fd = look_for(applier, "/usr/bin/dnf", O_NOFOLLOW);
	ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);

	target[length > 0 ? length : 0] = '\0';
	if (fd < 0)
		return NULL;
	return strstr(target, "dnf5") ? &dnf5 : &dnf4;
}

static void push_package(struct strvec *argv, const char *name, const char *version,
			 const char *arch)
{
	const char *colon = strchr(version, ':');

	strvec_pushf(argv, "%s-%s.%s", name, colon ? colon + 1 : version, arch);
}

static void list_new(const struct apply_job *job, bool automatic, struct strvec *argv)
{
	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		const struct plan_package *package =
			change->kind == CHANGE_ADD ? &job->plan->packages[change->package] : NULL;
		if (package && package->automatic == automatic)
			push_package(argv, package->name, package->version, package->arch);
	}
}

static int run_dnf(struct applier *applier, struct strvec *argv, size_t words, struct error *err)
{
	struct applier_command command = {
		.what = "marking packages for dnf",
		.argv = (const char *const *)argv->items,
		.script = -1,
	};

	if (argv->count == words)
		return 0;
	applier->result->changed = true;
	return applier_run(applier, &command, err);
}

static int mark_for_dnf(struct applier *applier, struct error *err)
{
	AUTO(strvec_release) struct strvec asked = STRVEC_INIT, dependencies = STRVEC_INIT;
	const struct dnf *dnf = find_dnf(applier);

	if (!dnf)
		return 0;
	strvec_split(&asked, dnf->asked);
	strvec_split(&dependencies, dnf->dependency);
	size_t asked_words = asked.count, dependency_words = dependencies.count;
	list_new(applier->job, false, &asked);
	list_new(applier->job, true, &dependencies);
	for (size_t i = 0; i < applier->job->expected->installed.count; i++) {
		const struct installed_package *package =
			&applier->job->expected->installed.packages[i];
		if (is_asked_now(applier->job, package))
			push_package(&asked, package->name, package->version, package->arch);
	}
	if (run_dnf(applier, &asked, asked_words, err) < 0)
		return -1;
	return run_dnf(applier, &dependencies, dependency_words, err);
}

/* -------------------------------------------------------------------------------------------------------------------------------- */

int apply_mark_rpm(struct applier *applier, struct error *err)
{
	if (mark_for_yum(applier, err) == 0 && mark_for_dnf(applier, err) == 0)
		return 0;
	error_wrap(err, "marking dependencies");
	return err && err->hint
		       ? -1
		       : error_hint(err, "the packages are as they should be; the VE's own "
					 "autoremove may take away too little");
}
