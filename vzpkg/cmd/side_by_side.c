#include "vzpkg/cmd/side_by_side.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/worker.h"
#include "vzpkg/cmd/packages.h"

struct runs {
	const struct side_by_side *job;
	struct strvec argv; /* of a run, but for the name */
	json_t **documents; /* of each */
	size_t ended;
};

unsigned side_by_side_jobs(void)
{
	unsigned long kib = 0, gib;
	unsigned cpus = cpu_count();
	char line[256];
	autofclose FILE *file = fopen("/proc/meminfo", "re");

	while (file && !kib && fgets(line, sizeof(line), file))
		sscanf(line, "MemAvailable: %lu kB", &kib);
	gib = kib >> 20;
	return gib && gib < cpus ? (unsigned)gib : cpus;
}

/* ---- a run ---------------------------------------------------------------------------------------------------- */

static int make_argv(struct runs *runs, struct error *err)
{
	const struct app_options *options = &runs->job->app->options;
	struct strvec *argv = &runs->argv;
	char own[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (length < 0)
		return error_errno(err, errno, "finding this program");
	own[length] = '\0';
	strvec_push(argv, own);
	for (size_t i = 0; i < runs->job->words->count; i++)
		strvec_push(argv, runs->job->words->items[i]);
	strvec_push(argv, "--json");
	strvec_pushf(argv, "--timeout=%u", options->timeout_s);
	if (options->conf)
		strvec_pushf(argv, "--conf=%s", options->conf);
	if (options->offline)
		strvec_push(argv, "--offline");
	for (size_t i = 0; i < options->repositories.count; i++)
		strvec_pushf(argv, "--repository=%s", options->repositories.items[i]);
	return 0;
}

static int run_one(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct runs *runs = data;
	const char **argv = xcalloc(runs->argv.count + 3, sizeof(*argv));
	struct child_run run = { .argv = argv, .output_max = 64 << 20 };
	int status;

	for (size_t i = 0; i < runs->argv.count; i++)
		argv[i] = runs->argv.items[i];
	argv[runs->argv.count] = "--";
	argv[runs->argv.count + 1] = runs->job->names->items[index];
	/* What it says is in the document, and so is how it ended. */
	return child_run(&run, result, NULL, &status, err);
}

static int take(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct runs *runs = data;
	const char *name = runs->job->names->items[index];

	runs->documents[index] = json_loadb(result, size, 0, NULL);
	if (!runs->documents[index])
		return error_set(err, ERROR_CHILD, "the run for %s said nothing that can be read",
				 name);
	report_progress(runs->job->app->report, ++runs->ended, name);
	return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static void error_of(const json_t *row, const char *name, struct error *ret)
{
	error_set(ret, error_kind_parse(text_of(row, "kind")), "%s: %s", name,
		  text_of(row, "message"));
	if (*text_of(row, "subject"))
		error_subject(ret, "%s", text_of(row, "subject"));
	if (*text_of(row, "hint"))
		error_hint(ret, "%s", text_of(row, "hint"));
}

static void pass_on(struct report *report, const char *name, const json_t *document)
{
	const json_t *warnings = json_object_get(document, "warnings");
	const json_t *errors = json_object_get(document, "errors");

	for (size_t i = 0; i < json_array_size(warnings); i++) {
		const json_t *row = json_array_get(warnings, i);
		report_warning(report, text_of(row, "subject"), "%s", text_of(row, "message"));
	}
	for (size_t i = 0; i < json_array_size(errors); i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		const json_t *row = json_array_get(errors, i);
		error_of(row, name, &why);
		report_error(report, &why, (int)json_integer_value(json_object_get(row, "code")));
	}
}

static size_t sum_up(const struct runs *runs, struct command_result *ret)
{
	const struct side_by_side *job = runs->job;
	json_t *rows = json_array();
	size_t failed = 0;

	ret->json = json_pack("{s:o}", "templates", rows);
	for (size_t i = 0; i < job->names->count; i++) {
		AUTO(error_clear) struct error why = ERROR_INIT;
		const json_t *document = runs->documents[i];
		json_t *row = json_array_get(
			json_object_get(json_object_get(document, "result"), "templates"), 0);
		error_of(json_array_get(json_object_get(document, "errors"), 0),
			 job->names->items[i], &why);
		if (job->ended)
			job->ended(job->names->items[i], row, &why);
		if (row)
			job->print(row, &ret->text);
		if (row)
			json_array_append(rows, row);
		else
			failed++;
		pass_on(job->app->report, job->names->items[i], document);
	}
	return failed;
}

static int run_all(struct runs *runs, struct error *err)
{
	const struct side_by_side *job = runs->job;
	struct worker_job workers = {
		.name = job->phase,
		.jobs = job->jobs,
		.count = job->names->count,
		.task = run_one,
		.done = take,
		.data = runs,
	};

	if (make_argv(runs, err) < 0)
		return -1;
	report_phase(job->app->report, job->phase, REPORT_ITEMS, job->names->count, 100);
	int ret = workers_run(&workers, err);
	report_phase_end(job->app->report);
	return ret;
}

int side_by_side_run(const struct side_by_side *job, struct command_result *ret, struct error *err)
{
	struct runs runs = {
		.job = job,
		.documents = xcalloc(job->names->count + 1, sizeof(json_t *)),
	};
	int status = run_all(&runs, err);
	size_t failed = status == 0 ? sum_up(&runs, ret) : 0;

	for (size_t i = 0; i < job->names->count; i++)
		json_decref(runs.documents[i]);
	free(runs.documents);
	strvec_release(&runs.argv);
	if (!failed)
		return status;
	error_set(err, ERROR_PARTIAL, "%zu of %zu templates failed", failed, job->names->count);
	return error_hint(err, "what went wrong with each is said above");
}
