/* What a VE was suspended to, as it is on disk. */
#include "runtime/life/dump.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/file.h"
#include "runtime/config/ve_dump.h"
#include "runtime/criu/criu.h"

#define RECORD "dump.conf"

int dump_take_ids(const struct host_config *host, unsigned ctid, unsigned base,
		  struct id_block *ret, struct error *err)
{
	if (id_block_take_at(host->lock_dir, base, ctid, ret, NULL) == 0)
		return 0;
	error_set(err, ERROR_TECHNOLOGY,
		  "the ids from %u on, which the VE's processes have, are another VE's", base);
	return error_hint(err,
			  "they are free when that one is stopped: \"ls %s/ids\" shows whose "
			  "they are",
			  host->lock_dir);
}

char *dump_program(const struct host_config *host, struct error *err)
{
	return criu_find(host->criu, err);
}

int dump_describe(const struct dump *dump, struct error *err)
{
	autofree char *text = xasprintf("CONSOLE=\"%s\"\nIDS=%u\n", dump->console, dump->ids_base);
	return file_write_atomic(dump->dir, RECORD, 0600, text, strlen(text), err);
}

int dump_open(const struct host_config *host, unsigned ctid, struct dump *ret, struct error *err)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	autofree char *path = ve_dump_path(host, ctid);
	*ret = DUMP_INIT;
	autoclose int dir = dir_open(AT_FDCWD, path, false, 0, err);
	if (dir < 0 || conf_read(&conf, dir, RECORD, false, err) < 0 ||
	    (ret->images = dir_open(dir, DUMP_IMAGES, false, 0, err)) < 0)
		return error_wrap(err, "opening what the VE %u was suspended to", ctid);
	ret->console = xstrdup(conf_get_default(&conf, "CONSOLE", ""));
	ret->ids_base = (unsigned)strtoul(conf_get_default(&conf, "IDS", "0"), NULL, 10);
	ret->dir = steal_fd(&dir);
	return 0;
}

void dump_release(struct dump *dump)
{
	if (dump->dir >= 0)
		close(dump->dir);
	if (dump->images >= 0)
		close(dump->images);
	free(dump->console);
	*dump = DUMP_INIT;
}
