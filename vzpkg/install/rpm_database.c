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
#include "base/digest.h"
#include "base/file.h"

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

static void read_macros(struct rpm_database *database, const char *path)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (file_read(AT_FDCWD, path, MACROS_MAX, &text, NULL) < 0)
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

/* Offsets in a page, of Berkeley DB's dbinc/db_page.h; the first one holds the table's own data. */
enum {
	META_MAGIC = 12,
	META_VERSION = 16,
	META_PAGE_SIZE = 20,
	PAGE_TYPE = 25,
	META_FILE_ID = 52,
	FILE_ID_SIZE = 20,
	MAGIC_HASH = 0x061561,
	MAGIC_BTREE = 0x053162,
	TYPE_HASH_UNSORTED = 2,
	TYPE_HASH = 13,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 65536,
};

/* Version 9 of the hash format differs from 8 in that the items of a page are sorted, and that its pages say so: who does not expect
 * an order reads them as well. */
static int make_version_8(const char *path, struct error *err)
{
	static const uint8_t unsorted = TYPE_HASH_UNSORTED;
	uint32_t version = htole32(8), page_size = 0;
	autoclose int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || pread(fd, &page_size, 4, META_PAGE_SIZE) != 4)
		return error_errno(err, errno, "reading %s", path);
	page_size = le32toh(page_size);
	if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX)
		return error_set(err, ERROR_INSTALL, "%s: its pages are of %u bytes", path,
				 page_size);
	bool good = pwrite(fd, &version, 4, META_VERSION) == 4;
	for (off_t page = page_size; good && page < st.st_size; page += page_size) {
		uint8_t type = 0;
		good = pread(fd, &type, 1, page + PAGE_TYPE) == 1 &&
		       (type != TYPE_HASH || pwrite(fd, &unsorted, 1, page + PAGE_TYPE) == 1);
	}
	return good ? 0 : error_errno(err, errno, "writing %s", path);
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
	return database->format == RPM_DATABASE_BDB8 ? make_version_8(path, err) : 0;
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

static int set_file_id(int folder, const char *name, struct error *err)
{
	autoclose int fd = openat(folder, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct digest digest;
	uint32_t magic;

	if (fd < 0 || pread(fd, &magic, sizeof(magic), META_MAGIC) != sizeof(magic))
		return 0;
	magic = le32toh(magic);
	if (magic != MAGIC_HASH && magic != MAGIC_BTREE)
		return 0;
	digest_data(DIGEST_SHA256, name, strlen(name), &digest);
	if (pwrite(fd, digest.bytes, FILE_ID_SIZE, META_FILE_ID) != FILE_ID_SIZE)
		return error_errno(err, errno, "writing %s", name);
	return 0;
}

int rpm_database_make_reproducible(int tree, const char *path, struct error *err)
{
	int fd = open_in_root(tree, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	autoclosedir DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!folder)
		return error_errno(err, errno, "opening %s in the tree", path);
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && set_file_id(fd, entry->d_name, err) < 0)
			return -1;
	return 0;
}
