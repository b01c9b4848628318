#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/change.h"
#include "vzpkg/install/deb_archive.h"
#include "vzpkg/install/dpkg_database.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/install/dpkg_unpack.h"
#include "vzpkg/install/real_path.h"

static const char suffix[] = "deb";

/* The changer's data. */
struct dpkg_change {
	bool *waiting; /* of each package of the plan: it is to be unpacked */
	bool *configured; /* … or was */
	int64_t newest; /* file time in the packages, Unix seconds */
	bool filters; /* the guest's dpkg leaves files out */
};

/* ---- dpkg ------------------------------------------------------------------------------------------------------- */

static void dpkg_line(const char *line, void *data)
{
	const struct changer *changer = data;
	report_detail(changer->job->report, "%s", line);
}

static int run_dpkg(struct changer *changer, const char *what, const char *action,
		    const struct strvec *operands, struct error *err)
{
	const char **argv = xcalloc(operands->count + 8, sizeof(const char *));
	size_t count = 0;
	struct program program = {
		.what = what,
		.argv = argv,
		.script = -1,
		.input = -1,
		.line = dpkg_line,
		.data = changer,
	};

	argv[count++] = "dpkg";
	argv[count++] = "--log=/dev/null";
	argv[count++] = "--force-confold";
	argv[count++] = "--abort-after=1";
	/* What is removed, what is unpacked and what is configured fit together when all of it is done. */
	if (strcmp(action, "--purge") == 0)
		argv[count++] = "--force-depends";
	argv[count++] = action;
	for (size_t i = 0; i < operands->count; i++)
		argv[count++] = operands->items[i];
	int ret = session_run(&changer->session, &program, err);
	free(argv);
	return ret;
}

static int purge(struct changer *changer, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	change_names(changer->job, 1U << CHANGE_REMOVE, &names);
	return names.count ? run_dpkg(changer, "removing packages", "--purge", &names, err) : 0;
}

static int configure(struct changer *changer, struct error *err)
{
	AUTO(strvec_release) struct strvec all = STRVEC_INIT;
	struct dpkg_change *own = changer->data;

	strvec_push(&all, "-a");
	if (run_dpkg(changer, "configuring", "--configure", &all, err) < 0)
		return -1;
	for (size_t i = 0; i < changer->job->plan->count; i++)
		own->configured[i] = !own->waiting[i];
	return 0;
}

/* ---- in waves, as pre-dependencies demand --------------------------------------------------------------------------- */

static bool is_ready(const struct changer *changer, size_t index)
{
	const struct plan_package *package = &changer->job->plan->packages[index];
	const struct dpkg_change *own = changer->data;

	for (size_t i = 0; i < package->pre_depend_count; i++)
		if (!own->configured[package->pre_depends[i]])
			return false;
	return true;
}

static size_t unpack_wave(struct changer *changer, struct error *err)
{
	const struct plan *plan = changer->job->plan;
	struct dpkg_change *own = changer->data;
	AUTO(strvec_release) struct strvec files = STRVEC_INIT;
	autofree bool *wave = xcalloc(plan->count + 1, sizeof(*wave));

	for (size_t i = 0; i < plan->count; i++) {
		wave[i] = own->waiting[i] && is_ready(changer, i);
		if (wave[i])
			strvec_take(&files, change_file(i, suffix));
	}
	if (files.count && run_dpkg(changer, "unpacking packages", "--unpack", &files, err) < 0)
		return 0;
	for (size_t i = 0; i < plan->count; i++) {
		own->waiting[i] &= !wave[i];
		own->configured[i] &= !wave[i];
	}
	return files.count;
}

