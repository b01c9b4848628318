#include "vzpkg/install/install_deb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/deb_control.h"
#include "vzpkg/install/deb_unpack.h"
#include "vzpkg/install/dpkg_database.h"
#include "vzpkg/install/dpkg_unpack.h"
#include "vzpkg/install/session.h"
#include "vzpkg/install/tree_check.h"
#include "vzpkg/install/wave.h"

#define CONTROL_FOLDER "tmp.ci" /* dpkg's name for it */

struct installer {
	const struct install_job *job;
	struct dpkg_database database;
	struct waves waves;
	struct session session;
	bool *unpacked; /* of each package of the plan */
	bool *configured;
	bool by_dpkg; /* the guest's dpkg unpacks the rest */
	char *dpkg_version;
	size_t set_up; /* packages that dpkg has begun to configure */
	bool counting; /* … and the phase in progress is about them */
	char *failing; /* the package that dpkg said it could not configure */
	char *working_on;
};

/* ---- before the first package ---------------------------------------------------------------------------- */

static const struct plan_package *find_package(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->packages[i].name, name) == 0)
			return &plan->packages[i];
	return NULL;
}

/* dpkg knows of several architectures from 1.16.2 on. */
static bool is_multi_arch(const struct plan *plan)
{
	const struct plan_package *dpkg = find_package(plan, "dpkg");
	unsigned major = 0, minor = 0, patch = 0;
	if (!dpkg || sscanf(dpkg->version, "%u.%u.%u", &major, &minor, &patch) < 2)
		return true;
	return major > 1 || minor > 16 || (minor == 16 && patch >= 2);
}

/* Releases with one of these packages expect /bin to be a link before anything is unpacked
 * (https://wiki.debian.org/UsrMerge); older ones break on it. */
