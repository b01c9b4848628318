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

char *ve_dump_arriving(const struct host_config *host, unsigned ctid)
{
	return xasprintf("%s/Dump.%u.arriving", host->dump_dir, ctid);
}

int ve_dump_arrive(const struct host_config *host, unsigned ctid, struct error *err)
{
	autofree char *from = ve_dump_arriving(host, ctid), *to = ve_dump_path(host, ctid);
	autoclose int dir = dir_open(AT_FDCWD, host->dump_dir, false, 0, err);
	if (dir < 0)
		return -1;
	if (syncfs(dir) < 0)
		return error_errno(err, errno, "syncing %s", host->dump_dir);
	/* An earlier try may have got so far. */
	if (rename(from, to) < 0 && (errno != ENOENT || access(to, F_OK) < 0))
		return error_errno(err, errno, "renaming %s", from);
	if (fsync(dir) < 0)
		return error_errno(err, errno, "syncing %s", host->dump_dir);
	return 0;
}

bool ve_dump_exists(const struct host_config *host, unsigned ctid)
{
	autofree char *path = ve_dump_path(host, ctid);
	return access(path, F_OK) == 0;
}

bool ve_dump_is_begun(const struct host_config *host, unsigned ctid)
{
	autofree char *path = ve_dump_path(host, ctid), *begun = xasprintf("%s.new", path);
	return access(begun, F_OK) == 0;
}

void ve_dump_end(const struct host_config *host, unsigned ctid)
{
	autofree char *path = ve_dump_path(host, ctid), *ended = xasprintf("%s.old", path);
	rename(path, ended);
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

int ve_dump_remove_arriving(const struct host_config *host, unsigned ctid, struct error *err)
{
	autofree char *path = ve_dump_arriving(host, ctid);
	return tree_remove(AT_FDCWD, path, err);
}
