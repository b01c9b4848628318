#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/installed_read.h"

/* dpkg's list (dpkg(1), deb822(5)), what dpkg has not written there yet, and apt's marks. */
#define STATUS "var/lib/dpkg/status"
#define UPDATES "var/lib/dpkg/updates"
#define MARKS "var/lib/apt/extended_states"

enum {
	FILE_MAX = 64 << 20, /* bytes; of a usual VE it has one hundredth */
	UPDATES_MAX = 10000, /* names */
	NAMED_MAX = 5, /* packages in a message */
};

/* The fields that decide, in the order in which a record has them. */
enum field {
	FIELD_PACKAGE,
	FIELD_VERSION,
	FIELD_ARCHITECTURE,
	FIELD_MULTI_ARCH,
	FIELD_PRIORITY,
	FIELD_ESSENTIAL,
	FIELD_PROTECTED,
	FIELD_IMPORTANT, /* what apt called that before */
	FIELD_PRE_DEPENDS,
	FIELD_DEPENDS,
	FIELD_RECOMMENDS,
	FIELD_SUGGESTS,
	FIELD_PROVIDES,
	FIELD_CONFLICTS,
	FIELD_BREAKS,
	FIELD_REPLACES,
	FIELD_RECORDED, /* those before are kept */
	FIELD_STATUS = FIELD_RECORDED,
	FIELD_AUTOMATIC,
	FIELDS
};

static const char *const field_names[FIELDS] = {
	[FIELD_PACKAGE] = "Package",
	[FIELD_VERSION] = "Version",
	[FIELD_ARCHITECTURE] = "Architecture",
	[FIELD_MULTI_ARCH] = "Multi-Arch",
	[FIELD_PRIORITY] = "Priority",
	[FIELD_ESSENTIAL] = "Essential",
	[FIELD_PROTECTED] = "Protected",
	[FIELD_IMPORTANT] = "Important",
	[FIELD_PRE_DEPENDS] = "Pre-Depends",
	[FIELD_DEPENDS] = "Depends",
	[FIELD_RECOMMENDS] = "Recommends",
	[FIELD_SUGGESTS] = "Suggests",
	[FIELD_PROVIDES] = "Provides",
	[FIELD_CONFLICTS] = "Conflicts",
	[FIELD_BREAKS] = "Breaks",
	[FIELD_REPLACES] = "Replaces",
	[FIELD_STATUS] = "Status",
	[FIELD_AUTOMATIC] = "Auto-Installed",
};

struct paragraph {
	struct strbuf values[FIELDS];
	bool seen[FIELDS];
};

/* ---- paragraphs -------------------------------------------------------------------------------------------------- */

struct reader {
	const char *path; /* for messages */
	char *at; /* the rest of the text, which is cut up */
	size_t line; /* of the last line read, from 1 */
	struct paragraph now;
};

static void reader_release(struct reader *reader)
{
	for (int i = 0; i < FIELDS; i++)
		strbuf_release(&reader->now.values[i]);
}

static void reader_init(struct reader *reader, const char *path, char *text)
{
	*reader = (struct reader){ .path = path, .at = text };
	for (int i = 0; i < FIELDS; i++)
		reader->now.values[i] = STRBUF_INIT;
}

static char *next_line(struct reader *reader)
{
	char *line = reader->at;
	char *end = strchrnul(line, '\n');

	if (!*line)
		return NULL;
	reader->at = *end ? end + 1 : end;
	*end = '\0';
	while (end > line && strchr(" \t\r", end[-1]))
		*--end = '\0';
	reader->line++;
	return line;
}

static int find_field(const char *line, size_t length)
{
	for (int i = 0; i < FIELDS; i++)
		if (strlen(field_names[i]) == length &&
		    strncasecmp(field_names[i], line, length) == 0)
			return i;
	return FIELDS;
}

