#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/install/change.h"
#include "vzpkg/install/rpm_guest.h"

static const char suffix[] = "rpm";

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

static int check_database(struct changer *changer, struct error *err)
{
	return rpm_guest_check(&changer->session, err);
}

static const struct change_format format = {
	.suffix = suffix,
	.verify = (const char *const[]){ "rpm", "-V", "--nodeps", "--noscripts", NULL },
	.remove = erase,
	.upgrade = upgrade,
	.check_database = check_database,
};

int change_rpm(const struct install_job *job, struct error *err)
{
	if (change_run(job, &format, NULL, err) < 0)
		return -1;
	if (job->ret_epoch)
		*job->ret_epoch = job->newest > job->before_epoch ? job->newest : job->before_epoch;
	return 0;
}
