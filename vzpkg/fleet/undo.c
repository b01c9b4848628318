#include "vzpkg/fleet/undo.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "vzpkg/fleet/undo_packages.h"

int undo_prepare(struct applier *applier, struct undo *undo, struct error *err)
{
	if (!applier->job->rollback || visit_is_running(applier->visit))
		return 0;
	if (visit_save(applier->visit, err) < 0)
		return -1;
	undo->saved = true;
	return 0;
}

int undo_save_files(struct applier *applier, struct undo *undo, struct error *err)
{
	if (!applier->job->rollback || undo->saved)
		return 0;
	if (undo_look(applier, &undo->files, &undo->before, err) < 0)
		return -1;
	return undo_files_save(applier, &undo->files, err);
}

/* ---- after a failure ------------------------------------------------------------------------------------------------------- */

/* What there was to be mended, and how, is no longer so. */
static void undone(struct applier *applier, struct error *err)
{
	const struct apply_job *job = applier->job;

	if (applier->result->half_done && job->manager)
		job->manager(true, job->data);
	applier->result->half_done = false;
	applier->result->undone = true;
	strvec_release(&applier->result->unfinished);
	applier->result->unfinished = STRVEC_INIT;
	free(steal_ptr(err->hint));
}

static void not_undone(struct applier *applier, const struct error *why)
{
	const char *end = strstr(why->message, "; it printed:") ?: strchrnul(why->message, '\n');
	autofree char *line = xstrndup(why->message, (size_t)(end - why->message));
	strvec_take(&applier->result->not_undone, text_clean(line));
}

static void put_back(struct applier *applier, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (visit_put_back(applier->visit, &why) < 0)
		not_undone(applier, &why);
	else
		undone(applier, err);
}

/* Each is tried, whatever has become of the one before. That something went wrong on the way is said if it does not show at the end. */
static void reverse(struct applier *applier, struct undo *undo, struct error *err)
{
	AUTO(error_clear) struct error packages = ERROR_INIT, files = ERROR_INIT, why = ERROR_INIT;
	struct strvec *left = &applier->result->not_undone;
	autofree char *output = steal_ptr(applier->result->output);

	applier_renew_time(applier);
	int status = undo_packages(applier, &undo->before, &packages);
	if (undo_files_put_back(applier, &undo->files, left, &files) < 0)
		not_undone(applier, &files);
	if (undo_compare(applier, &undo->before, left, &why) < 0)
		not_undone(applier, &why);
	if (status < 0 && !left->count)
		not_undone(applier, &packages);
	/* What is shown is what went wrong in the first place. */
	free(applier->result->output);
	applier->result->output = steal_ptr(output);
	if (!left->count)
		undone(applier, err);
}

int undo_change(struct applier *applier, struct undo *undo, struct error *err)
{
	if (!applier->job->rollback)
		return -1;
	applier_enter(applier, APPLY_UNDOING);
	if (undo->saved && applier->result->changed)
		put_back(applier, err);
	else if (undo->saved)
		visit_forget(applier->visit, NULL);
	else if (applier->result->changed)
		reverse(applier, undo, err);
	return -1;
}

/* ---- after a success -------------------------------------------------------------------------------------------------------- */

int undo_forget(struct applier *applier, struct undo *undo, struct error *err)
{
	return undo->saved ? visit_forget(applier->visit, err) : 0;
}

void undo_release(struct undo *undo)
{
	undo_files_release(&undo->files);
	strvec_release(&undo->before);
}