/* What libsolv is to read has no bytes that might mean something to it. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (!isprint((unsigned char)*text) && *text != '\t')
			return false;
	return true;
}

static int bad_line(const struct reader *reader, const char *what, struct error *err)
{
	return installed_broken(err, reader->path, "line %zu %s", reader->line, what);
}

/* *field: the field that the line begins or goes on with; FIELDS: one that is not used. */
static int take_line(struct reader *reader, const char *line, int *field, struct error *err)
{
	if (*line != ' ' && *line != '\t') {
		const char *colon = strchr(line, ':');
		if (!colon || colon == line)
			return bad_line(reader, "is no field", err);
		*field = find_field(line, (size_t)(colon - line));
		if (*field < FIELDS && reader->now.seen[*field])
			return bad_line(reader, "repeats a field", err);
		if (*field < FIELDS)
			reader->now.seen[*field] = true;
		line = colon + 1;
	} else if (*field < 0) {
		return bad_line(reader, "goes on with nothing", err);
	}
	if (*field == FIELDS)
		return 0;
	if (!is_plain(line))
		return bad_line(reader, "has bytes that no such field has", err);
	struct strbuf *value = &reader->now.values[*field];
	line += strspn(line, " \t");
	strbuf_addf(value, "%s%s", value->length && *line ? " " : "", line);
	return 0;
}

/* 1: there is one; 0: the text is at its end; -1. */
static int next_paragraph(struct reader *reader, struct error *err)
{
	int field = -1;
	char *line;

	for (int i = 0; i < FIELDS; i++) {
		strbuf_truncate(&reader->now.values[i], 0);
		reader->now.seen[i] = false;
	}
	while ((line = next_line(reader))) {
		if (!*line && field < 0)
			continue;
		if (!*line)
			break;
		if (take_line(reader, line, &field, err) < 0)
			return -1;
	}
	return field >= 0;
}

static const char *value_of(const struct reader *reader, enum field field)
{
	return reader->now.values[field].text;
}

/* ERROR_NO_FILE: there is none. */
static int read_text(int tree, const char *path, struct strbuf *text, struct error *err)
{
	autoclose int fd = installed_open(tree, path, FILE_MAX, err);

	if (fd < 0 || file_read_fd(fd, path, FILE_MAX, text, err) < 0)
		return -1;
	if (strlen(text->text) != text->length)
		return installed_broken(err, path, "it has a NUL byte");
	return 0;
}

/* ---- apt's marks ------------------------------------------------------------------------------------------------- */

struct mark {
	char *name; /* "NAME" or "NAME:ARCH" */
	UT_hash_handle hh;
};

static void marks_release(struct mark **marks)
{
	struct mark *mark, *next;

	HASH_ITER (hh, *marks, mark, next) {
		HASH_DEL(*marks, mark);
		free(mark->name);
		free(mark);
	}
}

static void add_mark(struct mark **marks, const char *name, const char *arch)
{
	autofree char *text = xasprintf("%s%s%s", name, *arch ? ":" : "", arch);
	struct mark *mark;

	HASH_FIND_STR(*marks, text, mark);
	if (mark)
		return;
	mark = xcalloc(1, sizeof(*mark));
	mark->name = steal_ptr(text);
	HASH_ADD_KEYPTR(hh, *marks, mark->name, strlen(mark->name), mark);
}

static bool is_marked(struct mark *marks, const char *name, const char *arch)
{
	autofree char *text = xasprintf("%s%s%s", name, *arch ? ":" : "", arch);
	struct mark *mark;

	HASH_FIND_STR(marks, text, mark);
	return mark;
}

static int read_marks(int tree, struct mark **marks, struct error *err)
{
	AUTO(error_clear) struct error missing = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(reader_release) struct reader reader;
	int status;

	reader_init(&reader, MARKS, text.text);
	if (read_text(tree, MARKS, &text, &missing) < 0) {
		/* apt has not been used, or is not there: all was asked for. */
		if (missing.kind == ERROR_NO_FILE)
			return 0;
		error_move(err, &missing);
		return -1;
	}
	reader.at = text.text;
	while ((status = next_paragraph(&reader, err)) > 0)
		if (strcmp(value_of(&reader, FIELD_AUTOMATIC), "1") == 0)
			add_mark(marks, value_of(&reader, FIELD_PACKAGE),
				 value_of(&reader, FIELD_ARCHITECTURE));
	return status;
}

