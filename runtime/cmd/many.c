#include "runtime/cmd/many.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/worker.h"
#include "runtime/cmd/exit_code.h"
#include "runtime/cmd/host_ves.h"
#include "runtime/cmd/many_output.h"
#include "runtime/config/ctid.h"

enum { JOBS_MOST = 1024, JOBS_EACH_CPU = 4, OUTPUTS = 2, NAMED_MOST = 20 };

struct many_options many_options;

enum ve_outcome { VE_WAITING, VE_DONE, VE_PASSED_OVER, VE_FAILED };

struct ve_task {
	unsigned ctid; /* 0: `word` means none */
	const char *word; /* NULL: it was not named itself */
	long order; /* those of the same are done at the same time */
	enum ve_outcome outcome;
	int status; /* of what was run in it */
	struct error error; /* why it failed, or was passed over */
	json_t *record;
	struct many_output output[OUTPUTS];
};

struct many {
	struct vzctl *vzctl;
	const struct command *command;
	const struct strvec *operands;
	struct ve_task *tasks; /* in the order in which they are begun */
	size_t count, ended, failed;
	size_t first; /* of those that are begun now, when all before have ended */
};

static void many_release(struct many *many)
{
	for (size_t i = 0; i < many->count; i++) {
		json_decref(many->tasks[i].record);
		error_clear(&many->tasks[i].error);
		for (int o = 0; o < OUTPUTS; o++)
			many_output_release(&many->tasks[i].output[o]);
	}
	free(many->tasks);
}

bool many_given(void)
{
	return many_options.host || ve_words_given(&many_options.words);
}

bool many_wanted(const char *ve)
{
	return many_given() || (ve && ve_word_is_many(ve));
}

static bool prints(const struct many *many)
{
	return many->command->flags & COMMAND_PRINTS;
}

static const char *title(const struct ve_task *task, char text[16])
{
	snprintf(text, 16, "%u", task->ctid);
	return task->ctid ? text : task->word;
}

/* ---- in the process of one VE -------------------------------------------------------------------------------------- */

/* What it has to say goes to the parent, who knows of the others. */
static struct report *own_report(const struct many *many, const char *ve)
{
	const struct report_options options = {
		.program = prints(many) ? "vzctl" : ve,
		.quiet = true,
		.progress_fd = -1,
	};
	return report_new(&options);
}

static int task_run(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct many *many = data;
	const struct ve_task *task = &many->tasks[many->first + index];
	struct command_result done = { .text = STRBUF_INIT };
	struct vzctl vzctl = *many->vzctl;
	unsigned ctid = task->ctid;
	char text[16];
	vzctl.report = own_report(many, title(task, text));
	vzctl.passing = !task->word;
	if (!ctid && ctid_find(&vzctl.host, task->word, &ctid, err) < 0)
		return -1;
	if (many->command->run(&vzctl, ctid, many->operands, &done, err) < 0)
		return -1;
	fputs(done.text.text, stdout);
	fflush(stdout);
	json_t *message = json_pack("{s:i s:o*}", "status", done.status, "result", done.json);
	autofree char *packed = json_dumps(message, JSON_COMPACT);
	strbuf_adds(result, packed ?: "{}");
	return 0;
}

/* ---- in ours ------------------------------------------------------------------------------------------------------- */

static int task_printed(size_t index, void *data, int fd, const char *bytes, size_t size,
			struct error *err)
{
	struct many *many = data;
	int which = fd - STDOUT_FILENO;
	(void)err;
	many_output_add(&many->tasks[many->first + index].output[which], many->vzctl->report, which,
			bytes, size);
	return 0;
}

static void end_output(struct many *many, struct ve_task *task)
{
	char text[16];
	for (int i = 0; i < OUTPUTS; i++)
		many_output_end(&task->output[i], many->vzctl->report, i);
	/* Of a command that is no program in the VE, these are warnings. */
	if (!prints(many) && task->output[1].kept.length)
		report_warning(many->vzctl->report, title(task, text), "%s",
			       task->output[1].kept.text);
}

static void task_ended(struct many *many, struct ve_task *task, enum ve_outcome outcome)
{
	char text[16];
	task->outcome = outcome;
	end_output(many, task);
	if (outcome == VE_DONE && many->command->past)
		report_info(many->vzctl->report, "%s: %s", title(task, text), many->command->past);
	many->failed += outcome == VE_FAILED;
	autofree char *failed = many->failed ? xasprintf("%zu failed", many->failed) : NULL;
	report_progress(many->vzctl->report, ++many->ended, failed);
}

