#include "vzpkg/install/tree_check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/install/change.h"
#include "vzpkg/install/clean.h"

/* ---- the state ---------------------------------------------------------------------------------------------- */

/* What a VE in which templates are built has of its own: its service policy, the packages that are shown to it. */
static bool is_of_the_ve(const char *path, void *data)
{
	(void)data;
	return strcmp(path, "usr/sbin/policy-rc.d") == 0 ||
	       strcmp(path, &CHANGE_PACKAGES_TARGET[1]) == 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct walk_entry *const *)a)->path,
		      (*(struct walk_entry *const *)b)->path);
}

int tree_state_read(struct session *session, struct tree_state *ret, struct error *err)
{
	if (walk_tree(session->job->tree, is_of_the_ve, NULL, &ret->walk, err) < 0 ||
	    ownership_read(session, &ret->ownership, err) < 0)
		return error_wrap(err, "looking at the tree");
	ret->index = xcalloc(ret->walk.count + 1, sizeof(struct walk_entry *));
	for (size_t i = 0; i < ret->walk.count; i++)
		ret->index[i] = &ret->walk.entries[i];
	qsort(ret->index, ret->walk.count, sizeof(struct walk_entry *), by_path);
	return 0;
}

void tree_state_release(struct tree_state *state)
{
	walk_release(&state->walk);
	ownership_release(&state->ownership);
	free(state->index);
	state->index = NULL;
}

const struct walk_entry *tree_state_find(const struct tree_state *state, const char *path)
{
	struct walk_entry key = { .path = (char *)path }, *pointer = &key;
	struct walk_entry **found = bsearch(&pointer, state->index, state->walk.count,
					    sizeof(struct walk_entry *), by_path);
	return found ? *found : NULL;
}

static bool same_xattrs(const struct walk_entry *a, const struct walk_entry *b)
{
	if (a->xattr_count != b->xattr_count)
		return false;
	for (size_t i = 0; i < a->xattr_count; i++) {
		const struct walk_xattr *x = &a->xattrs[i], *y = &b->xattrs[i];
		if (strcmp(x->name, y->name) != 0 || x->size != y->size ||
		    memcmp(x->value, y->value, x->size) != 0)
			return false;
	}
	return true;
}

bool tree_entry_same(const struct walk_entry *a, const struct walk_entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && same_xattrs(a, b) &&
	       strcmp(a->symlink ?: "", b->symlink ?: "") == 0;
}

bool tree_entry_touched(const struct walk_entry *before, const struct walk_entry *after)
{
	return before->ino != after->ino || before->ctime != after->ctime;
}

/* ---- the check ------------------------------------------------------------------------------------------------ */

static int unexplained(const char *path, const char *what, struct error *err)
{
	error_set(err, ERROR_GATE, "/%s %s", path, what);
	return error_subject(err, "/%s", path);
}

static int check_owned(const struct walk_entry *before, const struct walk_entry *after,
		       const char *package, struct strvec *touched, struct error *err)
{
	if (!before)
		return unexplained(after->path, "of a package that was not changed is new", err);
	if (S_ISDIR(after->mode) ? !S_ISDIR(before->mode) || before->mode != after->mode ||
					   before->uid != after->uid || before->gid != after->gid
				 : !tree_entry_same(before, after))
		return unexplained(after->path,
				   "of a package that was not changed has another mode, owner, "
				   "attribute or target",
				   err);
	if (S_ISREG(after->mode) && tree_entry_touched(before, after) &&
	    !strvec_contains(touched, package))
		strvec_push(touched, package);
	return 0;
}

static int check_after(const struct session *session, const struct tree_state *before,
		       const struct tree_state *after, struct strvec *touched, struct error *err)
{
	for (size_t i = 0; i < after->walk.count; i++) {
		const struct walk_entry *entry = &after->walk.entries[i];
		const char *package = ownership_find(&after->ownership, entry->path);
		if (package && !change_concerns(session->job, package) &&
		    check_owned(tree_state_find(before, entry->path), entry, package, touched,
				err) < 0)
			return -1;
	}
	return 0;
}

