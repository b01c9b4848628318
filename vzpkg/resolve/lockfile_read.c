#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/metadata/location.h"
#include "vzpkg/resolve/lockfile.h"

enum { FILE_LIMIT = 64 << 20, PACKAGES_MAX = 100000, REPOSITORIES_MAX = 1000 };

struct reader {
	struct lockfile *lockfile;
	const char *what; /* "packages", "repositories" */
	size_t index; /* of the entry that is being read */
	struct error *err;
};

/* ---- mistakes ---------------------------------------------------------------------------------------- */

static int not_a_lock(const struct lockfile *lockfile, struct error *err, const char *why)
{
	error_set(err, ERROR_PARSE, "%s is not a lock file: %s", lockfile->path, why);
	error_subject(err, "%s", lockfile->path);
	return error_hint(err, "\"vzpkg lock TEMPLATE\" writes one");
}

static int bad_entry(const struct reader *reader, const char *key, const char *why)
{
	const struct lockfile *lockfile = reader->lockfile;

	error_set(reader->err, ERROR_PARSE, "%s: %s[%zu]: \"%s\" %s", lockfile->path, reader->what,
		  reader->index, key, why);
	error_subject(reader->err, "%s", lockfile->path);
	return error_hint(reader->err,
			  "\"vzpkg lock\" writes it anew; it is not made to be edited by hand");
}

/* ---- values ------------------------------------------------------------------------------------------ */

/* A word that can stand in messages, in lines of a package database, and in names of files. */
static bool is_word(const char *text)
{
	const char *c = text;

	while (*c > ' ' && *c < 127 && *c != '/')
		c++;
	return c != text && !*c;
}

static int take_text(const struct reader *reader, const json_t *row, const char *key, char **ret)
{
	const char *text = json_string_value(json_object_get(row, key));

	if (!text || !*text)
		return bad_entry(reader, key, "is missing");
	*ret = xstrdup(text);
	return 0;
}

static int take_word(const struct reader *reader, const json_t *row, const char *key, char **ret)
{
	if (take_text(reader, row, key, ret) < 0)
		return -1;
	return is_word(*ret) ? 0 : bad_entry(reader, key, "is not a word");
}

