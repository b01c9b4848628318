/*
 * A tree before and after its packages were changed: everything that differs must come from those packages, or else only
 * a build from nothing tells what is right.
 */
#pragma once

#include "base/error.h"
#include "vzpkg/install/ownership.h"

struct tree_state {
	struct walk walk;
	struct ownership ownership;
	struct walk_entry **index; /* of the walk's entries, sorted by the bytes of their paths */
};

#define TREE_STATE_INIT ((struct tree_state){ .walk = WALK_INIT, .ownership = OWNERSHIP_INIT })

/* Of the session's tree, while the VE runs; what is there for the VE alone is left out. */
int tree_state_read(struct session *session, struct tree_state *ret, struct error *err);
void tree_state_release(struct tree_state *state);
const struct walk_entry *tree_state_find(const struct tree_state *state, const char *path);

/* Owner, mode, attributes and link target. */
bool tree_entry_same(const struct walk_entry *a, const struct walk_entry *b);

/* Something has written to it, or replaced it, or changed what belongs to it. */
bool tree_entry_touched(const struct walk_entry *before, const struct walk_entry *after);

/*
 * Paths that packages own which are in no change, and paths that nobody owns. ERROR_GATE names the first that is not explained by
 * the changes of session->job->difference. `touched` gets the names of unchanged packages of which files were written to: what is in
 * those is for their package manager to say.
 */
int tree_check(const struct session *session, const struct tree_state *before,
	       const struct tree_state *after, struct strvec *touched, struct error *err);

/* Cleans the session's tree as it will be packed, and appends what no package owns in it, sorted; see ownership.h. */
int tree_unowned(struct session *session, struct strvec *ret, struct error *err);
