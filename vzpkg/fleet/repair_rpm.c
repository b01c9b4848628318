#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fleet/repairer.h"
#include "vzpkg/metadata/installed.h"

static int run(struct repairer *repairer, const char *what, const char *options,
	       const struct strvec *operands, struct strvec *lines, struct error *err)
{
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	struct applier_command command = { .what = what, .script = -1, .lines = lines };

	strvec_split(&argv, options);
	for (size_t i = 0; operands && i < operands->count; i++)
		strvec_push(&argv, operands->items[i]);
	command.argv = (const char *const *)argv.items;
	return applier_run(repairer->applier, &command, err);
}

/* ---- Berkeley DB --------------------------------------------------------------------------------------------------- */

#define DATABASE "/var/lib/rpm"

/* In the VE. Who was killed may have left locks in the files that programs share their database by; all of them write them anew. */
static int drop_environment(void *data, int channel, struct error *err)
{
	autoclosedir DIR *dir = opendir(DATABASE);
	const struct dirent *entry;
	bool found = false;

	(void)data;
	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "__db.", 5) == 0)
			found |= unlinkat(dirfd(dir), entry->d_name, 0) == 0;
	return found ? write_all(channel, "!", 1, "pipe", err) : 0;
}

/* Its indexes are written one after the other, and some may lack what the others have. */
static int mend_database(struct repairer *repairer, struct error *err)
{
	AUTO(strbuf_release) struct strbuf found = STRBUF_INIT;

	if (applier_call(repairer->applier, drop_environment, NULL, &found, 1, err) < 0)
		return -1;
	if (!found.length)
		return 0;
	return run(repairer, "making the database's indexes", "rpm --rebuilddb", NULL, NULL, err);
}

/* ---- what is to be done once more ----------------------------------------------------------------------------------- */

static const struct installed_package *find(const struct installed *installed, const char *name,
					    const char *version, const char *arch)
{
	for (size_t i = 0; i < installed->count; i++) {
		const struct installed_package *there = &installed->packages[i];
		if (strcmp(there->name, name) == 0 &&
		    (!version || strcmp(there->version, version) == 0) &&
		    strcmp(there->arch, arch) == 0)
			return there;
	}
	return NULL;
}

/* What rpm has written, and what it has not come to. */
struct traces {
	struct installed_set set;
	struct strvec
		unfinished; /* "NAME-VERSION-RELEASE.ARCH" of those to be taken out of the database */
	struct difference left; /* what is to be done once more */
	bool any;
};

static void traces_release(struct traces *traces)
{
	installed_set_release(&traces->set);
	strvec_release(&traces->unfinished);
	difference_release(&traces->left);
}

static void push_unfinished(struct traces *traces, const struct plan_package *package)
{
	const char *colon = strchr(package->version, ':');
	strvec_pushf(&traces->unfinished, "%s-%s.%s", package->name,
		     colon ? colon + 1 : package->version, package->arch);
}

/* One that is there beside what it takes the place of, or is new, may lack its scripts; one that has taken that place lacks those of the end of the transaction at most,
 * and is replaced by itself. */
static void take_change(struct repairer *repairer, const struct package_change *change,
			struct traces *traces)
{
	const struct installed *installed = &traces->set.installed;
	const struct installed_package *before = change->before;
	const struct plan_package *after =
		change->kind == CHANGE_REMOVE
			? NULL
			: &repairer->job->redo->plan->packages[change->package];
	const struct installed_package *is_before =
		before ? find(installed, before->name, before->version, before->arch) : NULL;
	const struct installed_package *is_after =
		after ? find(installed, after->name, after->version, after->arch) : NULL;
	struct package_change *left = &traces->left.changes[traces->left.count];

	*left = *change;
	if (is_after && is_after != is_before) {
		traces->any = true;
		repairer_note(repairer, after->name);
		if (before && !is_before)
			left->before = is_after;
		else
			push_unfinished(traces, after);
	} else if (!is_before && (change->kind != CHANGE_ADD ||
				  find(installed, after->name, NULL, after->arch))) {
		return; /* somebody has seen to it */
	}
	traces->left.count++;
}