static int take_size(const struct reader *reader, const json_t *row, const char *key, uint64_t *ret)
{
	const json_t *value = json_object_get(row, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return bad_entry(reader, key, "is not a number of bytes");
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int take_bool(const struct reader *reader, const json_t *row, const char *key, bool *ret)
{
	const json_t *value = json_object_get(row, key);

	if (!json_is_boolean(value))
		return bad_entry(reader, key, "is neither true nor false");
	*ret = json_is_true(value);
	return 0;
}

static bool parse_digest(const json_t *object, enum digest_kind kind, struct digest *ret)
{
	const char *text = json_string_value(json_object_get(object, digest_kind_name(kind)));
	return text && digest_parse(ret, kind, text, strlen(text));
}

static int take_signer(const struct reader *reader, const json_t *row, char ret[41])
{
	const json_t *value = json_object_get(row, "signer");
	const char *text = json_string_value(value);

	if (!value)
		return 0;
	if (!text || strlen(text) != 40 || strspn(text, "0123456789ABCDEF") != 40)
		return bad_entry(reader, "signer", "is not a fingerprint");
	memcpy(ret, text, 41);
	return 0;
}

/* ---- repositories -------------------------------------------------------------------------------------- */

static int read_repository(const struct reader *reader, const json_t *row)
{
	const struct lockfile *lockfile = reader->lockfile;
	struct template_repository *source = &lockfile->sources[reader->index];
	struct metadata_repository *repository = &lockfile->metadata->repositories[reader->index];
	struct plan_repository *planned = &lockfile->plan->repositories[reader->index];
	const json_t *date = json_object_get(row, "date");

	repository->source = source;
	if (take_text(reader, row, "repository", &source->text) < 0 ||
	    take_signer(reader, row, repository->signer) < 0)
		return -1;
	if (!parse_digest(row, DIGEST_SHA256, &repository->top))
		return bad_entry(reader, "sha256", "is not a digest");
	if (!json_is_integer(date))
		return bad_entry(reader, "date", "is not a time in seconds");
	repository->date = json_integer_value(date);
	source->unsigned_ok = json_is_true(json_object_get(row, "unsigned"));
	planned->text = xstrdup(source->text);
	memcpy(planned->signer, repository->signer, sizeof(planned->signer));
	planned->packages_signed = !*repository->signer && !source->unsigned_ok;
	return 0;
}

static int read_repositories(struct lockfile *lockfile, const json_t *rows, struct error *err)
{
	struct reader reader = { .lockfile = lockfile, .what = "repositories", .err = err };
	size_t count = json_array_size(rows);

	if (!count || count > REPOSITORIES_MAX)
		return not_a_lock(lockfile, err, "it names no repositories");
	lockfile->sources = xcalloc(count, sizeof(*lockfile->sources));
	lockfile->metadata->repositories =
		xcalloc(count, sizeof(*lockfile->metadata->repositories));
	lockfile->metadata->repository_count = count;
	lockfile->plan->repositories = xcalloc(count, sizeof(*lockfile->plan->repositories));
	lockfile->plan->repository_count = count;
	for (; reader.index < count; reader.index++)
		if (read_repository(&reader, json_array_get(rows, reader.index)) < 0)
			return -1;
	return 0;
}

/* ---- packages ------------------------------------------------------------------------------------------ */

static int find_repository(const struct reader *reader, const json_t *row, size_t *ret)
{
	const struct plan *plan = reader->lockfile->plan;
	const char *text = json_string_value(json_object_get(row, "repository"));

	for (*ret = 0; text && *ret < plan->repository_count; ++*ret)
		if (strcmp(plan->repositories[*ret].text, text) == 0)
			return 0;
	return bad_entry(reader, "repository", "is none of the repositories");
}

static int read_digest(const struct reader *reader, const json_t *row, struct digest *ret)
{
	for (unsigned kind = DIGEST_KINDS; kind-- > DIGEST_MD5;)
		if (json_object_get(row, digest_kind_name(kind)))
			return parse_digest(row, kind, ret)
				       ? 0
				       : bad_entry(reader, digest_kind_name(kind),
						   "is not a digest");
	return bad_entry(reader, "sha256", "is missing");
}

static int read_package(const struct reader *reader, const json_t *row)
{
	struct plan *plan = reader->lockfile->plan;
	struct plan_package *package = &plan->packages[plan->count++];

	if (take_word(reader, row, "name", &package->name) < 0 ||
	    take_word(reader, row, "version", &package->version) < 0 ||
	    take_word(reader, row, "arch", &package->arch) < 0 ||
	    take_text(reader, row, "path", &package->location) < 0 ||
	    take_size(reader, row, "size", &package->size) < 0 ||
	    take_size(reader, row, "installed_size", &package->installed_size) < 0 ||
	    take_bool(reader, row, "automatic", &package->automatic) < 0 ||
	    take_bool(reader, row, "essential", &package->essential) < 0 ||
	    take_bool(reader, row, "base", &package->base) < 0 ||
	    take_signer(reader, row, package->signer) < 0 ||
	    find_repository(reader, row, &package->repository) < 0 ||
	    read_digest(reader, row, &package->digest) < 0)
		return -1;
	if (!package->size)
		return bad_entry(reader, "size", "is 0");
	if (!location_is_safe(package->location))
		return bad_entry(reader, "path", "leads elsewhere");
	package->reason = xstrdup_or_null(json_string_value(json_object_get(row, "reason")));
	plan->size += package->size;
	plan->installed_size += package->installed_size;
	return 0;
}

static bool is_called(const struct plan_package *package, const char *text)
{
	size_t length = strlen(package->name);
	return strncmp(text, package->name, length) == 0 && text[length] == ':' &&
	       strcmp(text + length + 1, package->arch) == 0;
}

static int read_references(const struct reader *reader, const json_t *row, const char *key,
			   size_t **ret, size_t *ret_count)
{
	const struct plan *plan = reader->lockfile->plan;
	const json_t *array = json_object_get(row, key);

	if (!json_is_array(array))
		return bad_entry(reader, key, "is not a list");
	*ret = xcalloc(json_array_size(array) + 1, sizeof(**ret));
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *text = json_string_value(json_array_get(array, i));
		size_t found = 0;
		while (text && found < plan->count && !is_called(&plan->packages[found], text))
			found++;
		if (!text || found == plan->count)
			return bad_entry(reader, key, "names a package that is not there");
		(*ret)[(*ret_count)++] = found;
	}
	return 0;
}

static int read_packages(struct lockfile *lockfile, const json_t *rows, struct error *err)
{
	struct reader reader = { .lockfile = lockfile, .what = "packages", .err = err };
	struct plan *plan = lockfile->plan;
	size_t count = json_array_size(rows);

	if (!count || count > PACKAGES_MAX)
		return not_a_lock(lockfile, err, "it names no packages");
	plan->packages = xcalloc(count, sizeof(*plan->packages));
	for (; reader.index < count; reader.index++)
		if (read_package(&reader, json_array_get(rows, reader.index)) < 0)
			return -1;
	for (reader.index = 0; reader.index < count; reader.index++) {
		const json_t *row = json_array_get(rows, reader.index);
		struct plan_package *package = &plan->packages[reader.index];
		if (read_references(&reader, row, "pre_depends", &package->pre_depends,
				    &package->pre_depend_count) < 0 ||
		    read_references(&reader, row, "depends", &package->depends,
				    &package->depend_count) < 0)
			return -1;
	}
	return 0;
}

/* ---- the whole ----------------------------------------------------------------------------------------- */

/* Two lock files that were merged would be one that nobody has ever built. */
static int check_digest(const struct lockfile *lockfile, const json_t *root, struct error *err)
{
	const char *text = json_string_value(json_object_get(root, "plan_sha256"));
	struct digest said, is;

	plan_digest(lockfile->plan, &is);
	if (text && digest_parse(&said, DIGEST_SHA256, text, strlen(text)) &&
	    digest_equal(&said, &is))
		return 0;
	error_set(err, ERROR_PARSE, "%s: its packages are not those that its plan_sha256 is of",
		  lockfile->path);
	error_subject(err, "%s", lockfile->path);
	return error_hint(err, "it was damaged, edited or merged: take it from a backup, or let "
			       "\"vzpkg lock\" write it anew");
}

static int read_root(struct lockfile *lockfile, const json_t *root, struct error *err)
{
	const json_t *template = json_object_get(root, "template");
	const char *name = json_string_value(json_object_get(template, "name"));
	const char *kind = json_string_value(json_object_get(root, "kind"));

	if (!kind || strcmp(kind, "lock") != 0)
		return not_a_lock(lockfile, err, "its \"kind\" is not \"lock\"");
	if (json_integer_value(json_object_get(root, "schema")) != 1)
		return not_a_lock(lockfile, err, "its \"schema\" is not 1; another vzpkg wrote it");
	if (!name || !parse_digest(template, DIGEST_SHA256, &lockfile->template_digest))
		return not_a_lock(lockfile, err, "it does not say of which template it is");
	lockfile->template = xstrdup(name);
	if (read_repositories(lockfile, json_object_get(root, "repositories"), err) < 0 ||
	    read_packages(lockfile, json_object_get(root, "packages"), err) < 0)
		return -1;
	return check_digest(lockfile, root, err);
}

static int no_file(const char *path, struct error *err)
{
	error_set(err, ERROR_NO_FILE, "there is no lock file %s", path);
	error_subject(err, "%s", path);
	return error_hint(err, "\"vzpkg lock TEMPLATE -o FILE\" writes one");
}

int lockfile_read(const char *path, struct lockfile **ret, struct error *err)
{
	AUTO(lockfile_freep) struct lockfile *lockfile = xcalloc(1, sizeof(*lockfile));
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	json_error_t why;

	lockfile->path = xstrdup(path);
	lockfile->plan = xcalloc(1, sizeof(*lockfile->plan));
	lockfile->plan->pinned = true;
	lockfile->metadata = xcalloc(1, sizeof(*lockfile->metadata));
	lockfile->metadata->pm = -1;
	if (faccessat(AT_FDCWD, path, F_OK, 0) < 0 && errno == ENOENT)
		return no_file(path, err);
	if (file_read(AT_FDCWD, path, FILE_LIMIT, &text, err) < 0)
		return -1;
	json_t *root = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, &why);
	if (!root) {
		autofree char *reason = xasprintf("line %d: %s", why.line, why.text);
		return not_a_lock(lockfile, err, reason);
	}
	int result = read_root(lockfile, root, err);
	json_decref(root);
	if (result < 0)
		return -1;
	*ret = steal_ptr(lockfile);
	return 0;
}

