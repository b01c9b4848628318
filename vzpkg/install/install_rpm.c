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
#include "vzpkg/install/rpm_guest.h"
#include "vzpkg/install/rpm_transaction.h"
#include "vzpkg/install/session.h"
#include "vzpkg/install/tree_check.h"
#include "vzpkg/install/yum_repositories.h"

/* ---- what the template says ------------------------------------------------------------------------------ */

static struct rpm_options options_of(const struct template *template)
{
	return (struct rpm_options){
		.no_docs = rpm_guest_without_docs(template),
		.langs = rpm_setting(template, "RPM_INSTALL_LANGS"),
		.database_format = rpm_setting(template, "RPM_DB_FORMAT"),
		.database_path = rpm_setting(template, "RPM_DB_PATH"),
	};
}

/* ---- the database ------------------------------------------------------------------------------------------- */

static void rpm_line(const char *line, void *data)
{
	const struct install_job *job = data;
	report_detail(job->report, "%s", line);
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
	if (rpm_guest_run(session, init, -1, "creating the guest's rpm database", rpm_line,
			  (void *)job, err) < 0 ||
	    rpm_guest_run(session, import, headers, "filling the guest's rpm database", rpm_line,
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

	if (rpm_guest_run(session, argv, -1, "the guest's rpm --rebuilddb", rpm_line,
			  (void *)session->job, err) < 0)
		return error_hint(
			err,
			"set RPM_DB_FORMAT in the template's environment to what its rpm reads");
	return 0;
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
	if (rebuild(session, err) < 0 || rpm_guest_check(session, err) < 0)
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
	if (session_start(session, job, job->newest, err) < 0)
		return -1;
	if (job->unpacking)
		job->unpacking(job->newest, job->data);
	if (rpm_transaction_run(session, &options, &outcome, err) < 0 ||
	    template_script_run(session, job, SCRIPT_MID_POST_INSTALL, err) < 0 ||
	    settle_database(session, &outcome, err) < 0 ||
	    yum_repositories_write(job->tree, &job->template->guest_repositories, err) < 0)
		return -1;
	report_phase_end(job->report);
	if (template_script_run(session, job, SCRIPT_POST_INSTALL, err) < 0)
		return -1;
	if (job->ret_unowned && tree_unowned(session, job->ret_unowned, err) < 0)
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