static int merge_usr(const struct install_job *job, struct error *err)
{
	static const char *const always[] = { "bin", "sbin", "lib", NULL };
	static const char *const amd64[] = { "lib32", "lib64", "libx32", NULL };
	static const char *const i386[] = { "lib64", "libx32", NULL };
	static const char *const none[] = { NULL };
	const char *arch = job->template->arch_word;
	const char *const *sets[] = { always, strcmp(arch, "amd64") == 0  ? amd64
					      : strcmp(arch, "i386") == 0 ? i386
									  : none };

	if (!find_package(job->plan, "usr-is-merged") && !find_package(job->plan, "usrmerge"))
		return 0;
	if (mkdirat(job->tree, "usr", 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "creating /usr in the tree");
	for (size_t s = 0; s < 2; s++)
		for (const char *const *name = sets[s]; *name; name++) {
			autofree char *target = xasprintf("usr/%s", *name);
			if ((mkdirat(job->tree, target, 0755) < 0 && errno != EEXIST) ||
			    symlinkat(target, job->tree, *name) < 0)
				return error_errno(err, errno, "creating /%s in the tree", *name);
		}
	return 0;
}

/* ---- maintainer scripts ------------------------------------------------------------------------------------ */

static void dpkg_line(const char *line, void *data)
{
	struct installer *installer = data;
	static const char begun[] = "Setting up ", failed[] = "dpkg: error processing ";

	report_detail(installer->job->report, "%s", line);
	if (strncmp(line, begun, sizeof(begun) - 1) == 0) {
		const char *name = line + sizeof(begun) - 1;
		free(installer->working_on);
		installer->working_on = xstrndup(name, strcspn(name, " "));
		report_progress(installer->job->report, ++installer->set_up, installer->working_on);
	} else if (strncmp(line, failed, sizeof(failed) - 1) == 0 && !installer->failing) {
		const char *name = line + sizeof(failed) - 1;
		if (strncmp(name, "package ", 8) == 0) /* since 1.17 */
			name += 8;
		installer->failing = xstrndup(name, strcspn(name, " "));
	}
}

static void preinst_env(const struct installer *installer, const struct plan_package *package,
			struct strvec *env)
{
	strvec_push(env, "DPKG_MAINTSCRIPT_NAME=preinst");
	strvec_pushf(env, "DPKG_MAINTSCRIPT_PACKAGE=%s", package->name);
	strvec_pushf(env, "DPKG_MAINTSCRIPT_ARCH=%s", package->arch);
	strvec_push(env, "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1");
	strvec_pushf(env, "DPKG_RUNNING_VERSION=%s", installer->dpkg_version);
	strvec_push(env, "DPKG_ADMINDIR=/var/lib/dpkg");
	strvec_push(env, "DPKG_ROOT=");
}

static int run_preinst(struct installer *installer, const struct plan_package *package,
		       struct error *err)
{
	AUTO(strvec_release) struct strvec env = STRVEC_INIT;
	autofree char *what =
		xasprintf("%s %s: its script preinst", package->name, package->version);
	const char *argv[] = { "/var/lib/dpkg/" CONTROL_FOLDER "/preinst", "install", NULL };
	struct program program = {
		.what = what,
		.argv = argv,
		.script = -1,
		.input = -1,
		.env = &env,
		.line = dpkg_line,
		.data = installer,
	};
	preinst_env(installer, package, &env);
	if (session_run(&installer->session, &program, err) < 0)
		return error_subject(err, "%s", package->name);
	return 0;
}

/* Gives the package's control files the place that dpkg gives them while it runs the preinst: scripts
 * that ask questions (debconf) look for the others beside it. 1: there is a preinst. */
static int lay_out_control(struct installer *installer, const struct plan_package *package,
			   struct error *err)
{
	autofree char *name = xasprintf("%s %s", package->name, package->version);
	autoclose int deb = store_package_open(installer->job->store, package, err);

	if (deb < 0)
		return -1;
	if (mkdirat(installer->database.dpkg, CONTROL_FOLDER, 0755) < 0)
		return error_errno(err, errno, "creating " CONTROL_FOLDER);
	/* What a script has left running may put a link in its place meanwhile. */
	autoclose int folder = open_in_root(installer->database.dpkg, CONTROL_FOLDER,
					    O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (folder < 0)
		return error_errno(err, errno, "opening " CONTROL_FOLDER);
	if (deb_control_extract(deb, name, folder, err) < 0)
		return -1;
	return faccessat(folder, "preinst", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int run_packed_preinst(struct installer *installer, size_t index, struct error *err)
{
	const struct plan_package *package = &installer->job->plan->packages[index];
	int ret = lay_out_control(installer, package, err);

	if (ret > 0)
		ret = run_preinst(installer, package, err);
	if (ret < 0)
		return -1;
	return tree_remove(installer->database.dpkg, CONTROL_FOLDER, err);
}

/* In stage 1 the list of files in info/ tells which packages have one. */
static int run_unpacked_preinst(struct installer *installer, size_t index, struct error *err)
{
	autofree char *name = xasprintf("%s.preinst", installer->waves.unpacked[index].info_name);
	if (faccessat(installer->database.info, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return run_packed_preinst(installer, index, err);
}

/* ---- configuring ---------------------------------------------------------------------------------------------- */

static int configure_failed(struct installer *installer, struct error *err)
{
	const char *package = installer->failing ?: installer->working_on;

	if (!package)
		return -1;
	error_subject(err, "%s", package);
	error_wrap(err, "%s", package);
	return error_hint(err,
			  "the package's own script failed; --verbose shows all that it printed");
}

/* "dpkg --configure …" of the named packages, or of all. */
static int configure(struct installer *installer, const struct strvec *packages, bool force,
		     struct error *err)
{
	const char **argv = xcalloc((packages ? packages->count : 0) + 9, sizeof(const char *));
	size_t count = 0;
	struct program program = {
		.what = "configuring",
		.argv = argv,
		.script = -1,
		.input = -1,
		.line = dpkg_line,
		.data = installer,
	};

	argv[count++] = "dpkg";
	argv[count++] = "--log=/dev/null";
	argv[count++] = "--force-confold";
	/* The first failure is the one to be shown, with the end of what it printed. */
	argv[count++] = "--abort-after=1";
	if (force)
		argv[count++] = "--force-depends";
	argv[count++] = "--configure";
	if (!packages)
		argv[count++] = "-a";
	for (size_t i = 0; packages && i < packages->count; i++)
		argv[count++] = packages->items[i];
	int ret = session_run(&installer->session, &program, err);
	free(argv);
	return ret < 0 ? configure_failed(installer, err) : 0;
}

static void mark_configured(struct installer *installer)
{
	for (size_t i = 0; i < installer->job->plan->count; i++)
		installer->configured[i] = installer->unpacked[i];
}

/* ---- stage 1 -------------------------------------------------------------------------------------------------- */

static size_t *collect(const struct installer *installer,
		       bool (*wanted)(const struct installer *, size_t), size_t *ret_count)
{
	size_t *indices = xcalloc(installer->job->plan->count + 1, sizeof(*indices));
	size_t count = 0;
	for (size_t i = 0; i < installer->job->plan->count; i++)
		if (wanted(installer, i))
			indices[count++] = i;
	*ret_count = count;
	return indices;
}

/* The size of the package files, for progress. */
static uint64_t bytes_of(const struct plan *plan, const size_t *packages, size_t count)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += plan->packages[packages[i]].size;
	return bytes;
}

static bool is_base(const struct installer *installer, size_t index)
{
	return installer->job->plan->packages[index].base;
}

/* The scripts of all others need /etc/passwd, and old ones the skeleton of the file system. The preinst of
 * base-passwd makes it; before Debian 8 there was none, and its postinst did. */
static int make_users(struct installer *installer, size_t base_passwd, struct error *err)
{
	static const char *const first[] = { "base-passwd", "base-files" };
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	if (run_unpacked_preinst(installer, base_passwd, err) < 0)
		return -1;
	autoclose int passwd = open_in_root(installer->job->tree, "etc/passwd", O_PATH, 0);
	if (passwd >= 0)
		return 0;
	for (size_t i = 0; i < 2; i++)
		if (find_package(installer->job->plan, first[i]))
			strvec_push(&names, first[i]);
	return configure(installer, &names, true, err);
}

static int run_preinsts(struct installer *installer, const size_t *packages, size_t count,
			struct error *err)
{
	const struct plan_package *all = installer->job->plan->packages;
	const struct plan_package *users = find_package(installer->job->plan, "base-passwd");

	if (users && users->base && make_users(installer, (size_t)(users - all), err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (&all[packages[i]] != users &&
		    run_unpacked_preinst(installer, packages[i], err) < 0)
			return -1;
	return 0;
}

static void tell_unpacked(const struct installer *installer)
{
	if (installer->job->unpacked)
		installer->job->unpacked(installer->waves.newest, installer->job->data);
}

static int stage_one(struct installer *installer, struct error *err)
{
	const struct install_job *job = installer->job;
	size_t count;
	autofree size_t *base = collect(installer, is_base, &count);

	if (!count) {
		error_set(err, ERROR_INSTALL, "the plan holds no essential packages");
		return error_hint(err, "the repositories are not those of a whole distribution");
	}
	if (merge_usr(job, err) < 0 ||
	    dpkg_database_open(&installer->database, job->tree, is_multi_arch(job->plan), err) < 0)
		return -1;
	report_phase(job->report, "unpacking the essential packages", REPORT_BYTES,
		     bytes_of(job->plan, base, count), 15);
	if (wave_unpack(&installer->waves, base, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		installer->unpacked[base[i]] = true;

	tell_unpacked(installer);
	if (session_start(&installer->session, job, installer->waves.newest, err) < 0)
		return -1;
	report_phase(job->report, "configuring the essential packages", REPORT_ITEMS, count, 15);
	installer->counting = true;
	if (run_preinsts(installer, base, count, err) < 0 ||
	    configure(installer, NULL, false, err) < 0)
		return -1;
	mark_configured(installer);
	return 0;
}

/* ---- stage 2 -------------------------------------------------------------------------------------------------- */

static bool is_ready(const struct installer *installer, size_t index)
{
	const struct plan_package *package = &installer->job->plan->packages[index];

	if (installer->unpacked[index])
		return false;
	for (size_t i = 0; i < package->pre_depend_count; i++)
		if (!installer->configured[package->pre_depends[i]])
			return false;
	return true;
}

static bool is_left(const struct installer *installer, size_t index)
{
	return !installer->unpacked[index];
}

/* Once dpkg has unpacked something, we do not know all files' owners any more. */
static int unpack_by_dpkg(struct installer *installer, const size_t *wave, size_t count,
			  struct error *err)
{
	installer->by_dpkg = true;
	if (dpkg_unpack(&installer->session, wave, count, &installer->waves.newest, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		installer->unpacked[wave[i]] = true;
	return 0;
}

static int unpack_ourselves(struct installer *installer, const size_t *wave, size_t count,
			    struct error *err)
{
	AUTO(dpkg_overrides_release) struct dpkg_overrides overrides = DPKG_OVERRIDES_INIT;
	const struct unpacked **unpacked = xcalloc(count + 1, sizeof(const struct unpacked *));
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < count; i++)
		ret = run_packed_preinst(installer, wave[i], err);
	/* After the scripts, which may have ordered new ones. */
	if (ret == 0)
		ret = dpkg_overrides_read(&overrides, installer->job->tree, err);
	installer->waves.overrides = &overrides;
	if (ret == 0)
		ret = wave_unpack(&installer->waves, wave, count, err);
	installer->waves.overrides = NULL;
	for (size_t i = 0; ret == 0 && i < count; i++) {
		installer->unpacked[wave[i]] = true;
		unpacked[i] = &installer->waves.unpacked[wave[i]];
	}
	if (ret == 0)
		ret = dpkg_database_activate(&installer->database, unpacked, count, err);
	free(unpacked);
	return ret;
}

static int unpack_wave(struct installer *installer, const size_t *wave, size_t count,
		       struct error *err)
{
	bool filters;

	if (dpkg_has_filters(installer->job->tree, &filters, err) < 0)
		return -1;
	if (filters || installer->by_dpkg)
		return unpack_by_dpkg(installer, wave, count, err);
	return unpack_ourselves(installer, wave, count, err);
}

/* Adds a package and all that it depends on; false if something of that is not unpacked yet. */
static bool add_with_depends(const struct installer *installer, size_t index, bool *wanted)
{
	const struct plan_package *package = &installer->job->plan->packages[index];
	bool whole = installer->unpacked[index];

	if (wanted[index] || installer->configured[index])
		return true;
	wanted[index] = true;
	for (size_t i = 0; i < package->pre_depend_count; i++)
		whole &= add_with_depends(installer, package->pre_depends[i], wanted);
	for (size_t i = 0; i < package->depend_count; i++)
		whole &= add_with_depends(installer, package->depends[i], wanted);
	return whole;
}

/* What packages that wait pre-depend on, with all that it depends on. If that waits itself for something,
 * it is for a later wave. */
static void add_needed(const struct installer *installer, size_t waiting, bool *needed)
{
	const struct plan *plan = installer->job->plan;
	const struct plan_package *package = &plan->packages[waiting];

	for (size_t i = 0; i < package->pre_depend_count; i++) {
		autofree bool *wanted = xcalloc(plan->count + 1, sizeof(*wanted));
		if (!add_with_depends(installer, package->pre_depends[i], wanted))
			continue;
		for (size_t p = 0; p < plan->count; p++)
			needed[p] |= wanted[p];
	}
}

static int configure_needed(struct installer *installer, struct error *err)
{
	const struct plan *plan = installer->job->plan;
	autofree bool *needed = xcalloc(plan->count + 1, sizeof(*needed));
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	for (size_t i = 0; i < plan->count; i++)
		if (!installer->unpacked[i])
			add_needed(installer, i, needed);
	for (size_t i = 0; i < plan->count; i++) {
		if (!needed[i])
			continue;
		strvec_push(&names, plan->packages[i].name);
		installer->configured[i] = true;
	}
	return names.count ? configure(installer, &names, false, err) : 0;
}

static int stage_two(struct installer *installer, struct error *err)
{
	size_t count, left;

	autofree size_t *others = collect(installer, is_left, &left);
	if (!left)
		return 0;
	installer->counting = false;
	installer->set_up = 0;
	installer->waves.done_bytes = 0;
	report_phase(installer->job->report, "unpacking the other packages", REPORT_BYTES,
		     bytes_of(installer->job->plan, others, left), 15);
	for (;;) {
		autofree size_t *rest = collect(installer, is_left, &left);
		if (!left)
			return 0;
		autofree size_t *wave = collect(installer, is_ready, &count);
		if (!count) {
			const char *name = installer->job->plan->packages[rest[0]].name;
			error_set(err, ERROR_INSTALL, "%s pre-depends on itself in a circle", name);
			return error_subject(err, "%s", name);
		}
		if (unpack_wave(installer, wave, count, err) < 0)
			return -1;
		if (count < left && configure_needed(installer, err) < 0)
			return -1;
	}
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

/* Scripts can write dpkg's files, and what the manifest says shall be true. */
static int check_finished(struct installer *installer, struct error *err)
{
	AUTO(strbuf_release) struct strbuf differences = STRBUF_INIT;

	if (dpkg_database_compare(&installer->database, installer->job->plan, &differences, err) <
	    0)
		return -1;
	if (!differences.length)
		return 0;
	error_set(err, ERROR_INSTALL, "dpkg's database is not that of the packages: %s",
		  differences.text);
	return error_hint(err, "a package's script, or the template's, has changed it");
}

static int write_sources(const struct install_job *job, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int apt =
		open_in_root(job->tree, "etc/apt", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (apt < 0 || !job->template->guest_repositories.count)
		return 0;
	for (size_t i = 0; i < job->template->guest_repositories.count; i++)
		strbuf_addf(&text, "%s\n", job->template->guest_repositories.items[i]);
	return file_write_atomic(apt, "sources.list", 0644, text.text, text.length, err);
}

static int install_stages(struct installer *installer, struct error *err)
{
	const struct install_job *job = installer->job;
	struct session *session = &installer->session;
	size_t others;

	if (stage_one(installer, err) < 0)
		return -1;
	free(collect(installer, is_left, &others));
	if (template_script_run(session, job, SCRIPT_PRE_INSTALL, err) < 0 ||
	    stage_two(installer, err) < 0 ||
	    template_script_run(session, job, SCRIPT_MID_PRE_INSTALL, err) < 0)
		return -1;
	if (others) {
		report_phase(job->report, "configuring the other packages", REPORT_ITEMS, others,
			     20);
		installer->counting = true;
		tell_unpacked(installer);
	}
	if (configure(installer, NULL, false, err) < 0 ||
	    template_script_run(session, job, SCRIPT_MID_POST_INSTALL, err) < 0 ||
	    check_finished(installer, err) < 0 ||
	    apt_mark_automatic(job->tree, job->plan, job->template->arch_word, err) < 0 ||
	    write_sources(job, err) < 0)
		return -1;
	report_phase_end(job->report);
	if (template_script_run(session, job, SCRIPT_POST_INSTALL, err) < 0)
		return -1;
	if (job->ret_unowned && tree_unowned(session, job->ret_unowned, err) < 0)
		return -1;
	return session_close(session, err);
}

static void installer_release(struct installer *installer)
{
	session_end(&installer->session);
	waves_release(&installer->waves);
	dpkg_database_release(&installer->database);
	free(installer->unpacked);
	free(installer->configured);
	free(installer->dpkg_version);
	free(installer->failing);
	free(installer->working_on);
}

int install_deb(const struct install_job *job, struct error *err)
{
	const struct plan_package *dpkg = find_package(job->plan, "dpkg");
	AUTO(installer_release)
	struct installer installer = {
		.job = job,
		.database = DPKG_DATABASE_INIT,
		.unpacked = xcalloc(job->plan->count + 1, sizeof(bool)),
		.configured = xcalloc(job->plan->count + 1, sizeof(bool)),
		.dpkg_version = xstrdup(dpkg ? dpkg->version : "1"),
	};
	installer.waves = (struct waves){
		.job = job,
		.database = &installer.database,
		.unpacked = xcalloc(job->plan->count + 1, sizeof(struct unpacked)),
	};
	if (install_stages(&installer, err) < 0)
		return -1;
	if (job->ret_epoch)
		*job->ret_epoch = installer.waves.newest;
	return 0;
}
