#include <errno.h>
#include <rpm/header.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmds.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fetch/rpm_library.h"
#include "vzpkg/metadata/installed_read.h"
#include "vzpkg/metadata/installed_rpm.h"
#include "vzpkg/metadata/jail.h"
#include "vzpkg/metadata/ndb.h"

/* Bytes. A thousand packages are 50 to 150 MB. */
#define FILE_MAX ((uint64_t)512 << 20)
#define TEXT_MAX ((uint64_t)128 << 20)
#define MEMORY_MAX ((uint64_t)512 << 20)

enum { LIMIT_S = 60, FLUSH = 1 << 16 };

/* ---- which database ---------------------------------------------------------------------------------------------- */

/* Where rpm has had it: always, since 2021, and in images that are updated as a whole. */
static const char *const folders[] = { "var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm" };

/* Of several the newest kind is the one in use: rpm makes it of the others. */
static const struct kind {
	const char *file, *more; /* more: what belongs to it, or NULL */
	const char *backend; /* as librpm calls it; NULL: librpm of Debian cannot read it */
} kinds[] = {
	{ "rpmdb.sqlite", "rpmdb.sqlite-wal", "sqlite" },
	{ "Packages.db", NULL, NULL },
	{ "Packages", NULL, "bdb_ro" },
};

struct database {
	const struct kind *kind;
	char *path, *more_path; /* in the tree */
	int fd, more_fd; /* more_fd: -1: there is none */
};

static void database_release(struct database *database)
{
	cleanup_close(&database->fd);
	cleanup_close(&database->more_fd);
	free(database->path);
	free(database->more_path);
}

/* -1 with ERROR_NO_FILE: not this one. */
static int try_open(int tree, const char *folder, const struct kind *kind,
		    struct database *database, struct error *err)
{
	autofree char *path = xasprintf("%s/%s", folder, kind->file);
	autoclose int fd = installed_open(tree, path, FILE_MAX, err);

	if (fd < 0)
		return -1;
	database->kind = kind;
	database->fd = steal_fd(&fd);
	database->path = steal_ptr(path);
	if (!kind->more)
		return 0;
	database->more_path = xasprintf("%s/%s", folder, kind->more);
	database->more_fd = installed_open(tree, database->more_path, FILE_MAX, err);
	if (database->more_fd < 0 && (!err || err->kind != ERROR_NO_FILE))
		return -1;
	error_clear(err);
	return 0;
}

static int find_database(int tree, struct database *ret, struct error *err)
{
	for (size_t f = 0; f < sizeof(folders) / sizeof(folders[0]); f++)
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			AUTO(error_clear) struct error tried = ERROR_INIT;
			if (try_open(tree, folders[f], &kinds[k], ret, &tried) == 0)
				return 0;
			if (tried.kind != ERROR_NO_FILE) {
				error_move(err, &tried);
				return -1;
			}
		}
	return installed_broken(err, folders[0], "there is no rpm database");
}

/* ---- in the jail: from headers to lines -------------------------------------------------------------------------- */

struct dump {
	const struct database *database;
	int output;
	struct strbuf text;
};

static int flush(struct dump *dump, size_t at_least, struct error *err)
{
	if (dump->text.length <= at_least)
		return 0;
	int ret = write_all(dump->output, dump->text.text, dump->text.length, "pipe", err);
	strbuf_truncate(&dump->text, 0);
	return ret;
}

