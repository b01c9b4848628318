#include "runtime/config/ve_dump.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

char *ve_dump_path(const struct host_config *host, unsigned ctid)
{
	return xasprintf("%s/Dump.%u", host->dump_dir, ctid);
}

bool ve_dump_exists(const struct host_config *host, unsigned ctid)
{
	autofree char *path = ve_dump_path(host, ctid);
	return access(path, F_OK) == 0;
}

int ve_dump_remove(const struct host_config *host, unsigned ctid, struct error *err)
{
	autofree char *path = ve_dump_path(host, ctid), *begun = xasprintf("%s.new", path),
		      *ended = xasprintf("%s.old", path);
	/* At once for whoever asks, however long it takes. */
	if (rename(path, ended) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing %s", path);
	if (tree_remove(AT_FDCWD, ended, err) < 0 || tree_remove(AT_FDCWD, begun, err) < 0)
		return error_wrap(err, "removing what a VE was suspended to");
	return 0;
}
