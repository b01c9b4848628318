#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/install/change.h"
#include "vzpkg/install/clean.h"
#include "vzpkg/install/rpm_guest.h"

static const char suffix[] = "rpm";
static const char *const verify[] = { "rpm", "-V", "--nodeps", "--noscripts", NULL };

struct changer {
	const struct install_job *job;
	struct session session;
	struct tree_state before, after;
	struct strvec differed; /* before: lines of rpm -V for what is to be replaced */
};

static void rpm_line(const char *line, void *data)
{
	const struct install_job *job = data;
	report_detail(job->report, "%s", line);
}

static int run_rpm(struct changer *changer, const char *const *options,
		   const struct strvec *operands, const char *what, struct error *err)
{
	size_t count = 0;

	if (!operands->count)
		return 0;
	while (options[count])
		count++;
	const char **argv = xcalloc(count + operands->count + 1, sizeof(const char *));
	for (size_t i = 0; i < count; i++)
		argv[i] = options[i];
	for (size_t i = 0; i < operands->count; i++)
		argv[count + i] = operands->items[i];
	int ret = rpm_guest_run(&changer->session, argv, -1, what, rpm_line, (void *)changer->job,
				err);
	free(argv);
	return ret;
}

/* Several versions of a package can be there, of which one goes. */
static int erase(struct changer *changer, struct error *err)
{
	/* The plan fits together as a whole; on the way to it not everything does. */
	static const char *const options[] = { "rpm", "-e", "--nodeps", NULL };
	const struct difference *difference = changer->job->difference;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	for (size_t i = 0; i < difference->count; i++) {
		const struct installed_package *before = difference->changes[i].before;
		if (difference->changes[i].kind != CHANGE_REMOVE)
			continue;
		const char *colon = strchr(before->version, ':');
		strvec_pushf(&names, "%s-%s", before->name, colon ? colon + 1 : before->version);
	}
	return run_rpm(changer, options, &names, "removing packages", err);
}

/* Signatures and digests were looked at on the host, with keys that the guest may not know. */
static int upgrade(struct changer *changer, struct error *err)
{
	AUTO(strvec_release) struct strvec options = STRVEC_INIT, files = STRVEC_INIT;
	const struct install_job *job = changer->job;

	strvec_push(&options, "rpm");
	strvec_push(&options, "-U");
	strvec_push(&options, "--nosignature");
	strvec_push(&options, "--nodigest");
	strvec_push(&options, "--oldpackage");
	strvec_push(&options, "--replacepkgs");
	if (rpm_guest_without_docs(job->template))
		strvec_push(&options, "--excludedocs");
	for (size_t i = 0; i < job->difference->count; i++)
		if (job->difference->changes[i].kind != CHANGE_REMOVE)
			strvec_take(&files,
				    change_file(job->difference->changes[i].package, suffix));
	report_phase(job->report, "upgrading packages", REPORT_ITEMS, files.count, 20);
	return run_rpm(changer, (const char *const *)options.items, &files, "upgrading packages",
		       err);
}

static int look_before(struct changer *changer, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	change_names(changer->job, 1U << CHANGE_REPLACE | 1U << CHANGE_REMOVE, &names);
	if (tree_state_read(&changer->session, &changer->before, err) < 0 ||
	    change_verify(&changer->session, verify, &names, &changer->differed, err) < 0)
		return -1;
	return change_check_before(&changer->differed, err);
}

static int look_after(struct changer *changer, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, lines = STRVEC_INIT;
	const struct install_job *job = changer->job;

	report_phase(job->report, "comparing with the packages", REPORT_ITEMS, 0, 5);
	change_names(job, 1U << CHANGE_ADD | 1U << CHANGE_REPLACE, &names);
	if (rpm_guest_check(&changer->session, err) < 0 || clean_tree(job->tree, err) < 0 ||
	    tree_state_read(&changer->session, &changer->after, err) < 0 ||
	    tree_check(&changer->session, &changer->before, &changer->after, &names, err) < 0 ||
	    change_verify(&changer->session, verify, &names, &lines, err) < 0)
		return -1;
	return change_check_after(&changer->differed, &lines, &changer->before, &changer->after,
				  err);
}

static int change_stages(struct changer *changer, struct error *err)
{
	const struct install_job *job = changer->job;
	struct session *session = &changer->session;

	if (change_lay_out(job, suffix, err) < 0 ||
	    session_start(session, job, job->before_epoch, err) < 0 ||
	    look_before(changer, err) < 0 ||
	    template_script_run(session, job, SCRIPT_PRE_UPDATE, err) < 0 ||
	    erase(changer, err) < 0 || upgrade(changer, err) < 0 ||
	    template_script_run_after_update(session, job, err) < 0 || look_after(changer, err) < 0)
		return -1;
	report_phase_end(job->report);
	return session_close(session, err);
}

static void changer_release(struct changer *changer)
{
	session_end(&changer->session);
	tree_state_release(&changer->before);
	tree_state_release(&changer->after);
	strvec_release(&changer->differed);
}

int change_rpm(const struct install_job *job, struct error *err)
{
	AUTO(changer_release)
	struct changer changer = {
		.job = job,
		.session = { .job = job },
		.before = TREE_STATE_INIT,
		.after = TREE_STATE_INIT,
	};
	if (change_stages(&changer, err) < 0)
		return -1;
	if (job->ret_epoch)
		*job->ret_epoch = job->newest > job->before_epoch ? job->newest : job->before_epoch;
	return 0;
}
