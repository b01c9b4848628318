#include "vzpkg/install/rpm_database.h"

#include <db.h>
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmlib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/bdb_file.h"

enum { MACROS_MAX = 1 << 20 };

/* ---- which format ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum rpm_database_format format;
} formats[] = {
	{ "sqlite", RPM_DATABASE_SQLITE },
	{ "bdb", RPM_DATABASE_BDB },
	{ "bdb8", RPM_DATABASE_BDB8 },
	{ "ndb", RPM_DATABASE_NDB },
};

bool rpm_database_format_parse(const char *name, enum rpm_database_format *ret)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0) {
			*ret = formats[i].format;
			return true;
		}
	return false;
}

/* The value of "%NAME VALUE" in a file of macros; NULL if it has none. */
static char *find_macro(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text; *line;) {
		size_t size = strcspn(line, "\n");
		if (*line == '%' && size > length + 1 && strncmp(line + 1, name, length) == 0 &&
		    strchr(" \t", line[length + 1])) {
			const char *value = line + length + 1 + strspn(line + length + 1, " \t");
			return xstrndup(value, strcspn(value, " \t\r\n"));
		}
		line += size + (line[size] == '\n');
	}
	return NULL;
}

static void replace(char *text, size_t size, const char *what, const char *by)
{
	char *at = strstr(text, what);
	if (!at)
		return;
	autofree char *tail = xstrdup(at + strlen(what));
	snprintf(at, size - (size_t)(at - text), "%s%s", by, tail);
}

static void take_path(struct rpm_database *database, const char *value)
{
	char path[sizeof(database->path)];

	snprintf(path, sizeof(path), "%s", value);
	replace(path, sizeof(path), "%{_var}", "/var");
	replace(path, sizeof(path), "%{_localstatedir}", "/var");
	replace(path, sizeof(path), "%{_usr}", "/usr");
	replace(path, sizeof(path), "%{_prefix}", "/usr");
	/* A path that we do not understand is as good as none. */
	if (path[0] == '/' && !strpbrk(path, "%()") && !strstr(path, ".."))
		memcpy(database->path, path, sizeof(path));
}

/* rpm 4.6 came with db 4.7, the first one that can read version 9; 4.16 is the last one that writes Berkeley DB. */
static enum rpm_database_format format_of(const char *version)
{
	unsigned major = 0, minor = 0;
	const char *colon = version ? strchr(version, ':') : NULL;

	if (!version || sscanf(colon ? colon + 1 : version, "%u.%u", &major, &minor) < 1)
		return RPM_DATABASE_SQLITE;
	if (major < 4 || (major == 4 && minor < 6))
		return RPM_DATABASE_BDB8;
	return major == 4 && minor < 17 ? RPM_DATABASE_BDB : RPM_DATABASE_SQLITE;
}

/* A script may have put something else there, a FIFO for instance. */
static void read_macros(struct rpm_database *database, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    file_read_fd(fd, path, MACROS_MAX, &text, NULL) < 0)
		return;
	autofree char *backend = find_macro(text.text, "_db_backend");
	autofree char *where = find_macro(text.text, "_dbpath");
	if (backend)
		rpm_database_format_parse(backend, &database->format);
	if (where)
		take_path(database, where);
}

void rpm_database_detect(const char *rpm_version, struct rpm_database *ret)
{
	*ret = (struct rpm_database){ .format = format_of(rpm_version), .path = "/var/lib/rpm" };
	read_macros(ret, "/usr/lib/rpm/macros");
	read_macros(ret, "/usr/lib/rpm/suse/macros");
	read_macros(ret, "/etc/rpm/macros");
}

/* ---- Berkeley DB --------------------------------------------------------------------------------------- */

static int db_failed(int status, const char *path, struct error *err)
{
	if (status > 0)
		return error_errno(err, status, "writing %s", path);
	return error_set(err, ERROR_INSTALL, "writing %s: %s", path, db_strerror(status));
}

static int put(DB *db, uint32_t number, const void *data, size_t size)
{
	uint32_t record = htole32(number);
	DBT key = { .data = &record, .size = sizeof(record) };
	DBT value = { .data = (void *)data, .size = (uint32_t)size };
	return db->put(db, NULL, &key, &value, 0);
}

