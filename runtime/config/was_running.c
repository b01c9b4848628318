#include "runtime/config/was_running.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ve_state.h"

static char *path_of(const struct host_config *host, unsigned ctid)
{
	return xasprintf("%s/%u.was-running", host->lock_dir, ctid);
}

bool was_running(const struct host_config *host, unsigned ctid)
{
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	autofree char *path = path_of(host, ctid);
	if (access(path, F_OK) == 0)
		return true;
	return ve_state_load(host, ctid, &state, NULL) == 0 && !state.this_boot &&
	       state.phase == VE_RUNNING;
}

int was_running_note(const struct host_config *host, unsigned ctid, struct error *err)
{
	autofree char *path = path_of(host, ctid);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	return fd < 0 ? error_errno(err, errno, "creating %s", path) : 0;
}

void was_running_forget(const struct host_config *host, unsigned ctid)
{
	autofree char *path = path_of(host, ctid);
	unlink(path);
}