/* ---- packages ---------------------------------------------------------------------------------------------------- */

struct deb_set {
	struct reader reader;
	struct mark *marks;
	struct installed_builder builder;
	struct strbuf unfinished; /* "a, b, c" */
	size_t unfinished_count;
	char *arch; /* of dpkg */
};

static void deb_set_release(struct deb_set *set)
{
	reader_release(&set->reader);
	marks_release(&set->marks);
	installed_builder_release(&set->builder);
	strbuf_release(&set->unfinished);
	free(set->arch);
}

static bool ends_in(const char *text, const char *word)
{
	size_t length = strlen(text), size = strlen(word);
	return length >= size && strcmp(text + length - size, word) == 0;
}

/* "want flag state" */
static int look_at_state(struct deb_set *set, bool *installed, struct error *err)
{
	static const char *const absent[] = { " not-installed", " config-files" };
	const struct reader *reader = &set->reader;
	const char *status = value_of(reader, FIELD_STATUS);

	*installed = false;
	if (!*status)
		return bad_line(reader, "ends a package without a status", err);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		if (ends_in(status, absent[i]))
			return 0;
	*installed = ends_in(status, " ok installed");
	if (!*installed && set->unfinished_count++ < NAMED_MAX)
		strbuf_addf(&set->unfinished, "%s%s (%s)", set->unfinished.length ? ", " : "",
			    value_of(reader, FIELD_PACKAGE), status);
	return 0;
}

static int check_words(const struct reader *reader, struct error *err)
{
	if (!installed_word(value_of(reader, FIELD_PACKAGE), "-+._"))
		return bad_line(reader, "ends a package without a name that can be one", err);
	if (!installed_word(value_of(reader, FIELD_VERSION), "-+.~:") ||
	    !installed_word(value_of(reader, FIELD_ARCHITECTURE), "-"))
		return installed_broken(err, reader->path,
					"%s has no version or architecture that can be one",
					value_of(reader, FIELD_PACKAGE));
	return 0;
}

static void add_record(struct strbuf *text, const struct reader *reader,
		       const struct installed_package *package)
{
	for (int i = 0; i < FIELD_RECORDED; i++)
		if (*value_of(reader, i))
			strbuf_addf(text, "%s: %s\n", field_names[i], value_of(reader, i));
	/* libsolv does not read these; they make sets differ. */
	if (package->automatic)
		strbuf_adds(text, "Automatic: yes\n");
	if (package->held)
		strbuf_adds(text, "Held: yes\n");
	strbuf_addc(text, '\n');
}

/* apt writes the system's architecture for packages of "all", and none before it knew of several. */
static bool is_automatic(const struct deb_set *set, const char *name, const char *arch)
{
	bool all = strcmp(arch, "all") == 0;

	return is_marked(set->marks, name, "") || is_marked(set->marks, name, arch) ||
	       (all && set->arch && is_marked(set->marks, name, set->arch));
}

static bool is_yes(const struct reader *reader, enum field field)
{
	return strcasecmp(value_of(reader, field), "yes") == 0;
}

static int add_package(struct deb_set *set, struct error *err)
{
	const struct reader *reader = &set->reader;
	const char *name = value_of(reader, FIELD_PACKAGE);
	const char *arch = value_of(reader, FIELD_ARCHITECTURE);
	struct installed_package package = {
		.name = (char *)name,
		.version = (char *)value_of(reader, FIELD_VERSION),
		.arch = (char *)arch,
		.essential = is_yes(reader, FIELD_ESSENTIAL) || is_yes(reader, FIELD_PROTECTED) ||
			     is_yes(reader, FIELD_IMPORTANT),
		.held = strncmp(value_of(reader, FIELD_STATUS), "hold ", 5) == 0,
		.automatic = is_automatic(set, name, arch),
	};
	package.asked = !package.automatic;

	if (check_words(reader, err) < 0)
		return -1;
	if (set->builder.packages.count == INSTALLED_PACKAGES_MAX)
		return installed_broken(err, reader->path, "it has too many packages");
	add_record(&set->builder.text, reader, &package);
	installed_builder_add(&set->builder, &package);
	return 0;
}