static void add_urls(struct plan_repository *repository, const struct metadata_repository *from)
{
	for (size_t i = 0; i < from->base_urls.count; i++)
		if (!strvec_contains(&repository->base_urls, from->base_urls.items[i]))
			strvec_push(&repository->base_urls, from->base_urls.items[i]);
}

void lockfile_locate(struct lockfile *lockfile, const struct metadata *now)
{
	for (size_t i = 0; i < lockfile->plan->repository_count; i++) {
		struct plan_repository *repository = &lockfile->plan->repositories[i];
		for (size_t n = 0; n < now->repository_count; n++)
			if (strcmp(now->repositories[n].source->text, repository->text) == 0)
				add_urls(repository, &now->repositories[n]);
		for (size_t n = 0; n < now->repository_count; n++)
			add_urls(repository, &now->repositories[n]);
	}
}

void lockfile_free(struct lockfile *lockfile)
{
	if (!lockfile)
		return;
	size_t count = lockfile->metadata ? lockfile->metadata->repository_count : 0;
	for (size_t i = 0; lockfile->sources && i < count; i++)
		free(lockfile->sources[i].text);
	metadata_free(lockfile->metadata);
	plan_free(lockfile->plan);
	free(lockfile->sources);
	free(lockfile->template);
	free(lockfile->path);
	free(lockfile);
}

void lockfile_freep(struct lockfile **lockfile)
{
	lockfile_free(*lockfile);
	*lockfile = NULL;
}