/* A line holds no control characters. What has one is left out: nobody can ask for it. */
static bool fits_in_line(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

static void add_relation(struct dump *dump, char tag, rpmds relation)
{
	const char *name = rpmdsN(relation), *evr = rpmdsEVR(relation);
	rpmsenseFlags flags = rpmdsFlags(relation);
	char sense[4];

	/* What rpm itself has to be able to do. */
	if (!name || flags & RPMSENSE_RPMLIB || strncmp(name, "rpmlib(", 7) == 0 ||
	    !fits_in_line(name))
		return;
	snprintf(sense, sizeof(sense), "%s%s%s", flags & RPMSENSE_LESS ? "<" : "",
		 flags & RPMSENSE_GREATER ? ">" : "", flags & RPMSENSE_EQUAL ? "=" : "");
	if (*sense && evr && *evr && fits_in_line(evr))
		strbuf_addf(&dump->text, "%c%s\t%s\t%s\n", tag, name, sense, evr);
	else
		strbuf_addf(&dump->text, "%c%s\n", tag, name);
}

static void add_relations(struct dump *dump, Header header)
{
	static const struct {
		char line;
		rpmTagVal tag;
	} relations[] = {
		{ INSTALLED_RPM_PROVIDES, RPMTAG_PROVIDENAME },
		{ INSTALLED_RPM_REQUIRES, RPMTAG_REQUIRENAME },
		{ INSTALLED_RPM_CONFLICTS, RPMTAG_CONFLICTNAME },
		{ INSTALLED_RPM_OBSOLETES, RPMTAG_OBSOLETENAME },
		{ INSTALLED_RPM_RECOMMENDS, RPMTAG_RECOMMENDNAME },
		{ INSTALLED_RPM_SUPPLEMENTS, RPMTAG_SUPPLEMENTNAME },
	};
	for (size_t i = 0; i < sizeof(relations) / sizeof(relations[0]); i++) {
		rpmds relation = rpmdsNew(header, relations[i].tag, 0);
		while (rpmdsNext(relation) >= 0)
			add_relation(dump, relations[i].line, relation);
		rpmdsFree(relation);
	}
}

static void add_files(struct dump *dump, Header header)
{
	struct rpmtd_s names, folder_names, indexes;
	const char *name;
	uint32_t last = UINT32_MAX;

	headerGet(header, RPMTAG_BASENAMES, &names, HEADERGET_MINMEM);
	headerGet(header, RPMTAG_DIRNAMES, &folder_names, HEADERGET_MINMEM);
	headerGet(header, RPMTAG_DIRINDEXES, &indexes, HEADERGET_MINMEM);
	while ((name = rpmtdNextString(&names))) {
		const uint32_t *index = rpmtdNextUint32(&indexes);
		if (!index)
			break;
		if (*index != last) {
			const char *folder = rpmtdSetIndex(&folder_names, (int)*index) < 0
						     ? NULL
						     : rpmtdGetString(&folder_names);
			if (!folder || *folder != '/' || !fits_in_line(folder))
				continue;
			strbuf_addf(&dump->text, "%c%s\n", INSTALLED_RPM_FOLDER, folder);
			last = *index;
		}
		if (*name && fits_in_line(name))
			strbuf_addf(&dump->text, "%c%s\n", INSTALLED_RPM_FILE, name);
	}
	rpmtdFreeData(&names);
	rpmtdFreeData(&folder_names);
	rpmtdFreeData(&indexes);
}

static int dump_header(struct dump *dump, Header header, struct error *err)
{
	const char *name = headerGetString(header, RPMTAG_NAME);
	const char *arch = headerGetString(header, RPMTAG_ARCH);
	autofree char *evr = headerGetAsString(header, RPMTAG_EVR);

	/* A key is no package. */
	if (name && strcmp(name, "gpg-pubkey") == 0)
		return 0;
	if (!name || !evr || !arch || !fits_in_line(name) || !fits_in_line(evr) ||
	    !fits_in_line(arch))
		return error_set(err, ERROR_PACKAGES,
				 "a package has no name, version or architecture");
	/* Repositories leave out an epoch of 0, and so does what is compared with them. */
	strbuf_addf(&dump->text, "%c%s\t%s\t%s\n", INSTALLED_RPM_PACKAGE, name,
		    strncmp(evr, "0:", 2) == 0 ? evr + 2 : evr, arch);
	add_relations(dump, header);
	add_files(dump, header);
	return flush(dump, FLUSH, err);
}

int installed_rpm_dump(Header header, int output, struct error *err)
{
	struct dump dump = { .output = output, .text = STRBUF_INIT };
	int ret = dump_header(&dump, header, err);

	if (ret == 0)
		ret = flush(&dump, 0, err);
	strbuf_release(&dump.text);
	return ret;
}

static int dump_blob(const void *blob, size_t size, void *data, struct error *err)
{
	Header header = headerImport((void *)blob, (unsigned)size, HEADERIMPORT_COPY);
	if (!header)
		return error_set(err, ERROR_PACKAGES, "a package's header is damaged");
	int ret = dump_header(data, header, err);
	headerFree(header);
	return ret;
}

static int dump_by_librpm(struct dump *dump, rpmts ts, struct error *err)
{
	Header header;
	int ret = 0;

	rpmPushMacro(NULL, "_dbpath", NULL, "/", RMIL_CMDLINE);
	rpmPushMacro(NULL, "_db_backend", NULL, dump->database->kind->backend, RMIL_CMDLINE);
	rpmtsSetRootDir(ts, "/");
	rpmtsSetVSFlags(ts, _RPMVSF_NODIGESTS | _RPMVSF_NOSIGNATURES);
	if (rpmtsOpenDB(ts, 0) != 0)
		return error_set(err, ERROR_PACKAGES, "librpm cannot open it");
	rpmdbMatchIterator headers = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	while (ret == 0 && (header = rpmdbNextIterator(headers)))
		ret = dump_header(dump, header, err);
	rpmdbFreeIterator(headers);
	return ret;
}

static int dump_run(int output, void *data, struct error *err)
{
	struct dump *dump = data;
	int ret;

	AUTO(strbuf_release) struct strbuf said = STRBUF_INIT;

	dump->output = output;
	rpm_library_listen(&said, RPMLOG_ERR);
	if (dump->database->kind->backend) {
		rpmts ts = rpmtsCreate();
		ret = dump_by_librpm(dump, ts, err);
		rpmtsFree(ts);
	} else {
		ret = ndb_read("/Packages.db", dump_blob, dump, err);
	}
	rpm_library_listen(NULL, 0);
	if (ret == 0 && said.length)
		ret = error_set(err, ERROR_PACKAGES, "librpm: %s", said.text);
	return ret < 0 ? -1 : flush(dump, 0, err);
}

static int dump_prepare(void *data, struct error *err)
{
	(void)data;
	return rpm_library_open(err);
}

/* ---- here: from lines to a set ----------------------------------------------------------------------------------- */

static int add_package(struct installed_builder *builder, const struct rpm_reasons *reasons,
		       char *words, struct error *err)
{
	char *rest = words;
	const char *name = strsep(&rest, "\t"), *version = strsep(&rest, "\t");
	struct installed_package package = {
		.name = (char *)name,
		.version = (char *)version,
		.arch = rest,
	};

	if (!rest || !installed_word(name, "-+._%") || !installed_word(version, "-+._~^:%") ||
	    !installed_word(rest, "_-."))
		return error_set(err, ERROR_PACKAGES,
				 "a package has no name, version or architecture that can be one");
	if (builder->packages.count == INSTALLED_PACKAGES_MAX)
		return error_set(err, ERROR_PACKAGES, "it has too many packages");
	if (reasons)
		rpm_reasons_mark(reasons, &package);
	installed_builder_add(builder, &package);
	return 0;
}

/* It makes sets differ. */
static void add_reason(struct installed_builder *builder)
{
	const struct installed_package *package =
		&builder->packages.packages[builder->packages.count - 1];

	if (package->automatic || package->asked)
		strbuf_addf(&builder->text, "%c%s\n", INSTALLED_RPM_REASON,
			    package->automatic ? "dep" : "user");
}

int installed_rpm_parse(const char *text, size_t length, const struct rpm_reasons *reasons,
			struct installed_builder *builder, struct error *err)
{
	static const char tags[] = { INSTALLED_RPM_PACKAGE,     INSTALLED_RPM_PROVIDES,
				     INSTALLED_RPM_REQUIRES,    INSTALLED_RPM_CONFLICTS,
				     INSTALLED_RPM_OBSOLETES,   INSTALLED_RPM_RECOMMENDS,
				     INSTALLED_RPM_SUPPLEMENTS, INSTALLED_RPM_FOLDER,
				     INSTALLED_RPM_FILE,        0 };
	const char *end = text + length, *newline;

	for (const char *line = text; line < end; line = newline + 1) {
		newline = memchr(line, '\n', (size_t)(end - line));
		if (!newline || !*line || !strchr(tags, *line) || newline - line < 2 ||
		    memchr(line, 0, (size_t)(newline - line)))
			return error_set(err, ERROR_PACKAGES,
					 "what was read is not to be understood");
		autofree char *words = *line == INSTALLED_RPM_PACKAGE
					       ? xstrndup(line + 1, (size_t)(newline - line - 1))
					       : NULL;
		if (words && add_package(builder, reasons, words, err) < 0)
			return -1;
		if (!builder->packages.count)
			return error_set(err, ERROR_PACKAGES,
					 "what was read is not to be understood");
		strbuf_add(&builder->text, line, (size_t)(newline - line) + 1);
		if (words)
			add_reason(builder);
		/* The record of a package ends where the next one begins. */
		builder->ends[builder->packages.count - 1] = builder->text.length;
	}
	if (!builder->packages.count)
		return error_set(err, ERROR_PACKAGES, "it lists no installed package");
	return 0;
}

/* Whatever fails is about the tenant's file. */
static int about(const struct database *database, struct error *err)
{
	if (err && (err->kind == ERROR_CHILD || err->kind == ERROR_PACKAGES)) {
		autofree char *why = xstrdup(err->message);
		installed_broken(err, database->path, "%s", why);
	}
	return -1;
}

int installed_read_rpm(int tree, struct installed_set *ret, struct error *err)
{
	AUTO(database_release) struct database database = { .fd = -1, .more_fd = -1 };
	AUTO(installed_builder_release)
	struct installed_builder builder = INSTALLED_BUILDER_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(rpm_reasons_release) struct rpm_reasons reasons = RPM_REASONS_INIT;
	struct dump dump = { .database = &database, .text = STRBUF_INIT };

	if (find_database(tree, &database, err) < 0 || rpm_reasons_read(tree, &reasons, err) < 0)
		return -1;
	const struct jail_file files[] = {
		{ database.kind->file, database.fd },
		{ database.kind->more, database.more_fd },
	};
	const struct jail jail = {
		.files = files,
		.count = database.more_fd >= 0 ? 2 : 1,
		.files_max = 2 * FILE_MAX + (1 << 20),
		.memory_max = MEMORY_MAX,
		.output_max = TEXT_MAX,
		.limit_s = LIMIT_S,
		.prepare = dump_prepare,
		.run = dump_run,
		.data = &dump,
	};
	if (jail_run(&jail, &text, err) < 0 ||
	    installed_rpm_parse(text.text, text.length, &reasons, &builder, err) < 0)
		return about(&database, err);
	installed_builder_finish(&builder, PACKAGE_RPM, ret);
	return 0;
}

int installed_hash_rpm(int tree, struct hasher *hasher, struct error *err)
{
	AUTO(database_release) struct database database = { .fd = -1, .more_fd = -1 };

	if (find_database(tree, &database, err) < 0 ||
	    installed_hash_file(tree, database.path, FILE_MAX, hasher, err) < 0)
		return -1;
	if (database.more_path &&
	    installed_hash_file(tree, database.more_path, FILE_MAX, hasher, err) < 0)
		return -1;
	return rpm_reasons_hash(tree, hasher, err);
}