static int look(struct repairer *repairer, struct traces *ret, struct error *err)
{
	const struct difference *all = &repairer->job->redo->difference;
	int tree = visit_tree(repairer->applier->visit, err);

	if (tree < 0 || installed_read(tree, PACKAGE_RPM, &ret->set, err) < 0)
		return -1;
	ret->left.changes = xcalloc(all->count + 1, sizeof(*ret->left.changes));
	for (size_t i = 0; i < all->count; i++)
		take_change(repairer, &all->changes[i], ret);
	return 0;
}

static int once_more(struct repairer *repairer, const struct traces *traces, struct error *err)
{
	if (traces->unfinished.count &&
	    run(repairer, "forgetting packages that are installed in part",
		"rpm -e --justdb --noscripts --notriggers --nodeps", &traces->unfinished, NULL,
		err) < 0)
		return -1;
	repairer->change->difference = &traces->left;
	return apply_rpm(repairer->applier, err);
}

/* ---- files that it had not given their names yet ---------------------------------------------------------------------- */

enum { MARK = 9 }; /* bytes: ";5f3a9c01", the transaction's number */

static bool is_half(const char *name, size_t length)
{
	if (length <= MARK || name[length - MARK] != ';')
		return false;
	for (size_t i = length - MARK + 1; i < length; i++)
		if (!isxdigit((unsigned char)name[i]) || isupper((unsigned char)name[i]))
			return false;
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_in(const char *folder, const struct strvec *paths)
{
	autoclosedir DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t length = strlen(entry->d_name);
		if (!is_half(entry->d_name, length))
			continue;
		autofree char *path =
			xasprintf("%s/%.*s", folder, (int)(length - MARK), entry->d_name);
		if (bsearch(&path, paths->items, paths->count, sizeof(*paths->items), compare))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
}

/* In the VE. `data`: paths of the packages' files, sorted. */
static int drop_halves(void *data, int channel, struct error *err)
{
	const struct strvec *paths = data;
	AUTO(strvec_release) struct strvec folders = STRVEC_INIT;

	(void)channel;
	(void)err;
	for (size_t i = 0; i < paths->count; i++) {
		const char *path = paths->items[i], *slash = strrchr(path, '/');
		if (*path == '/' && slash != path)
			strvec_take(&folders, xstrndup(path, (size_t)(slash - path)));
	}
	strvec_sort(&folders);
	for (size_t i = 0; i < folders.count; i++)
		if (!i || strcmp(folders.items[i], folders.items[i - 1]) != 0)
			drop_in(folders.items[i], paths);
	return 0;
}

/* Only those whose names say of which file of the packages they were to be. */
static int clean(struct repairer *repairer, struct error *err)
{
	AUTO(strvec_release) struct strvec files = STRVEC_INIT, paths = STRVEC_INIT;
	size_t count = repairer->job->redo->plan->count;
	autofree bool *wanted = xcalloc(count + 1, sizeof(*wanted));

	if (!count)
		return 0;
	memset(wanted, true, count);
	applier_files(repairer->applier, wanted, &files);
	if (run(repairer, "listing files of packages", "rpm -qpl --nosignature --nodigest", &files,
		&paths, err) < 0)
		return -1;
	strvec_sort(&paths);
	return applier_call(repairer->applier, drop_halves, &paths, NULL, 0, err);
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

/* What has left no trace in its database is for the run to do. */
int repair_rpm(struct repairer *repairer, struct error *err)
{
	AUTO(traces_release)
	struct traces traces = {
		.set = INSTALLED_SET_INIT,
		.unfinished = STRVEC_INIT,
		.left = DIFFERENCE_INIT,
	};

	if (applier_wait_rpm(repairer->applier, err) < 0 || mend_database(repairer, err) < 0 ||
	    look(repairer, &traces, err) < 0 ||
	    (traces.any && once_more(repairer, &traces, err) < 0))
		return -1;
	return clean(repairer, err);
}