static int check_gone(const struct session *session, const struct tree_state *before,
		      const struct tree_state *after, struct error *err)
{
	for (size_t i = 0; i < before->walk.count; i++) {
		const char *path = before->walk.entries[i].path;
		const char *package = ownership_find(&before->ownership, path);
		if (package && !change_concerns(session->job, package) &&
		    !tree_state_find(after, path))
			return unexplained(path, "of a package that was not changed is gone", err);
	}
	return 0;
}

/* What only `one` has, of sorted lists. */
static const char *first_only(const struct strvec *one, const struct strvec *other)
{
	size_t at = 0;
	for (size_t i = 0; i < one->count; i++) {
		while (at < other->count && strcmp(other->items[at], one->items[i]) < 0)
			at++;
		if (at == other->count || strcmp(other->items[at], one->items[i]) != 0)
			return one->items[i];
	}
	return NULL;
}

static bool is_empty(const struct walk *walk, size_t index)
{
	size_t length = strlen(walk->entries[index].path);

	if (index + 1 == walk->count)
		return true;
	const char *next = walk->entries[index + 1].path;
	return strncmp(next, walk->entries[index].path, length) != 0 || next[length] != '/';
}

/* rpm makes folders that no package brings, and does not take them away when what was in them goes. */
static int check_emptied(const struct tree_state *before, const struct tree_state *after,
			 struct error *err)
{
	for (size_t i = 1; i < after->walk.count; i++) {
		const struct walk_entry *entry = &after->walk.entries[i];
		if (!S_ISDIR(entry->mode) || !is_empty(&after->walk, i) ||
		    ownership_find(&after->ownership, entry->path))
			continue;
		const struct walk_entry *was = tree_state_find(before, entry->path);
		if (was && !is_empty(&before->walk, (size_t)(was - before->walk.entries)) &&
		    !ownership_is_kept(entry->path))
			return unexplained(entry->path,
					   "is empty now, and no package owns the folder", err);
	}
	return 0;
}

/* Scripts of new packages make files, and those of removed ones take theirs away; those of others do what they did the last
 * time. */
static int check_unowned(const struct session *session, const struct tree_state *before,
			 const struct tree_state *after, struct error *err)
{
	const struct difference *difference = session->job->difference;
	AUTO(strvec_release) struct strvec old = STRVEC_INIT, now = STRVEC_INIT;

	ownership_unowned(&before->ownership, &before->walk, &old);
	ownership_unowned(&after->ownership, &after->walk, &now);
	const char *more = first_only(&now, &old), *less = first_only(&old, &now);
	if (more && !difference_count(difference, CHANGE_ADD))
		return unexplained(more, "is new, and no package owns it", err);
	if (less && !difference_count(difference, CHANGE_REMOVE))
		return unexplained(less, "is gone, and no package owned it", err);
	if (session->job->ret_unowned) {
		strvec_release(session->job->ret_unowned);
		*session->job->ret_unowned = now;
		now = STRVEC_INIT;
	}
	return 0;
}

int tree_check(const struct session *session, const struct tree_state *before,
	       const struct tree_state *after, struct strvec *touched, struct error *err)
{
	if (check_after(session, before, after, touched, err) < 0 ||
	    check_gone(session, before, after, err) < 0 || check_emptied(before, after, err) < 0)
		return -1;
	return check_unowned(session, before, after, err);
}

int tree_unowned(struct session *session, struct strvec *ret, struct error *err)
{
	AUTO(tree_state_release) struct tree_state state = TREE_STATE_INIT;

	if (clean_tree(session->job->tree, err) < 0 || tree_state_read(session, &state, err) < 0)
		return -1;
	ownership_unowned(&state.ownership, &state.walk, ret);
	return 0;
}