/* Record 0 has the highest number in use, as rpm's own dbi writes it. */
static int put_headers(DB *db, rpmts ts)
{
	rpmdbMatchIterator headers = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	uint32_t highest = 0;
	Header header;
	int status = 0;

	while (status == 0 && (header = rpmdbNextIterator(headers))) {
		uint32_t number = rpmdbGetIteratorOffset(headers);
		unsigned size = 0;
		autofree void *blob = headerExport(header, &size);
		status = blob ? put(db, number, blob, size) : EINVAL;
		if (number > highest)
			highest = number;
	}
	rpmdbFreeIterator(headers);
	highest = htole32(highest);
	return status ?: put(db, 0, &highest, sizeof(highest));
}

static int write_bdb(rpmts ts, const char *path, struct error *err)
{
	DB *db;
	int status = db_create(&db, NULL, 0);

	if (status != 0)
		return db_failed(status, path, err);
	status = db->set_lorder(db, 1234);
	if (status == 0)
		status = db->open(db, NULL, path, NULL, DB_HASH, DB_CREATE | DB_TRUNCATE, 0644);
	if (status == 0)
		status = put_headers(db, ts);
	int closed = db->close(db, 0);
	return status || closed ? db_failed(status ?: closed, path, err) : 0;
}

/* ---- handing over -------------------------------------------------------------------------------------- */

static void remove_ours(void)
{
	autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	tree_remove(root, RPM_DATABASE_OURS_NAME, NULL);
}

static int hand_over_sqlite(rpmts ts, const struct rpm_database *database, struct error *err)
{
	autofree char *target = xasprintf("%s/rpmdb.sqlite", database->path);

	/* Closing it writes all of the log into the data. */
	rpmtsCloseDB(ts);
	if (rename(RPM_DATABASE_OURS "/rpmdb.sqlite", target) < 0)
		return error_errno(err, errno, "moving the database to %s", target);
	return 0;
}

static int export_headers(rpmts ts, struct error *err)
{
	FD_t file = Fopen(RPM_DATABASE_HEADERS, "w.ufdio");
	rpmdbMatchIterator headers = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	Header header;
	int status = file && !Ferror(file) ? 0 : -1;

	while (status == 0 && (header = rpmdbNextIterator(headers)))
		status = headerWrite(file, header, HEADER_MAGIC_YES);
	rpmdbFreeIterator(headers);
	if (file && Fclose(file) != 0)
		status = -1;
	return status ? error_set(err, ERROR_INSTALL, "exporting the database failed") : 0;
}

static int hand_over_bdb(rpmts ts, const struct rpm_database *database, struct error *err)
{
	autofree char *path = xasprintf("%s/Packages", database->path);

	if (write_bdb(ts, path, err) < 0)
		return -1;
	return database->format == RPM_DATABASE_BDB8 ? bdb_file_make_version_8(path, err) : 0;
}

int rpm_database_hand_over(rpmts ts, const struct rpm_database *database, struct error *err)
{
	autoclose int folder = dir_open(AT_FDCWD, database->path, true, 0755, err);
	int ret = -1;

	if (folder < 0)
		return -1;
	switch (database->format) {
	case RPM_DATABASE_NDB:
		ret = export_headers(ts, err);
		rpmtsCloseDB(ts);
		return ret;
	case RPM_DATABASE_SQLITE:
		ret = hand_over_sqlite(ts, database, err);
		break;
	case RPM_DATABASE_BDB:
	case RPM_DATABASE_BDB8:
		ret = hand_over_bdb(ts, database, err);
		rpmtsCloseDB(ts);
	}
	if (ret == 0)
		remove_ours();
	return ret;
}

/* ---- on the host ----------------------------------------------------------------------------------------- */

int rpm_database_make_reproducible(int tree, const char *path, struct error *err)
{
	int fd = open_in_root(tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	autoclosedir DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder)
		return error_set(err, ERROR_INSTALL, "the guest's rpm left no folder %s: %s", path,
				 strerror(errno));
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' &&
		    bdb_file_make_reproducible(fd, entry->d_name, err) < 0)
			return -1;
	return 0;
}
