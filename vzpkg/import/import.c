#include "vzpkg/import/import.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/name.h"
#include "vzpkg/import/reader.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void reader_release(struct reader *reader)
{
	source_release(&reader->source);
	strvec_release(&reader->excluded);
	strvec_release(&reader->fingerprints);
	addresses_release(&reader->addresses);
	strbuf_release(&reader->trust);
}

/* ---- which kind ----------------------------------------------------------------------------------------------- */

/* "fedora-core/4" has a tree for each architecture. */
static int not_a_tree(struct reader *reader)
{
	static const char *const archs[] = { "x86_64", "i386", "x86", "aarch64", "ia64" };
	const struct source *source = &reader->source;

	error_set(reader->err, ERROR_USAGE, "%s is not a tree of template metadata that is known",
		  source->path);
	error_subject(reader->err, "%s", source->path);
	for (size_t i = 0; i < COUNT(archs); i++) {
		autofree char *config = xasprintf("%s/config", archs[i]);
		if (source_has_folder(source, config))
			return error_hint(reader->err, "name one architecture of it: %s/%s",
					  source->path, archs[i]);
	}
	if (source_has(source, "repositories") || source_has(source, "config/repositories"))
		return error_hint(reader->err,
				  "it may be one of this vzpkg already: \"vzpkg lint\" checks it");
	return error_hint(reader->err,
			  "OpenVZ's have config/yum.conf and config/NAME.list, Virtuozzo's "
			  "config/os/default/packages");
}

static int find_kind(struct reader *reader)
{
	static const char *const prefixes[] = { "config/", "" };

	for (size_t i = 0; i < COUNT(prefixes); i++) {
		bool ez = ez_is(&reader->source, prefixes[i]);
		if (!ez && !openvz_is(&reader->source, prefixes[i]))
			continue;
		reader->prefix = prefixes[i];
		reader->import->kind = ez ? IMPORT_EZ : IMPORT_OPENVZ;
		return 0;
	}
	return not_a_tree(reader);
}

/* ---- which distribution --------------------------------------------------------------------------------------------- */

static void drop_end(char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);
	if (length > tail && strcmp(text + length - tail, end) == 0)
		text[length - tail] = '\0';
}

/* OS-RELEASE[-ARCH], as trees, packages of them and users write it. */
static bool take_name(struct import *import, const char *name)
{
	static const char start[] = "vztmpl-";
	autofree char *text =
		xstrdup(strncmp(name, start, strlen(start)) == 0 ? name + strlen(start) : name);

	drop_end(text, "-ez");
	char *dash = strrchr(text, '-');
	const char *arch = dash ? arch_canonical(dash + 1) : NULL;
	if (arch) {
		*dash = '\0';
		dash = strrchr(text, '-');
	}
	if (!dash || dash == text || !is_plain_name(dash + 1))
		return false;
	*dash = '\0';
	if (!is_plain_name(text))
		return false;
	import->os = xstrdup(text);
	import->release = xstrdup(dash + 1);
	import->arch = arch ?: import->arch;
	return true;
}

static const char *last_part(const struct strvec *parts, size_t from_end)
{
	return parts->count >= from_end ? parts->items[parts->count - from_end] : "";
}

/* …/OS/RELEASE/ARCH, or …/OS-RELEASE[-ARCH]; with or without config/ at its end. */
static bool take_path(struct import *import, const char *path)
{
	AUTO(strvec_release) struct strvec parts = STRVEC_INIT;
	for (const char *at = path + strspn(path, "/"); *at; at += strspn(at, "/")) {
		size_t length = strcspn(at, "/");
		strvec_take(&parts, xstrndup(at, length));
		at += length;
	}
	size_t end = strcmp(last_part(&parts, 1), "config") == 0 ? 2 : 1;
	import->arch = arch_canonical(last_part(&parts, end));
	if (import->arch && is_plain_name(last_part(&parts, end + 1)) &&
	    is_plain_name(last_part(&parts, end + 2))) {
		import->os = xstrdup(last_part(&parts, end + 2));
		import->release = xstrdup(last_part(&parts, end + 1));
		return true;
	}
	return take_name(import, last_part(&parts, end));
}

static int find_name(struct reader *reader)
{
	const char *given = reader->request->name;
	struct import *import = reader->import;

	if (given && !take_name(import, given)) {
		error_set(reader->err, ERROR_USAGE, "\"%s\" is not the name of a template", given);
		return error_hint(reader->err, "write OS-RELEASE, for example fedora-core-4");
	}
	if (given || take_path(import, reader->source.path))
		return 0;
	error_set(reader->err, ERROR_USAGE, "%s does not tell which distribution it is for",
		  reader->source.path);
	error_subject(reader->err, "%s", reader->source.path);
	return error_hint(reader->err, "say it: --name OS-RELEASE, for example fedora-core-4");
}

/* ---- what old trees did not say -------------------------------------------------------------------------------------- */

/* vztt's list of releases whose tools do not know journaled quotas: up to these. */
static const struct {
	const char *os, *release;
} no_journal[] = {
	{ "centos", "5" },  { "debian", "5.0" }, { "fedora-core", "10" }, { "fedora", "10" },
	{ "suse", "11.1" }, { "sles", "11" },    { "ubuntu", "9.04" },
};

