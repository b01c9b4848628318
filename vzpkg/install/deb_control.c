#include "vzpkg/install/deb_control.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/paragraph.h"

enum { CONTROL_FILE_LIMIT = 16 << 20 };

/* ---- reading ----------------------------------------------------------------------------------------- */

/* "./postinst" and "postinst" are the same; anything deeper is no control file. */
static const char *control_name(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	for (const char *c = path; *c; c++)
		if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) &&
		    !strchr("-_.", *c))
			return NULL;
	return *path && *path != '.' ? path : NULL;
}

static int read_content(struct deb_archive *deb, struct archive *tar, const char *name,
			struct strbuf *content, struct error *err)
{
	char buffer[16384];
	la_ssize_t got;

	while ((got = archive_read_data(tar, buffer, sizeof(buffer))) > 0) {
		strbuf_add(content, buffer, (size_t)got);
		if (content->length > CONTROL_FILE_LIMIT)
			return deb_bad(name, err, "a control file is too large");
	}
	return got < 0 ? deb_tar_failed(deb, tar, err) : 0;
}

/* One member of control.tar: 1, or 0 for a folder. */
static int read_control_member(struct deb_archive *deb, struct archive *tar, const char *name,
			       struct archive_entry *entry, struct control_file *ret,
			       struct error *err)
{
	const char *path = archive_entry_pathname(entry) ?: "";
	const char *plain = control_name(path);

	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (!plain || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
		return deb_bad(name, err, "\"%s\" cannot be a control file", path);
	*ret = (struct control_file){
		.name = xstrdup(plain),
		.mode = archive_entry_perm(entry) & 0111 ? 0755 : 0644,
		.time = archive_entry_mtime(entry),
		.content = STRBUF_INIT,
	};
	return read_content(deb, tar, name, &ret->content, err) < 0 ? -1 : 1;
}

void deb_control_release(struct deb_control *control)
{
	for (size_t i = 0; i < control->count; i++) {
		free(control->files[i].name);
		strbuf_release(&control->files[i].content);
	}
	control->count = 0;
}

int deb_control_read(struct deb_archive *deb, const char *name, struct deb_control *ret,
		     struct error *err)
{
	struct archive *tar = deb_archive_control(deb, err);
	struct archive_entry *entry;
	int status = -1;

	while (tar && (status = deb_tar_next(deb, tar, &entry, err)) > 0) {
		if (ret->count == CONTROL_FILES_MAX)
			return deb_bad(name, err, "it has too many control files");
		struct control_file *file = &ret->files[ret->count];
		*file = (struct control_file){ .content = STRBUF_INIT };
		status = read_control_member(deb, tar, name, entry, file, err);
		ret->count += file->name != NULL;
		if (status < 0)
			return -1;
	}
	return status;
}

/* ---- what it says ------------------------------------------------------------------------------------ */

const struct control_file *deb_control_find(const struct deb_control *control, const char *name)
{
	for (size_t i = 0; i < control->count; i++)
		if (strcmp(control->files[i].name, name) == 0)
			return &control->files[i];
	return NULL;
}

static int check_field(const char *paragraph, const char *field, const char *expected,
		       const char *name, struct error *err)
{
	autofree char *value = paragraph_get(paragraph, field);
	if (value && strcmp(value, expected) == 0)
		return 0;
	return deb_bad(name, err, "its control file says %s: %s, and the index %s", field,
		       value ?: "nothing", expected);
}

/* They become parts of file names. */
static bool is_name(const char *text)
{
	return isalnum((unsigned char)*text) &&
	       !text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.")];
}

const char *deb_control_check(const struct deb_control *control, const struct plan_package *package,
			      const char *name, struct error *err)
{
	const struct control_file *file = deb_control_find(control, "control");
	const char *text = file ? file->content.text : "";

	if (!file || strlen(text) != file->content.length) {
		deb_bad(name, err, "it has no control file that can be read");
		return NULL;
	}
	if (!is_name(package->name) || !is_name(package->arch)) {
		deb_bad(name, err, "this is no name of a package");
		return NULL;
	}
	/* It goes into dpkg's status file as it is. */
	const char *end = strstr(text, "\n\n");
	if (end && end[strspn(end, "\n")]) {
		deb_bad(name, err, "its control file has more than one paragraph");
		return NULL;
	}
	if (check_field(text, "Package", package->name, name, err) < 0 ||
	    check_field(text, "Version", package->version, name, err) < 0 ||
	    check_field(text, "Architecture", package->arch, name, err) < 0)
		return NULL;
	return text;
}

void deb_control_conffiles(const struct deb_control *control, struct strvec *paths)
{
	const struct control_file *file = deb_control_find(control, "conffiles");

	for (const char *line = file ? file->content.text : ""; *line;) {
		size_t length = strcspn(line, "\n"), trimmed = length;
		while (trimmed && isspace((unsigned char)line[trimmed - 1]))
			trimmed--;
		/* "remove-on-upgrade PATH" names a file that is not there any more. */
		if (trimmed && line[0] == '/')
			strvec_take(paths, xstrndup(line + 1, trimmed - 1));
		line += length + (line[length] == '\n');
	}
}

/* ---- writing ----------------------------------------------------------------------------------------- */

static int write_control_file(const struct control_file *file, int to, struct error *err)
{
	autoclose int fd =
		openat(to, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
	if (fd < 0 || fchmod(fd, file->mode) < 0)
		return error_errno(err, errno, "creating %s", file->name);
	return write_all(fd, file->content.text, file->content.length, file->name, err);
}

int deb_control_extract(int fd, const char *name, int to, struct error *err)
{
	AUTO(deb_archive_freep) struct deb_archive *deb = NULL;
	AUTO(deb_control_release) struct deb_control control = DEB_CONTROL_INIT;

	if (deb_archive_open(fd, name, &deb, err) < 0 ||
	    deb_control_read(deb, name, &control, err) < 0)
		return -1;
	for (size_t i = 0; i < control.count; i++)
		if (write_control_file(&control.files[i], to, err) < 0)
			return -1;
	return 0;
}
