#include "runtime/access/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/apart.h"
#include "runtime/area/private.h"
#include "runtime/life/life.h"
#include "runtime/mount.h"

/* ---- of a VE that runs ------------------------------------------------------------------------------------ */

static int open_running(const void *data, struct strbuf *said, struct error *err)
{
	(void)said;
	const struct running *running = data;
	/* Not its pid namespace: nobody in it sees this process. */
	if (setns(running->pidfd, CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return error_errno(err, errno, "entering the VE's namespaces");
	return mount_copy(AT_FDCWD, "/", err);
}

int tree_of_running(const struct running *running, struct error *err)
{
	return apart_open(open_running, running, NULL, err);
}

/* ---- of a stopped one --------------------------------------------------------------------------------------- */

struct stopped {
	const struct host_config *host;
	const struct ve_config *config;
};

static int open_stopped(const void *data, struct strbuf *said, struct error *err)
{
	(void)said;
	const struct stopped *stopped = data;
	AUTO(private_release) struct private_area area = PRIVATE_AREA_INIT;
	if (private_open(stopped->host, stopped->config, &area, err) < 0)
		return -1;
	return private_show(&area, true, stopped->config->root, err);
}

int tree_of_stopped(const struct host_config *host, const struct ve_config *config,
		    struct error *err)
{
	const struct stopped stopped = { host, config };
	/* An overlay must not be mounted twice. */
	if (is_mounted(config->root))
		return mount_copy(AT_FDCWD, config->root, err);
	autoclose int root = dir_open(AT_FDCWD, config->root, true, 0700, err);
	return root < 0 ? -1 : apart_open(open_stopped, &stopped, NULL, err);
}
