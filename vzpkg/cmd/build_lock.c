#include "vzpkg/cmd/build_lock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

static void waiting(const char *holder, void *data)
{
	const struct app *app = data;
	report_info(app->report, "waiting for %s, which works on the same template", holder);
}

int build_lock_take(struct build_lock *lock, struct app *app, const char *template,
		    struct error *err)
{
	autofree char *path = xasprintf("%s/tmp", app->host.template_dir);

	lock->name = xasprintf("%s.lock", template);
	lock->dir = dir_open(AT_FDCWD, path, true, 0755, err);
	if (lock->dir < 0)
		return -1;
	if (lock_try(&lock->lock, lock->dir, lock->name, LOCK_EXCLUSIVE))
		return 0;
	lock->waited = true;
	if (lock_take(&lock->lock, lock->dir, lock->name, LOCK_EXCLUSIVE, app->options.timeout_s,
		      waiting, app, err) == 0)
		return 0;
	return err->kind == ERROR_LOCKED ? error_wrap(err, "%s is being worked on", template) : -1;
}

void build_lock_release(struct build_lock *lock)
{
	if (lock->lock.fd >= 0)
		lock_remove(&lock->lock, lock->dir, lock->name);
	if (lock->dir >= 0)
		close(lock->dir);
	free(lock->name);
	*lock = BUILD_LOCK_INIT;
}
