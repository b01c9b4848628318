/* A VE's configuration, as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/life/life.h"

int publish_config(const struct life *life, const struct strbuf *text,
		   const struct conf_change *changes, size_t count, struct error *err)
{
	const char *folder = life->host->ve_confdir;
	autofree char *name = xasprintf("%u.conf", life->ctid);
	autofree char *temporary = xasprintf("%s.tmp-new", name);
	autoclose int dir = dir_open(AT_FDCWD, folder, true, 0755, err);
	if (dir < 0 || file_write_atomic(dir, temporary, 0644, text->text, text->length, err) < 0 ||
	    conf_edit(dir, temporary, changes, count, err) < 0)
		return -1;
	if (renameat(dir, temporary, dir, name) < 0)
		return error_errno(err, errno, "renaming to %s/%s", folder, name);
	return fsync(dir) < 0 ? error_errno(err, errno, "syncing %s", folder) : 0;
}