static int unpack_all(struct changer *changer, struct error *err)
{
	const struct difference *difference = changer->job->difference;
	size_t left = difference->count - difference_count(difference, CHANGE_REMOVE), done = 0;

	report_phase(changer->job->report, "upgrading packages", REPORT_ITEMS, left, 20);
	while (done < left) {
		size_t wave = unpack_wave(changer, err);
		if (!wave && err->kind == ERROR_NONE)
			return error_set(err, ERROR_INSTALL,
					 "packages pre-depend on each other in a circle");
		if (!wave || configure(changer, err) < 0)
			return -1;
		report_progress(changer->job->report, done += wave, NULL);
	}
	/* Triggers that a removal has set off. */
	return configure(changer, err);
}

/* ---- what a package says of its files -------------------------------------------------------------------------------- */

struct inspection {
	struct changer *changer;
	const struct plan_package *package;
	struct dpkg_overrides overrides;
	struct real_paths real;
};

static int deviates(const struct inspection *inspection, const char *path, const char *what,
		    struct error *err)
{
	error_set(err, ERROR_GATE, "/%s of %s %s", path, inspection->package->name, what);
	return error_subject(err, "/%s", path);
}

static bool fits(const struct walk_entry *now, struct archive_entry *entry,
		 const struct stat_override *override)
{
	mode_t mode = override ? override->mode : archive_entry_perm(entry);
	int64_t uid = override ? (int64_t) override->uid : archive_entry_uid(entry);
	int64_t gid = override ? (int64_t) override->gid : archive_entry_gid(entry);

	if ((now->mode & S_IFMT) != archive_entry_filetype(entry) || now->uid != uid ||
	    now->gid != gid)
		return false;
	if (S_ISLNK(now->mode))
		return strcmp(now->symlink, archive_entry_symlink(entry) ?: "") == 0;
	return (now->mode & 07777) == mode;
}

/* A script that changed mode, owner or attributes has done so in the earlier tree too. Content is dpkg's to compare. */
static int inspect_entry(struct inspection *inspection, struct archive_entry *entry,
			 struct error *err)
{
	struct changer *changer = inspection->changer;
	const struct dpkg_change *own = changer->data;
	const char *written = archive_entry_pathname(entry);
	autofree char *path = real_path(&inspection->real, written ?: "");
	const char *diverted =
		dpkg_diverted(&inspection->overrides, path, inspection->package->name);
	const struct walk_entry *now = tree_state_find(&changer->after, diverted ?: path);
	const struct walk_entry *was = tree_state_find(&changer->before, diverted ?: path);
	const char *owner = ownership_find(&changer->after.ownership, diverted ?: path);

	if (!*path || archive_entry_filetype(entry) == AE_IFDIR || archive_entry_hardlink(entry))
		return 0;
	if (!now && own->filters)
		return 0;
	if (!now)
		return deviates(inspection, path, "is missing", err);
	/* Another package that replaces it has brought it. */
	if (!diverted && owner && strcmp(owner, inspection->package->name) != 0)
		return 0;
	if (was && tree_entry_same(was, now))
		return 0;
	if (!fits(now, entry, dpkg_stat_override(&inspection->overrides, path)))
		return deviates(inspection, path, "has another mode, owner or target", err);
	if (was && was->xattr_count != now->xattr_count)
		return deviates(inspection, path, "has other attributes than before", err);
	return 0;
}

static int inspect(struct inspection *inspection, struct error *err)
{
	const struct plan_package *package = inspection->package;
	struct changer *changer = inspection->changer;
	struct dpkg_change *own = changer->data;
	AUTO(deb_archive_freep) struct deb_archive *deb = NULL;
	autofree char *name = xasprintf("%s %s", package->name, package->version);
	struct archive_entry *entry;
	int status = -1;

	autoclose int fd = store_package_open(changer->job->store, package, err);
	if (fd < 0 || deb_archive_open(fd, name, &deb, err) < 0 || !deb_archive_control(deb, err))
		return -1;
	struct archive *tar = deb_archive_data(deb, err);
	while (tar && (status = deb_tar_next(deb, tar, &entry, err)) > 0) {
		if (archive_entry_filetype(entry) == AE_IFREG &&
		    archive_entry_mtime(entry) > own->newest)
			own->newest = archive_entry_mtime(entry);
		if (inspect_entry(inspection, entry, err) < 0)
			return -1;
	}
	return status;
}

