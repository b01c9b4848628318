/*
 * The database of dnf 3 and 4 (libdnf's transaction/sql): what it has done to which packages, and why.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/installed_read.h"
#include "vzpkg/metadata/jail.h"
#include "vzpkg/metadata/rpm_reasons.h"

#define HISTORY "var/lib/dnf/history.sqlite"
#define HISTORY_LOG HISTORY "-wal" /* what was written last */

/* Bytes. What scripts have printed is in it, too. */
#define FILE_MAX ((uint64_t)256 << 20)
#define TEXT_MAX ((uint64_t)16 << 20)
#define MEMORY_MAX ((uint64_t)128 << 20)

enum { LIMIT_S = 10, FLUSH = 1 << 16 };

/* Of a line: what it says of the package that follows. */
enum { DEPENDENCY = 'd', ASKED = 'a' };

/* ---- in the jail: from the database to lines --------------------------------------------------------------------- */

/*
 * Of each package what was said last of it by a transaction that has succeeded (state 1), but for the old one's part of a replacement (actions 3, 5, 7, 10:
 * downgraded, obsoleted, upgraded, reinstalled). What dnf has removed (8) nobody knows any more. Of the reasons, 1 is a dependency and 4 a weak one, 2 is the
 * user, 5 a group.
 */
static const char query[] =
	"SELECT name || '.' || arch, action, reason, MAX(trans_item.id) FROM trans_item"
	" JOIN trans ON trans.id = trans_item.trans_id JOIN rpm ON rpm.item_id = trans_item.item_id"
	" WHERE trans.state = 1 AND action NOT IN (3, 5, 7, 10) GROUP BY name, arch";

static void add_row(sqlite3_stmt *rows, struct strbuf *text)
{
	const char *package = (const char *)sqlite3_column_text(rows, 0);
	int action = sqlite3_column_int(rows, 1), reason = sqlite3_column_int(rows, 2);
	char tag = reason == 1 || reason == 4 ? DEPENDENCY : ASKED;

	if (package && action != 8 && reason > 0 && reason <= 5 && reason != 3 &&
	    !strchr(package, '\n'))
		strbuf_addf(text, "%c%s\n", tag, package);
}

static int write_rows(sqlite3_stmt *rows, int output, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	int status;

	while ((status = sqlite3_step(rows)) == SQLITE_ROW) {
		add_row(rows, &text);
		if (text.length < FLUSH)
			continue;
		if (write_all(output, text.text, text.length, "pipe", err) < 0)
			return -1;
		strbuf_truncate(&text, 0);
	}
	if (status != SQLITE_DONE)
		return error_set(err, ERROR_PACKAGES, "%s", sqlite3_errstr(status));
	return write_all(output, text.text, text.length, "pipe", err);
}

static int dump(int output, void *data, struct error *err)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *rows = NULL;
	int ret = 0;

	(void)data;
	int status = sqlite3_open_v2("/history.sqlite", &db, SQLITE_OPEN_READWRITE, NULL);
	if (status == SQLITE_OK)
		status = sqlite3_exec(db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
	if (status == SQLITE_OK)
		status = sqlite3_prepare_v2(db, query, -1, &rows, NULL);
	/* It has no such tables: nothing was done yet, or it is of another dnf. */
	if (status == SQLITE_OK)
		ret = write_rows(rows, output, err);
	else if (status != SQLITE_ERROR)
		ret = error_set(err, ERROR_PACKAGES, "%s", sqlite3_errstr(status));
	sqlite3_finalize(rows);
	sqlite3_close(db);
	return ret;
}

/* ---- here: from lines to reasons --------------------------------------------------------------------------------- */

static int take_lines(char *text, struct rpm_reasons *ret, struct error *err)
{
	char *rest = text, *line;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		if (*line != DEPENDENCY && *line != ASKED)
			return error_set(err, ERROR_PACKAGES,
					 "what was read is not to be understood");
		strvec_push(*line == DEPENDENCY ? &ret->dependencies : &ret->asked, line + 1);
	}
	return 0;
}

/* -1: there is none. */
static int open_file(int tree, const char *path, int *ret, struct error *err)
{
	AUTO(error_clear) struct error missing = ERROR_INIT;

	*ret = installed_open(tree, path, FILE_MAX, &missing);
	if (*ret >= 0 || missing.kind == ERROR_NO_FILE)
		return 0;
	error_move(err, &missing);
	return -1;
}

int dnf_history_read(int tree, struct rpm_reasons *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	autoclose int fd = -1, log = -1;

	if (open_file(tree, HISTORY, &fd, err) < 0 || open_file(tree, HISTORY_LOG, &log, err) < 0)
		return -1;
	if (fd < 0)
		return 0;
	const struct jail_file files[] = { { "history.sqlite", fd },
					   { "history.sqlite-wal", log } };
	const struct jail jail = {
		.files = files,
		.count = log < 0 ? 1 : 2,
		.files_max = 2 * FILE_MAX + (1 << 20),
		.memory_max = MEMORY_MAX,
		.output_max = TEXT_MAX,
		.limit_s = LIMIT_S,
		.run = dump,
	};
	if (jail_run(&jail, &text, &why) == 0 && take_lines(text.text, ret, &why) == 0)
		return 0;
	if (why.kind != ERROR_CHILD && why.kind != ERROR_PACKAGES) {
		error_move(err, &why);
		return -1;
	}
	installed_broken(err, HISTORY, "%s", why.message);
	return error_hint(err, "when it is moved away, the VE's dnf begins a new one");
}

int dnf_history_hash(int tree, struct hasher *hasher, struct error *err)
{
	if (installed_hash_file(tree, HISTORY, FILE_MAX, hasher, err) < 0)
		return -1;
	return installed_hash_file(tree, HISTORY_LOG, FILE_MAX, hasher, err);
}
