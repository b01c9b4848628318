/*
 * One build (or removal) of a template at a time: a lock per template in TEMPLATE/tmp.
 */
#pragma once

#include <stdbool.h>

#include "base/lock.h"
#include "vzpkg/app.h"

struct build_lock {
	struct lock lock;
	int dir;
	char *name;
	bool waited; /* somebody else had it when we came */
};

#define BUILD_LOCK_INIT ((struct build_lock){ .lock = LOCK_INIT, .dir = -1 })

/* Waits for at most --timeout seconds and tells the user for whom. */
int build_lock_take(struct build_lock *lock, struct app *app, const char *template,
		    struct error *err);
void build_lock_release(struct build_lock *lock);