static int inspect_all(struct changer *changer, struct error *err)
{
	const struct difference *difference = changer->job->difference;
	struct inspection inspection = { .changer = changer, .overrides = DPKG_OVERRIDES_INIT };
	int ret = dpkg_overrides_read(&inspection.overrides, changer->job->tree, err);

	real_paths_open(&inspection.real, changer->job->tree);
	for (size_t i = 0; ret == 0 && i < difference->count; i++) {
		if (difference->changes[i].kind == CHANGE_REMOVE)
			continue;
		inspection.package = &changer->job->plan->packages[difference->changes[i].package];
		ret = inspect(&inspection, err);
	}
	real_paths_release(&inspection.real);
	dpkg_overrides_release(&inspection.overrides);
	return ret;
}

/* ---- the other steps -------------------------------------------------------------------------------------------------- */

static int look(struct changer *changer, struct error *err)
{
	struct dpkg_change *own = changer->data;
	return dpkg_has_filters(changer->job->tree, &own->filters, err);
}

static int mark_automatic(struct changer *changer, struct error *err)
{
	const struct install_job *job = changer->job;
	return apt_mark_automatic(job->tree, job->plan, job->template->arch_word, err);
}

/* Configuration files that a new version does not have any more stay, and are none of a build from nothing. */
static int check_obsolete(struct changer *changer, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	static const char mark[] = " obsolete\n";
	autoclose int fd = open_in_root(changer->job->tree, "var/lib/dpkg/status", O_RDONLY, 0);
	if (fd < 0 || file_read_fd(fd, "dpkg's status", 256 << 20, &text, err) < 0)
		return fd < 0 ? error_errno(err, errno, "opening dpkg's status") : -1;
	if (!strstr(text.text, mark))
		return 0;
	return error_set(err, ERROR_GATE,
			 "a configuration file is left that no package has any more");
}

static int check_database(struct changer *changer, struct error *err)
{
	AUTO(dpkg_database_release) struct dpkg_database database = DPKG_DATABASE_INIT;
	AUTO(strbuf_release) struct strbuf differences = STRBUF_INIT;
	const struct install_job *job = changer->job;

	if (dpkg_database_open(&database, job->tree, true, err) < 0 ||
	    dpkg_database_compare(&database, job->plan, &differences, err) < 0)
		return -1;
	if (differences.length)
		return error_set(err, ERROR_GATE, "dpkg's database is not that of the packages: %s",
				 differences.text);
	return check_obsolete(changer, err);
}

static const struct change_format format = {
	.suffix = suffix,
	.verify = (const char *const[]){ "dpkg", "--verify", NULL },
	.look = look,
	.remove = purge,
	.upgrade = unpack_all,
	.finish = mark_automatic,
	.check_database = check_database,
	.check_files = inspect_all,
};

static void dpkg_change_release(struct dpkg_change *own)
{
	free(own->waiting);
	free(own->configured);
}

int change_deb(const struct install_job *job, struct error *err)
{
	AUTO(dpkg_change_release)
	struct dpkg_change own = {
		.waiting = xcalloc(job->plan->count + 1, sizeof(bool)),
		.configured = xcalloc(job->plan->count + 1, sizeof(bool)),
		.newest = job->before_epoch,
	};
	for (size_t i = 0; i < job->plan->count; i++)
		own.configured[i] = true;
	for (size_t i = 0; i < job->difference->count; i++) {
		const struct package_change *change = &job->difference->changes[i];
		if (change->kind == CHANGE_REMOVE)
			continue;
		own.waiting[change->package] = true;
		own.configured[change->package] = change->kind == CHANGE_REPLACE;
	}
	if (change_run(job, &format, &own, err) < 0)
		return -1;
	if (job->ret_epoch)
		*job->ret_epoch = own.newest;
	return 0;
}
