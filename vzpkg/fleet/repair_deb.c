#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/fleet/apply_mark.h"
#include "vzpkg/fleet/repairer.h"
#include "vzpkg/metadata/installed.h"

/* ---- what dpkg says is there --------------------------------------------------------------------------------------- */

struct state {
	const char *name, *version, *arch,
		*status; /* status: "installed", "half-installed", …; in the line */
};

struct states {
	struct strvec lines;
	struct state *items;
	size_t count;
};

static void states_release(struct states *states)
{
	strvec_release(&states->lines);
	free(states->items);
}

static void parse(struct states *states)
{
	states->items = xcalloc(states->lines.count + 1, sizeof(*states->items));
	for (size_t i = 0; i < states->lines.count; i++) {
		struct state *state = &states->items[states->count];
		char *rest = states->lines.items[i];
		state->name = strsep(&rest, "|");
		state->version = strsep(&rest, "|");
		state->arch = strsep(&rest, "|");
		const char *blank = rest ? strrchr(rest, ' ') : NULL;
		if (!blank)
			continue;
		state->status = blank + 1;
		states->count++;
	}
}

static int list(struct repairer *repairer, struct states *ret, struct error *err)
{
	static const char *const argv[] = { "dpkg-query", "-W", "-f",
					    "${Package}|${Version}|${Architecture}|${Status}\\n",
					    NULL };
	const struct applier_command command = {
		.what = "listing packages",
		.argv = argv,
		.script = -1,
		.lines = &ret->lines,
	};

	if (applier_run(repairer->applier, &command, err) < 0)
		return -1;
	parse(ret);
	return 0;
}

static bool is_one_of(const char *status, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(status, *words) == 0)
			return true;
	return false;
}

static bool is_absent(const char *status)
{
	static const char *const words[] = { "not-installed", "config-files", NULL };
	return is_one_of(status, words);
}

static bool is_whole(const char *status)
{
	static const char *const words[] = { "installed", NULL };
	return is_one_of(status, words) || is_absent(status);
}

/* NULL: it is not there. */
static const struct state *find(const struct states *states, const char *name, const char *arch)
{
	for (size_t i = 0; i < states->count; i++) {
		const struct state *state = &states->items[i];
		if (strcmp(state->name, name) == 0 && !is_absent(state->status) &&
		    (!*state->arch || strcmp(state->arch, arch) == 0))
			return state;
	}
	return NULL;
}

/* ---- what is to be done once more -------------------------------------------------------------------------------------- */

static bool is_left(const struct redo *redo, const struct package_change *change,
		    const struct states *states)
{
	const struct installed_package *before = change->before;
	const struct plan_package *after =
		change->kind == CHANGE_REMOVE ? NULL : &redo->plan->packages[change->package];
	const struct state *state = after ? find(states, after->name, after->arch) : NULL;

	if (!state && before)
		state = find(states, before->name, before->arch);
	if (!state)
		return change->kind == CHANGE_ADD;
	/* It is neither the one nor the other: nothing can be done with it but to unpack it once more. */
	if (after && strcmp(state->status, "half-installed") == 0)
		return true;
	return before && strcmp(state->version, before->version) == 0 &&
	       !(after && strcmp(state->version, after->version) == 0);
}

static size_t choose_left(struct repairer *repairer, const struct states *states,
			  struct difference *ret)
{
	const struct redo *redo = repairer->job->redo;
	autofree bool *wanted = xcalloc(redo->difference.count + 1, sizeof(*wanted));

	for (size_t i = 0; i < redo->difference.count; i++)
		wanted[i] = is_left(redo, &redo->difference.changes[i], states);
	repairer_choose(repairer, wanted, ret);
	return ret->count;
}

/* What was unpacked may be needed before what was not, or need it: so it is configured before, as far as that goes, and after. */
static int finish(struct repairer *repairer, struct error *err)
{
	AUTO(states_release) struct states states = { .lines = STRVEC_INIT };
	AUTO(difference_release) struct difference left = DIFFERENCE_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (applier_lock_deb(repairer->applier, err) < 0 || list(repairer, &states, err) < 0)
		return -1;
	repairer->result->repaired = true;
	for (size_t i = 0; i < states.count; i++)
		if (!is_whole(states.items[i].status))
			repairer_note(repairer, states.items[i].name);
	if (!repairer->job->redo || !choose_left(repairer, &states, &left))
		return apply_deb_configure(repairer->applier, err);
	if (apply_deb_configure(repairer->applier, &why) < 0 && repairer->applier->cut_off) {
		error_move(err, &why);
		return -1;
	}
	repairer->change->difference = &left;
	if (apply_deb(repairer->applier, err) < 0)
		return -1;
	return apply_deb_configure(repairer->applier, err);
}

/* ---- apt's marks ------------------------------------------------------------------------------------------------------- */

static bool has(const struct installed *installed, const struct plan_package *package)
{
	for (size_t i = 0; i < installed->count; i++) {
		const struct installed_package *there = &installed->packages[i];
		if (strcmp(there->name, package->name) == 0 &&
		    strcmp(there->version, package->version) == 0 &&
		    strcmp(there->arch, package->arch) == 0)
			return true;
	}
	return false;
}

/* They are written when dpkg has ended. */
static int mark(struct repairer *repairer, const struct installed *installed, struct error *err)
{
	const struct redo *redo = repairer->job->redo;
	autofree bool *wanted = xcalloc(redo->difference.count + 1, sizeof(*wanted));
	AUTO(difference_release) struct difference done = DIFFERENCE_INIT;

	for (size_t i = 0; i < redo->difference.count; i++) {
		const struct package_change *change = &redo->difference.changes[i];
		wanted[i] = change->kind != CHANGE_REMOVE &&
			    has(installed, &redo->plan->packages[change->package]);
	}
	repairer_choose(repairer, wanted, &done);
	if (!done.count)
		return 0;
	repairer->change->difference = &done;
	return apply_mark_deb(repairer->applier, err);
}

/* ---- the whole --------------------------------------------------------------------------------------------------------- */

static int read_set(struct repairer *repairer, struct installed_set *ret, struct error *err)
{
	int tree = visit_tree(repairer->applier->visit, err);
	return tree < 0 ? -1 : installed_read(tree, PACKAGE_DEB, ret, err);
}

int repair_deb(struct repairer *repairer, struct error *err)
{
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (read_set(repairer, &set, &why) < 0) {
		/* One that is damaged is for whoever reads it to tell. */
		if (!set.unfinished && !repairer->job->redo)
			return 0;
		if (!set.unfinished) {
			error_move(err, &why);
			return -1;
		}
		if (finish(repairer, err) < 0 || read_set(repairer, &set, err) < 0)
			return -1;
	}
	return repairer->job->redo ? mark(repairer, &set.installed, err) : 0;
}
