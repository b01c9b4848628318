#include "vzpkg/cmd/fleet_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/fleet/apply.h"

void fleet_watch_open(struct fleet_watch *watch, size_t tasks)
{
	size_t size = tasks * sizeof(*watch->phases);
	/* cppcheck-suppress invalidFunctionArg ; there is no file */
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	watch->phases = shared == MAP_FAILED ? NULL : shared;
	watch->count = tasks;
}

void fleet_watch_close(struct fleet_watch *watch)
{
	if (watch->phases)
		munmap(watch->phases, watch->count * sizeof(*watch->phases));
	watch->phases = NULL;
}

atomic_int *fleet_watch_phase(const struct fleet_watch *watch, size_t task)
{
	return watch->phases ? &watch->phases[task] : NULL;
}

static const char *phase_of(const struct fleet_watch *watch, size_t task)
{
	static const char *const names[APPLY_PHASES] = {
		[APPLY_WAITING] = "waiting for its locks",
		[APPLY_LOOKING] = "looking at its packages",
		[APPLY_SCRIPTS] = "running scripts",
		[APPLY_CHANGING] = "changing packages",
		[APPLY_CHECKING] = "looking at the result",
		[APPLY_UNDOING] = "taking it back",
	};
	int phase = watch->phases ? atomic_load(&watch->phases[task]) : APPLY_PHASES;

	return phase >= 0 && phase < APPLY_PHASES ? names[phase] : "at work";
}

static bool is_at_work(const struct fleet_task *task)
{
	return task->begun_ms && task->state == FLEET_WAITING;
}

static void list_rows(const struct fleet_watch *watch, const struct fleet_progress *progress,
		      struct strvec *rows)
{
	int width = 0;

	for (size_t i = 0; i < progress->count; i++) {
		const struct fleet_task *task = progress->tasks[i];
		if (is_at_work(task) && (int)strlen(task->ve->title) > width)
			width = (int)strlen(task->ve->title);
	}
	for (size_t i = 0; i < progress->count; i++) {
		const struct fleet_task *task = progress->tasks[i];
		if (!is_at_work(task))
			continue;
		autofree char *span = text_span((double)(progress->now_ms - task->begun_ms) / 1000);
		strvec_pushf(rows, "  %-*s  %9s  %s", width, task->ve->title, span,
			     phase_of(watch, i));
	}
}

void fleet_watch_show(const struct fleet_watch *watch, const struct fleet_progress *progress,
		      struct report *report)
{
	AUTO(strvec_release) struct strvec rows = STRVEC_INIT;
	size_t left = progress->count - progress->ended - progress->running;
	autofree char *failed =
		progress->failed ? xasprintf("%zu failed, ", progress->failed) : xstrdup("");
	autofree char *counts =
		xasprintf("%s%zu at work, %zu not begun", failed, progress->running, left);

	list_rows(watch, progress, &rows);
	report_table(report, &rows);
	report_progress(report, progress->ended, counts);
}
