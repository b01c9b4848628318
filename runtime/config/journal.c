#include "runtime/config/journal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/conf.h"
#include "base/file.h"

static const char *const step_names[JOURNAL_STEPS] = {
	[JOURNAL_NONE] = "none",
	[JOURNAL_COPYING] = "copying",
	[JOURNAL_HANDED_OVER] = "handed-over",
	[JOURNAL_COMMITTED] = "committed",
	[JOURNAL_DONE] = "done",
	[JOURNAL_ARRIVING] = "arriving",
};

static int parse_step(const struct conf *conf, enum journal_step *ret, struct error *err)
{
	const char *name = conf_get_default(conf, "STEP", "");
	for (int i = JOURNAL_COPYING; i < JOURNAL_STEPS; i++)
		if (!strcmp(name, step_names[i])) {
			*ret = (enum journal_step)i;
			return 0;
		}
	error_set(err, ERROR_PARSE, "%s: \"%s\" is not a step of a move that this vzmigrate knows",
		  conf->path, name);
	return error_hint(err, "if a newer vzmigrate is installed as well, use that one");
}

int journal_load(const struct host_config *host, unsigned ctid, struct journal *ret,
		 struct error *err)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	autofree char *path = xasprintf("%s/%u.migrate", host->lock_dir, ctid);
	*ret = JOURNAL_INIT;
	if (conf_read(&conf, AT_FDCWD, path, true, err) < 0)
		return -1;
	if (!conf.path)
		return 0;
	if (parse_step(&conf, &ret->step, err) < 0)
		return -1;
	ret->id = xstrdup(conf_get_default(&conf, "ID", ""));
	ret->peer = xstrdup(conf_get_default(&conf, "PEER", ""));
	ret->private_area = xstrdup_or_null(conf_get(&conf, "PRIVATE"));
	ret->keep = !strcmp(conf_get_default(&conf, "KEEP", "no"), "yes");
	ret->ran = !strcmp(conf_get_default(&conf, "RAN", "no"), "yes");
	return 0;
}

bool journal_any_arriving(const struct host_config *host)
{
	bool any = false;
	autoclosedir DIR *dir = opendir(host->lock_dir);
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		AUTO(journal_release) struct journal journal = JOURNAL_INIT;
		char *end;
		unsigned long ctid = strtoul(entry->d_name, &end, 10);
		if (end != entry->d_name && !strcmp(end, ".migrate"))
			any |= journal_load(host, (unsigned)ctid, &journal, NULL) < 0 ||
			       journal.step == JOURNAL_ARRIVING;
	}
	return any;
}

static void add(struct strbuf *text, const char *key, const char *value)
{
	strbuf_addf(text, "%s=\"", key);
	for (const char *c = value; *c; c++)
		strbuf_addf(text, strchr("\"\\", *c) ? "\\%c" : "%c", *c);
	strbuf_adds(text, "\"\n");
}

/* file_write_atomic(): what one that was killed has left. */
static void sweep(int locks, unsigned ctid)
{
	autofree char *prefix = xasprintf("%u.migrate.tmp-", ctid);
	int copy = openat(locks, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (!strncmp(entry->d_name, prefix, strlen(prefix)))
			unlinkat(locks, entry->d_name, 0);
}

int journal_save(const struct host_config *host, unsigned ctid, const struct journal *journal,
		 struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *name = xasprintf("%u.migrate", ctid);
	autoclose int dir = dir_open(AT_FDCWD, host->lock_dir, true, 0755, err);
	if (dir < 0)
		return -1;
	sweep(dir, ctid);
	if (journal->step == JOURNAL_NONE) {
		if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
			return error_errno(err, errno, "removing %s/%s", host->lock_dir, name);
		return 0;
	}
	add(&text, "STEP", step_names[journal->step]);
	add(&text, "ID", journal->id);
	add(&text, "PEER", journal->peer);
	if (journal->private_area)
		add(&text, "PRIVATE", journal->private_area);
	add(&text, "KEEP", journal->keep ? "yes" : "no");
	add(&text, "RAN", journal->ran ? "yes" : "no");
	return file_write_atomic(dir, name, 0600, text.text, text.length, err);
}

void journal_release(struct journal *journal)
{
	free(journal->id);
	free(journal->peer);
	free(journal->private_area);
	*journal = JOURNAL_INIT;
}