static bool has_old_quota(const struct import *import)
{
	for (size_t i = 0; i < COUNT(no_journal); i++)
		if (strcmp(import->os, no_journal[i].os) == 0)
			return strverscmp(import->release, no_journal[i].release) <= 0;
	return false;
}

static void add_text(struct reader *reader, const char *path, const char *text)
{
	autofree char *line = xasprintf("%s\n", text);
	add_file(reader, path, 0644, line, strlen(line));
}

static void complete(struct reader *reader)
{
	const struct import *import = reader->import;
	autofree char *summary =
		xasprintf("%s %s, from %s metadata", import->os, import->release,
			  import->kind == IMPORT_EZ ? "Virtuozzo's EZ" : "OpenVZ's");

	add_text(reader, "package_manager", import->format == PACKAGE_DEB ? "deb" : "rpm");
	add_text(reader, "distribution", import->os);
	add_text(reader, "osrelease", import->release);
	add_text(reader, "summary", summary);
	if (has_old_quota(import))
		add_text(reader, "jquota", "no");
	add_addresses(reader, &reader->addresses, "");
	if (reader->trust.length)
		add_file(reader, "trust", 0644, reader->trust.text, reader->trust.length);
}

/* --repository: those instead of the tree's. */
static void replace_repositories(struct reader *reader)
{
	const struct strvec *given = reader->request->repositories;

	if (!given || !given->count)
		return;
	addresses_release(&reader->addresses);
	reader->addresses = ADDRESSES_INIT;
	for (size_t i = 0; i < given->count; i++)
		strbuf_addf(&reader->addresses.repositories, "%s\n", given->items[i]);
	note_left(reader, "", 0, "--repository says others", "the tree's repositories");
}

/* Why there is not a template in it. */
static int check_content(struct reader *reader)
{
	if (reader->import->sets.count)
		return 0;
	error_set(reader->err, ERROR_BAD_TEMPLATE, "%s: no list of packages can be taken",
		  reader->source.path);
	error_subject(reader->err, "%s", reader->source.path);
	for (size_t i = 0; i < reader->import->note_count; i++) {
		const struct import_note *note = &reader->import->notes[i];
		if (!note->taken && (strstr(note->file, ".list") || strstr(note->file, "packages")))
			return error_hint(reader->err, "%s: %s", note->file, note->why);
	}
	return error_hint(reader->err, "a tree has default.list, or os/default/packages");
}

static int compare_sets(const void *a, const void *b)
{
	const char *one = *(char *const *)a, *other = *(char *const *)b;
	bool first = strcmp(one, "default") == 0, second = strcmp(other, "default") == 0;
	return first || second ? second - first : strcmp(one, other);
}

static int read_tree(struct reader *reader)
{
	struct import *import = reader->import;

	if (source_open(&reader->source, reader->request->dir, reader->err) < 0 ||
	    find_kind(reader) < 0 || find_name(reader) < 0)
		return -1;
	if ((import->kind == IMPORT_EZ ? ez_read : openvz_read)(reader) < 0 ||
	    check_content(reader) < 0)
		return -1;
	qsort(import->sets.items, import->sets.count, sizeof(*import->sets.items), compare_sets);
	replace_repositories(reader);
	complete(reader);
	return 0;
}

int import_read(const struct import_request *request, struct import **ret, struct error *err)
{
	AUTO(import_freep) struct import *import = xcalloc(1, sizeof(*import));
	AUTO(reader_release)
	struct reader reader = {
		.source = SOURCE_INIT,
		.request = request,
		.import = import,
		.addresses = ADDRESSES_INIT,
		.trust = STRBUF_INIT,
		.err = err,
	};

	if (read_tree(&reader) < 0)
		return -1;
	*ret = steal_ptr(import);
	return 0;
}

void import_free(struct import *import)
{
	if (!import)
		return;
	for (size_t i = 0; i < import->note_count; i++) {
		free(import->notes[i].file);
		free(import->notes[i].what);
		free(import->notes[i].why);
	}
	for (size_t i = 0; i < import->file_count; i++) {
		free(import->files[i].path);
		free(import->files[i].text);
	}
	free(import->notes);
	free(import->files);
	strvec_release(&import->sets);
	free(import->os);
	free(import->release);
	free(import);
}

void import_freep(struct import **import)
{
	import_free(*import);
	*import = NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static int write_file(const struct import_file *file, int config, struct error *err)
{
	const char *slash = strrchr(file->path, '/');
	autofree char *folder =
		slash ? xstrndup(file->path, (size_t)(slash - file->path)) : xstrdup(".");
	autoclose int dir = dir_open(config, folder, true, 0755, err);
	autoclose int fd =
		dir < 0 ? -1
			: openat(dir, slash ? slash + 1 : file->path,
				 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file->mode);
	if (dir < 0)
		return -1;
	/* Whatever the umask is: others read templates, too. */
	if (fd < 0 || fchmod(fd, file->mode) < 0)
		return error_errno(err, errno, "creating %s", file->path);
	if (write_all(fd, file->text, file->size, file->path, err) < 0)
		return -1;
	return fsync(fd) < 0 ? error_errno(err, errno, "writing %s", file->path) : 0;
}

int import_write(const struct import *import, int config, struct error *err)
{
	for (size_t i = 0; i < import->file_count; i++)
		if (write_file(&import->files[i], config, err) < 0)
			return -1;
	return 0;
}
