#include "vzpkg/fleet/undo.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/text.h"

int undo_prepare(struct applier *applier, struct undo *undo, struct error *err)
{
	if (!applier->job->rollback || visit_is_running(applier->visit))
		return 0;
	if (visit_save(applier->visit, err) < 0)
		return -1;
	undo->saved = true;
	return 0;
}

/* ---- after a failure ------------------------------------------------------------------------------------------------------- */

/* What there was to be mended, and how, is no longer so. */
static void undone(struct applier *applier, struct error *err)
{
	applier->result->undone = true;
	strvec_release(&applier->result->unfinished);
	applier->result->unfinished = STRVEC_INIT;
	free(steal_ptr(err->hint));
}

static void not_undone(struct applier *applier, const struct error *why)
{
	strvec_take(&applier->result->not_undone, text_clean(why->message));
}

static void put_back(struct applier *applier, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (visit_put_back(applier->visit, &why) < 0)
		not_undone(applier, &why);
	else
		undone(applier, err);
}

int undo_change(struct applier *applier, struct undo *undo, struct error *err)
{
	if (!applier->job->rollback)
		return -1;
	if (undo->saved && applier->result->changed)
		put_back(applier, err);
	else if (undo->saved)
		visit_forget(applier->visit, NULL);
	return -1;
}

/* ---- after a success -------------------------------------------------------------------------------------------------------- */

int undo_forget(struct applier *applier, struct undo *undo, struct error *err)
{
	return undo->saved ? visit_forget(applier->visit, err) : 0;
}

void undo_release(struct undo *undo)
{
	*undo = UNDO_INIT;
}
