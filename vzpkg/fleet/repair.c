#include "vzpkg/fleet/repair.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/access/visit.h"

enum { LINES = 5 };

static const char lock[] = "/var/lib/dpkg/lock-frontend";

/* *output: what it printed; may be NULL. */
static int run(struct visit *visit, const struct repair_job *job, const char *const *argv,
	       char **output, struct error *err)
{
	static const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
					   "/sbin:/bin",
					   "HOME=/root",
					   "TERM=dumb",
					   "LANG=C.UTF-8",
					   "DEBIAN_FRONTEND=noninteractive",
					   "DPKG_FRONTEND_LOCKED=1",
					   NULL };
	const struct ve_command command = {
		.argv = argv,
		.env = env,
		.script = -1,
		.input = -1,
		.time_limit_s = job->time_limit_s,
	};
	struct ve_result result = { 0 };

	int ret = visit_run(visit, &command, &result, err);
	if (ret == 0 && result.status != 0) {
		autofree char *tail = text_tail(result.output, LINES);
		autofree char *clean = text_clean(tail);
		ret = error_set(err, ERROR_INSTALL, "%s %s failed%s", argv[0], argv[1], clean);
	}
	if (ret == 0 && output)
		*output = steal_ptr(result.output);
	free(result.output);
	return ret;
}

/* ---- what was being unpacked ------------------------------------------------------------------------------------------- */

/* The tenant's dpkg has said it. */
static bool is_name(const char *text)
{
	return *text && *text != '-' &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-:") == strlen(text);
}

/* "NAME|STATE|VERSION THAT WAS CONFIGURED": packages that were not there before. Returns whether one of them is there in part. */
static bool list_new(char *output, struct strvec *names)
{
	bool in_part = false;
	char *rest = output, *line;

	while ((line = strsep(&rest, "\n"))) {
		const char *name = strsep(&line, "|"), *state = strsep(&line, "|");
		const char *configured = strsep(&line, "|");
		if (!configured || *configured || !is_name(name))
			continue;
		bool half = strcmp(state, "half-installed") == 0;
		if (!half && strcmp(state, "unpacked") != 0)
			continue;
		in_part |= half;
		strvec_push(names, name);
	}
	return in_part;
}

/* dpkg cannot finish unpacking without the package's file. What was not there before is taken away again, with what was unpacked
 * together with it; the run installs it once more. */
static int take_away(struct visit *visit, const struct repair_job *job, struct error *err)
{
	static const char *const query[] = {
		"dpkg-query", "-W", "-f",
		"${binary:Package}|${db:Status-Status}|${Config-Version}\n", NULL
	};
	static const char *const purge[] = { "dpkg", "--purge", "--force-remove-reinstreq" };
	enum { WORDS = sizeof(purge) / sizeof(*purge) };
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	autofree char *output = NULL;

	if (run(visit, job, query, &output, err) < 0)
		return -1;
	if (!list_new(output, &names))
		return 0;
	autofree const char **argv = xcalloc(WORDS + names.count + 1, sizeof(*argv));
	memcpy(argv, purge, sizeof(purge));
	for (size_t i = 0; i < names.count; i++)
		argv[WORDS + i] = names.items[i];
	return run(visit, job, argv, NULL, err);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------ */

static int configure(struct visit *visit, const struct repair_job *job, struct error *err)
{
	static const char *const argv[] = {
		"dpkg", "--configure", "-a", "--force-confdef", "--force-confold", NULL
	};

	return run(visit, job, argv, NULL, err);
}

int repair_packages(const struct repair_job *job, struct error *err)
{
	const struct visit_spec spec = {
		.host = job->host,
		.ctid = job->ctid,
		.timeout_s = job->lock_timeout_s,
	};
	AUTO(visit_freep) struct visit *visit = NULL;

	if (job->template->format != PACKAGE_DEB)
		return 0;
	if (visit_open(&spec, &visit, err) < 0 ||
	    visit_hold(visit, lock, job->lock_timeout_s, err) < 0 ||
	    take_away(visit, job, err) < 0 || configure(visit, job, err) < 0)
		return -1;
	return visit_close(steal_ptr(visit), err);
}
