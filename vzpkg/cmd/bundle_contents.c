#include "vzpkg/cmd/bundle_contents.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/walk.h"

enum { JSON_LIMIT = 16 << 20, SCHEMA = 1 };

static int no_bundle(const char *file, struct error *err, const char *why)
{
	error_set(err, ERROR_PARSE, "%s is not a bundle: %s", file, why);
	error_subject(err, "%s", file);
	return error_hint(err, "\"vzpkg bundle TEMPLATE -o FILE\" makes one; compare its check sum "
			       "with that of the file where it was made");
}

static int of_a_newer_vzpkg(const char *file, json_int_t schema, struct error *err)
{
	error_set(err, ERROR_PARSE,
		  "%s was made by a newer vzpkg: it has form %lld, and this one knows form %d",
		  file, (long long)schema, SCHEMA);
	error_subject(err, "%s", file);
	return error_hint(err, "install that vzpkg here, or make the bundle with this one");
}

/* Plain files that are root's: nothing of it leads anywhere else, and nobody else can change it. */
static int tame(int folder, const char *file, struct error *err)
{
	AUTO(walk_release) struct walk walk = WALK_INIT;

	if (walk_tree(folder, NULL, NULL, &walk, err) < 0)
		return -1;
	for (size_t i = 0; i < walk.count; i++) {
		const struct walk_entry *entry = &walk.entries[i];
		const char *path = *entry->path ? entry->path : ".";
		bool plain = S_ISREG(entry->mode) && !entry->hardlink && !entry->linked;
		if ((!plain && !S_ISDIR(entry->mode)) || entry->xattr_count)
			return no_bundle(file, err, "it holds other things than plain files");
		bool script = entry->mode & 0100 && strncmp(path, "template/", 9) == 0;
		mode_t mode = !plain || script ? 0755 : 0644;
		if (fchownat(folder, path, 0, 0, AT_SYMLINK_NOFOLLOW) < 0 ||
		    fchmodat(folder, path, mode, 0) < 0)
			return error_errno(err, errno, "unpacking %s", entry->path);
	}
	return 0;
}

static bool is_name(const char *text)
{
	return text && *text && *text != '.' && !strchr(text, '/');
}

static void take(const json_t *root, const char *name, struct bundle_contents *ret)
{
	const json_t *rows = json_object_get(root, "repositories");

	ret->template = xstrdup(name);
	ret->locked = json_is_true(json_object_get(root, "locked"));
	ret->has_cache = json_is_true(json_object_get(root, "cache"));
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *line = json_object_get(json_array_get(rows, i), "repository");
		strvec_push(&ret->repositories, json_string_value(line) ?: "?");
	}
}

static int read_root(const json_t *root, const char *file, struct bundle_contents *ret,
		     struct error *err)
{
	json_int_t schema = json_integer_value(json_object_get(root, "schema"));
	const char *kind = json_string_value(json_object_get(root, "kind"));
	const char *name =
		json_string_value(json_object_get(json_object_get(root, "template"), "name"));

	if (kind && strcmp(kind, "bundle") == 0 && schema > SCHEMA)
		return of_a_newer_vzpkg(file, schema, err);
	if (!kind || strcmp(kind, "bundle") != 0 || schema != SCHEMA || !is_name(name))
		return no_bundle(file, err, "its bundle.json is of no form that is known");
	take(root, name, ret);
	return 0;
}

int bundle_contents_read(int folder, const char *file, struct bundle_contents *ret,
			 struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	json_error_t why;

	if (tame(folder, file, err) < 0)
		return -1;
	if (faccessat(folder, "bundle.json", F_OK, 0) < 0)
		return no_bundle(file, err, "it has no bundle.json");
	if (file_read(folder, "bundle.json", JSON_LIMIT, &text, err) < 0)
		return -1;
	json_t *root = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, &why);
	int result = read_root(root, file, ret, err);
	json_decref(root);
	return result;
}

void bundle_contents_release(struct bundle_contents *contents)
{
	free(contents->template);
	strvec_release(&contents->repositories);
	*contents = BUNDLE_CONTENTS_INIT;
}