/* Which architecture is the system's own decides what the marks of "all" are of, so it is looked for first. */
static int find_arch(struct deb_set *set, const char *text, struct error *err)
{
	autofree char *copy = xstrdup(text);
	AUTO(reader_release) struct reader reader;
	int status;

	reader_init(&reader, STATUS, copy);
	while ((status = next_paragraph(&reader, err)) > 0) {
		if (strcmp(value_of(&reader, FIELD_PACKAGE), "dpkg") != 0)
			continue;
		set->arch = xstrdup(value_of(&reader, FIELD_ARCHITECTURE));
		return 0;
	}
	return status;
}

static int read_packages(struct deb_set *set, struct error *err)
{
	int status;
	bool installed;

	while ((status = next_paragraph(&set->reader, err)) > 0) {
		if (look_at_state(set, &installed, err) < 0)
			return -1;
		if (installed && add_package(set, err) < 0)
			return -1;
	}
	return status;
}

static int interrupted(bool *unfinished, struct error *err)
{
	if (unfinished)
		*unfinished = true;
	return error_hint(err, "run \"dpkg --configure -a\" in the VE");
}

/* What a dpkg that was killed, or is at work, has not written into its list yet is in files with numbers for names. */
static int check_updates(int tree, bool *unfinished, struct error *err)
{
	int fd = open_type_in_root(tree, UPDATES, S_IFDIR);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	for (unsigned i = 0; dir && (entry = readdir(dir)) && i < UPDATES_MAX; i++) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		installed_broken(err, UPDATES, "dpkg was interrupted, or is at work");
		return interrupted(unfinished, err);
	}
	return 0;
}

static int check_finished(const struct deb_set *set, bool *unfinished, struct error *err)
{
	size_t more = set->unfinished_count > NAMED_MAX ? set->unfinished_count - NAMED_MAX : 0;

	if (set->unfinished_count && more)
		installed_broken(err, STATUS,
				 "packages are installed only in part: %s and %zu more",
				 set->unfinished.text, more);
	else if (set->unfinished_count)
		installed_broken(err, STATUS, "packages are installed only in part: %s",
				 set->unfinished.text);
	if (set->unfinished_count)
		return interrupted(unfinished, err);
	if (!set->builder.packages.count)
		return installed_broken(err, STATUS, "it lists no installed package");
	return 0;
}

int installed_read_deb(int tree, struct installed_set *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(deb_set_release)
	struct deb_set set = { .builder = INSTALLED_BUILDER_INIT, .unfinished = STRBUF_INIT };

	reader_init(&set.reader, STATUS, text.text);
	if (check_updates(tree, &ret->unfinished, err) < 0)
		return -1;
	if (read_text(tree, STATUS, &text, err) < 0)
		return err && err->kind == ERROR_NO_FILE
			       ? installed_broken(err, STATUS, "there is none")
			       : -1;
	set.reader.at = text.text;
	if (find_arch(&set, text.text, err) < 0 || read_marks(tree, &set.marks, err) < 0 ||
	    read_packages(&set, err) < 0 || check_finished(&set, &ret->unfinished, err) < 0)
		return -1;
	installed_builder_finish(&set.builder, PACKAGE_DEB, ret);
	ret->arch = steal_ptr(set.arch);
	return 0;
}

int installed_hash_deb(int tree, struct hasher *hasher, struct error *err)
{
	if (check_updates(tree, NULL, err) < 0 ||
	    installed_hash_file(tree, STATUS, FILE_MAX, hasher, err) < 0)
		return -1;
	return installed_hash_file(tree, MARKS, FILE_MAX, hasher, err);
}
