#include "vzpkg/install/install_rpm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/rpm_database.h"
#include "vzpkg/install/rpm_transaction.h"
#include "vzpkg/install/session.h"
#include "vzpkg/install/yum_repositories.h"

/* ---- what the template says ------------------------------------------------------------------------------ */

static const char *setting(const struct template *template, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < template->environment.count; i++) {
		const char *item = template->environment.items[i];
		if (strncmp(item, key, length) == 0 && item[length] == '=' && item[length + 1])
			return item + length + 1;
	}
	return NULL;
}

static struct rpm_options options_of(const struct template *template)
{
	const char *no_docs = setting(template, "RPM_EXCLUDE_DOCS");

	return (struct rpm_options){
		.no_docs = no_docs && strcmp(no_docs, "yes") == 0,
		.langs = setting(template, "RPM_INSTALL_LANGS"),
		.database_format = setting(template, "RPM_DB_FORMAT"),
		.database_path = setting(template, "RPM_DB_PATH"),
	};
}

/* ---- the guest's own rpm ------------------------------------------------------------------------------------ */

static void rpm_line(const char *line, void *data)
{
	const struct install_job *job = data;
	report_detail(job->report, "%s", line);
}

static int run_rpm(struct session *session, const char *const *argv, int input, const char *what,
		   void (*line)(const char *line, void *data), void *data, struct error *err)
{
	struct program program = {
		.what = what,
		.argv = argv,
		.script = -1,
		.input = input,
		.line = line,
		.data = data,
	};
	return session_run(session, &program, err);
}

static int import_headers(struct session *session, struct error *err)
{
	static const char *const init[] = { "rpmdb", "--initdb", NULL };
	static const char *const import[] = { "rpmdb", "--importdb", NULL };
	const struct install_job *job = session->job;
	autoclose int headers =
		open_in_root(job->tree, RPM_DATABASE_HEADERS, O_RDONLY | O_NOFOLLOW, 0);

	if (headers < 0)
		return error_errno(err, errno, "opening %s", RPM_DATABASE_HEADERS);
	if (run_rpm(session, init, -1, "creating the guest's rpm database", rpm_line, (void *)job,
		    err) < 0 ||
	    run_rpm(session, import, headers, "filling the guest's rpm database", rpm_line,
		    (void *)job, err) < 0)
		return error_hint(err, "this host cannot write the format of the guest's rpm, and "
				       "the guest's rpm did not "
				       "do it: set RPM_DB_FORMAT in the template's environment");
	return tree_remove(job->tree, RPM_DATABASE_OURS_NAME, err);
}

/* It makes its indexes, and would tell us if it could not read what we have written. */
static int rebuild(struct session *session, struct error *err)
{
	static const char *const argv[] = { "rpm", "--rebuilddb", NULL };

	if (run_rpm(session, argv, -1, "the guest's rpm --rebuilddb", rpm_line,
		    (void *)session->job, err) < 0)
		return error_hint(
			err,
			"set RPM_DB_FORMAT in the template's environment to what its rpm reads");
	return 0;
}

struct listing {
	const struct plan *plan;
	bool *listed; /* of each package */
	struct strbuf strange;
};

static void listed_line(const char *line, void *data)
{
	struct listing *listing = data;

	if (strncmp(line, "gpg-pubkey ", 11) == 0)
		return;
	for (size_t i = 0; i < listing->plan->count; i++) {
		const struct plan_package *package = &listing->plan->packages[i];
		autofree char *text =
			xasprintf("%s %s %s", package->name, package->version, package->arch);
		if (strcmp(text, line) == 0 && !listing->listed[i]) {
			listing->listed[i] = true;
			return;
		}
	}
	if (listing->strange.length < 2000)
		strbuf_addf(&listing->strange, "%s%s", listing->strange.length ? ", " : "", line);
}

/* What the manifest says shall be true. */
static int check_listing(struct session *session, struct error *err)
{
	static const char *const argv[] = {
		"rpm", "-qa", "--qf",
		"%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\\n", NULL
	};
	const struct plan *plan = session->job->plan;
	autofree bool *listed = xcalloc(plan->count + 1, sizeof(*listed));
	struct listing listing = { .plan = plan, .listed = listed, .strange = STRBUF_INIT };
	AUTO(strbuf_release) struct strbuf missing = STRBUF_INIT;

	int ret = run_rpm(session, argv, -1, "the guest's rpm -qa", listed_line, &listing, err);
	for (size_t i = 0; ret == 0 && i < plan->count; i++)
		if (!listed[i] && missing.length < 2000)
			strbuf_addf(&missing, "%s%s", missing.length ? ", " : "",
				    plan->packages[i].name);
	if (ret == 0 && (missing.length || listing.strange.length)) {
		ret = error_set(
			err, ERROR_INSTALL,
			"the guest's rpm does not list what was installed: missing: %s; more: %s",
			missing.length ? missing.text : "nothing",
			listing.strange.length ? listing.strange.text : "nothing");
		error_hint(err,
			   "set RPM_DB_FORMAT in the template's environment to what its rpm reads");
	}
	strbuf_release(&listing.strange);
	return ret;
}

static bool has_rpm(const struct install_job *job)
{
	for (size_t i = 0; i < job->plan->count; i++)
		if (strcmp(job->plan->packages[i].name, "rpm") == 0)
			return true;
	return false;
}

static int settle_database(struct session *session, const struct rpm_outcome *outcome,
			   struct error *err)
{
	if (outcome->database == GUEST_DATABASE_HEADERS && import_headers(session, err) < 0)
		return -1;
	if (!has_rpm(session->job))
		return 0;
	report_phase(session->job->report, "checking the database", REPORT_ITEMS, 0, 3);
	if (rebuild(session, err) < 0 || check_listing(session, err) < 0)
		return -1;
	return rpm_database_make_reproducible(session->job->tree, outcome->database_path, err);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static int install_stages(struct session *session, struct error *err)
{
	const struct install_job *job = session->job;
	struct rpm_options options = options_of(job->template);
	AUTO(rpm_outcome_release) struct rpm_outcome outcome = { 0 };

	report_phase(job->report, "installing packages", REPORT_ITEMS, job->plan->count, 40);
	if (session_start(session, job, job->newest, err) < 0 ||
	    rpm_transaction_run(session, &options, &outcome, err) < 0 ||
	    template_script_run(session, job, SCRIPT_MID_POST_INSTALL, err) < 0 ||
	    settle_database(session, &outcome, err) < 0 ||
	    yum_repositories_write(job->tree, &job->template->guest_repositories, err) < 0)
		return -1;
	report_phase_end(job->report);
	if (template_script_run(session, job, SCRIPT_POST_INSTALL, err) < 0)
		return -1;
	return session_close(session, err);
}

int install_rpm(const struct install_job *job, struct error *err)
{
	AUTO(session_end) struct session session = { .job = job };

	if (install_stages(&session, err) < 0)
		return -1;
	if (job->ret_epoch)
		*job->ret_epoch = job->newest;
	return 0;
}
