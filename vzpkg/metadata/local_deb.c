#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/local_read.h"

enum { CONTROL_MAX = 1 << 20 };

/* ---- in the jail ------------------------------------------------------------------------------------------------- */

struct nest {
	struct archive *outer, *inner;
};

static void nest_release(struct nest *nest)
{
	if (nest->inner)
		archive_read_free(nest->inner);
	if (nest->outer)
		archive_read_free(nest->outer);
}

static ssize_t read_outer(struct archive *inner, void *data, const void **block)
{
	const struct nest *nest = data;
	la_int64_t offset;
	size_t size = 0;

	(void)inner;
	int status = archive_read_data_block(nest->outer, block, &size, &offset);
	return status == ARCHIVE_OK ? (ssize_t)size : status == ARCHIVE_EOF ? 0 : -1;
}

static int no_package(struct error *err)
{
	return error_set(err, ERROR_INSTALL, "it is no Debian package that can be read");
}

static int open_control(struct nest *nest, struct error *err)
{
	struct archive_entry *entry;

	nest->outer = archive_read_new();
	archive_read_support_format_ar(nest->outer);
	if (archive_read_open_filename(nest->outer, LOCAL_FILE, 1 << 16) != ARCHIVE_OK)
		return no_package(err);
	do {
		if (archive_read_next_header(nest->outer, &entry) != ARCHIVE_OK)
			return no_package(err);
	} while (strncmp(archive_entry_pathname(entry) ?: "", "control.tar", 11) != 0);
	nest->inner = archive_read_new();
	archive_read_support_filter_gzip(nest->inner);
	archive_read_support_filter_xz(nest->inner);
	archive_read_support_filter_zstd(nest->inner);
	archive_read_support_format_tar(nest->inner);
	if (archive_read_open(nest->inner, nest, NULL, read_outer, NULL) != ARCHIVE_OK)
		return no_package(err);
	return 0;
}

static bool is_control(const char *name)
{
	if (strncmp(name, "./", 2) == 0)
		name += 2;
	return strcmp(name, "control") == 0;
}

int local_read_deb(int output, void *data, struct error *err)
{
	AUTO(nest_release) struct nest nest = { 0 };
	struct archive_entry *entry;
	char buffer[4096];
	la_ssize_t got;
	size_t total = 0;

	(void)data;
	if (open_control(&nest, err) < 0)
		return -1;
	do {
		if (archive_read_next_header(nest.inner, &entry) != ARCHIVE_OK)
			return no_package(err);
	} while (!is_control(archive_entry_pathname(entry) ?: ""));
	while ((got = archive_read_data(nest.inner, buffer, sizeof(buffer))) > 0) {
		total += (size_t)got;
		if (total > CONTROL_MAX)
			return error_set(err, ERROR_INSTALL, "its control file is too large");
		if (write_all(output, buffer, (size_t)got, "pipe", err) < 0)
			return -1;
	}
	return got < 0 || !total ? no_package(err) : 0;
}

/* ---- here -------------------------------------------------------------------------------------------------------- */

/* What an index says of a package's file, and the package does not. */
static bool is_of_index(const char *line)
{
	static const char *const names[] = { "Filename:", "Size:",   "MD5sum:",
					     "SHA1:",     "SHA256:", "SHA512:" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncasecmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static bool is_text(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 127)
			return false;
	return true;
}

static bool has_field(const struct strbuf *text, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = text->text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncasecmp(line, name, length) == 0 &&
		    strspn(line + length, " \t\n") < strlen(line + length))
			return true;
	}
	return false;
}

int local_check_deb(struct local_package *package, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *line = package->text.text, *end = line + package->text.length;
	bool dropped = false;

	while (line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line)) ?: end;
		size_t length = (size_t)(newline - line);
		if (!length || !is_text(line, length))
			break;
		if (*line != ' ' && *line != '\t')
			dropped = is_of_index(line);
		if (!dropped)
			strbuf_addf(&text, "%.*s\n", (int)length, line);
		line = newline + 1;
	}
	if (!has_field(&text, "Package:") || !has_field(&text, "Version:") ||
	    !has_field(&text, "Architecture:"))
		return error_set(err, ERROR_INSTALL, "%s: it has no name, version or architecture",
				 package->path);
	strbuf_release(&package->text);
	package->text = text;
	text = (struct strbuf)STRBUF_INIT;
	return 0;
}