static int task_done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct many *many = data;
	struct ve_task *task = &many->tasks[many->first + index];
	json_t *message = json_loadb(result, size, 0, NULL);
	(void)err;
	task->status = (int)json_integer_value(json_object_get(message, "status"));
	task->record = json_incref(json_object_get(message, "result"));
	json_decref(message);
	task_ended(many, task, task->status ? VE_FAILED : VE_DONE);
	return 0;
}

/* One that came by a range, a pattern or --all, and in which there is nothing to be done. */
static bool is_passed_over(const struct many *many, const struct ve_task *task,
			   enum error_kind kind)
{
	const enum error_kind *passes = many->command->passes;
	for (; passes && !task->word && *passes; passes++)
		if (*passes == kind)
			return true;
	return false;
}

static int task_failed(size_t index, void *data, const struct error *why, struct error *err)
{
	struct many *many = data;
	struct ve_task *task = &many->tasks[many->first + index];
	char text[16];
	(void)err;
	error_set(&task->error, why->kind, "%s: %s", title(task, text), why->message);
	error_subject(&task->error, "%s", title(task, text));
	if (why->hint)
		error_hint(&task->error, "%s", why->hint);
	task_ended(many, task, is_passed_over(many, task, why->kind) ? VE_PASSED_OVER : VE_FAILED);
	return 0;
}

/* ---- the result ---------------------------------------------------------------------------------------------------- */

static const char *outcome_name(const struct ve_task *task)
{
	static const char *const names[] = { "not-begun", "done", "passed-over", "failed" };
	return names[task->outcome];
}

static json_t *task_json(const struct many *many, const struct ve_task *task)
{
	json_t *json = json_pack("{s:o s:s* s:s s:O*}", "ctid",
				 task->ctid ? json_integer(task->ctid) : json_null(), "word",
				 task->word, "outcome", outcome_name(task), "result", task->record);
	if (task->error.kind)
		json_object_set_new(json, "reason", json_string(error_kind_name(task->error.kind)));
	if (!prints(many))
		return json;
	json_object_set_new(json, "status", json_integer(task->status));
	json_object_set_new(json, "output", many_output_json(&task->output[0]));
	json_object_set_new(json, "error_output", many_output_json(&task->output[1]));
	json_object_set_new(json, "cut", json_boolean(task->output[0].cut || task->output[1].cut));
	return json;
}

static size_t count(const struct many *many, enum ve_outcome outcome, enum error_kind kind)
{
	size_t found = 0;
	for (size_t i = 0; i < many->count; i++)
		found += many->tasks[i].outcome == outcome &&
			 (kind == ERROR_NONE || many->tasks[i].error.kind == kind);
	return found;
}

/* "40 VEs: 36 started, 3 running already, 1 failed" */
static void sum_up(const struct many *many)
{
	static const struct {
		enum error_kind kind;
		const char *text;
	} reasons[] = { { ERROR_RUNNING, "running already" },
			{ ERROR_NOT_RUNNING, "not running" },
			{ ERROR_DISABLED, "disabled" } };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	size_t failed = count(many, VE_FAILED, ERROR_NONE), some = 0;
	strbuf_addf(&text, "%zu VE%s: %zu %s", many->count, many->count == 1 ? "" : "s",
		    count(many, VE_DONE, ERROR_NONE), many->command->past ?: "done");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if ((some = count(many, VE_PASSED_OVER, reasons[i].kind)))
			strbuf_addf(&text, ", %zu %s", some, reasons[i].text);
	if (failed)
		strbuf_addf(&text, ", %zu failed", failed);
	if ((some = count(many, VE_WAITING, ERROR_NONE)))
		strbuf_addf(&text, ", %zu not begun", some);
	if (many->command->past || failed || count(many, VE_PASSED_OVER, ERROR_NONE))
		report_info(many->vzctl->report, "%s", text.text);
}

/* In the order of the VEs, when nothing is going on any more. */
static void report_failure(const struct many *many, const struct ve_task *task)
{
	enum error_kind kind = task->error.kind;
	if (kind != ERROR_NONE && kind != ERROR_INTERRUPTED)
		report_error(many->vzctl->report, &task->error, exit_code_find(exit_codes, kind));
}

static int failures(const struct many *many, struct error *err)
{
	AUTO(strbuf_release) struct strbuf names = STRBUF_INIT;
	size_t failed = 0;
	char text[16];
	for (size_t i = 0; i < many->count; i++) {
		const struct ve_task *task = &many->tasks[i];
		if (task->outcome != VE_FAILED)
			continue;
		report_failure(many, task);
		if (failed++ >= NAMED_MOST)
			continue;
		strbuf_addf(&names, "%s%s", failed > 1 ? ", " : "", title(task, text));
		if (task->status)
			strbuf_addf(&names, " (exit status %d)", task->status);
	}
	if (!failed)
		return 0;
	return error_set(err, ERROR_PARTIAL, "%zu of %zu VEs failed: %s%s", failed, many->count,
			 names.text, failed > NAMED_MOST ? ", …" : "");
}

static int result(const struct many *many, struct command_result *ret, struct error *err)
{
	json_t *ves = json_array();
	for (size_t i = 0; i < many->count; i++)
		json_array_append_new(ves, task_json(many, &many->tasks[i]));
	ret->json = json_pack("{s:o}", "ves", ves);
	sum_up(many);
	return interrupt_check(err) < 0 ? -1 : failures(many, err);
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static int take_jobs(const struct vzctl *vzctl, unsigned *ret, struct error *err)
{
	const char *set = conf_get(&vzctl->host.conf, "VE_PARALLEL");
	char *end = NULL;
	unsigned long jobs = many_options.jobs;
	if (!jobs && set) {
		jobs = isdigit((unsigned char)*set) ? strtoul(set, &end, 10) : 0;
		if (!jobs || *end)
			jobs = ULONG_MAX;
	}
	*ret = jobs ? (unsigned)jobs : JOBS_EACH_CPU * cpu_count();
	if (jobs <= JOBS_MOST)
		return 0;
	error_set(err, ERROR_VALUE, "%s is no number from 1 to %d",
		  many_options.jobs ? "--jobs" : "VE_PARALLEL of vz.conf", JOBS_MOST);
	return error_hint(err, "it is how many VEs are dealt with at a time");
}

static void take_tasks(struct many *many, const struct ve_selection *selection)
{
	bool keep = many->vzctl->json;
	many->count = selection->count;
	many->tasks = xcalloc(many->count, sizeof(*many->tasks));
	for (size_t i = 0; i < many->count; i++) {
		struct ve_task *task = &many->tasks[i];
		task->ctid = selection->items[i].ctid;
		task->word = selection->items[i].word;
		task->order = selection->items[i].order;
		for (int o = 0; o < OUTPUTS; o++) {
			task->output[o] = MANY_OUTPUT_INIT;
			task->output[o].ctid = task->ctid;
			task->output[o].prefix = prints(many);
			task->output[o].keep = keep;
		}
	}
}

/* How many of those that are left. */
static size_t together(const struct many *many)
{
	size_t end = many->first;
	while (end < many->count && many->tasks[end].order == many->tasks[many->first].order)
		end++;
	return end - many->first;
}

static int work(struct many *many, struct error *err)
{
	struct worker_job job = {
		.name = many->command->name,
		.task = task_run,
		.done = task_done,
		.failed = task_failed,
		.printed = task_printed,
		.pass_signals = true,
		.data = many,
	};
	if (take_jobs(many->vzctl, &job.jobs, err) < 0)
		return -1;
	/* What commands print is progress enough for who does not look at it. */
	if (!prints(many) || isatty(STDERR_FILENO))
		report_phase(many->vzctl->report, many->command->progress ?: many->command->name,
			     REPORT_ITEMS, many->count, 100);
	int status = 0;
	for (; status == 0 && many->first < many->count; many->first += job.count) {
		job.count = together(many);
		status = workers_run(&job, err);
	}
	report_phase_end(many->vzctl->report);
	return status < 0 && err->kind != ERROR_INTERRUPTED ? -1 : 0;
}

static int select_ves(const struct vzctl *vzctl, const struct command *command, const char *ve,
		      struct ve_selection *ret, struct error *err)
{
	struct ve_words *words = &many_options.words;
	if (ve)
		strvec_push(&words->ves, ve);
	if (!many_options.host)
		return ve_select(&vzctl->host, words, ret, err);
	if (ve_words_given(words) || words->skip.count) {
		error_set(err, ERROR_USAGE, "%s: --host says which VEs", command->name);
		return error_hint(err, "name VEs, or use --host");
	}
	return host_ves(&vzctl->host, command == &command_start, ret, err);
}

int many_run(struct vzctl *vzctl, const struct command *command, const char *ve,
	     const struct strvec *operands, struct command_result *ret, struct error *err)
{
	AUTO(ve_selection_release) struct ve_selection selection = VE_SELECTION_INIT;
	AUTO(many_release)
	struct many many = { .vzctl = vzctl, .command = command, .operands = operands };
	if (select_ves(vzctl, command, ve, &selection, err) < 0)
		return -1;
	take_tasks(&many, &selection);
	return work(&many, err) < 0 ? -1 : result(&many, ret, err);
}
