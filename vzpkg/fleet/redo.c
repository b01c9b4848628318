#include "vzpkg/fleet/redo.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

void redo_release(struct redo *redo)
{
	difference_release(&redo->difference);
	installed_release(&redo->before);
	plan_freep(&redo->plan);
	*redo = REDO_INIT;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static json_t *indices(const size_t *items, size_t count)
{
	json_t *array = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, json_integer((json_int_t)items[i]));
	return array;
}

static json_t *package_row(const struct plan_package *package)
{
	const char *slash = strrchr(package->location, '/');
	char hex[DIGEST_MAX * 2 + 1];

	return json_pack("{s:s s:s s:s s:s s:I s:I s:s s:b s:o s:o s:n}", "name", package->name,
			 "version", package->version, "arch", package->arch, "file",
			 slash ? slash + 1 : package->location, "size", (json_int_t)package->size,
			 "installed_size", (json_int_t)package->installed_size,
			 digest_kind_name(package->digest.kind), digest_hex(&package->digest, hex),
			 "automatic", package->automatic, "pre_depends",
			 indices(package->pre_depends, package->pre_depend_count), "depends",
			 indices(package->depends, package->depend_count), "before");
}

static json_t *before_row(const struct installed_package *package)
{
	return json_pack("{s:s s:s s:s s:b}", "name", package->name, "version", package->version,
			 "arch", package->arch, "automatic", package->automatic);
}

json_t *redo_json(const struct plan *plan, const struct difference *difference, bool purge)
{
	json_t *packages = json_array(), *before = json_array();

	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(packages, package_row(&plan->packages[i]));
	for (size_t i = 0; i < difference->count; i++) {
		const struct package_change *change = &difference->changes[i];
		json_t *row = change->kind == CHANGE_REMOVE
				      ? NULL
				      : json_array_get(packages, change->package);
		if (!change->before)
			continue;
		if (row)
			json_object_set_new(row, "before",
					    json_integer((json_int_t)json_array_size(before)));
		json_array_append_new(before, before_row(change->before));
	}
	return json_pack("{s:o s:o s:b}", "packages", packages, "before", before, "purge", purge);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static int bad(struct error *err, const char *what)
{
	error_set(err, ERROR_PARSE, "the journal's plan has %s", what);
	return error_hint(err, "another version of vzpkg may have written it, and can go on");
}

static char *text_of(const json_t *row, const char *key)
{
	return xstrdup(json_string_value(json_object_get(row, key)) ?: "");
}

static uint64_t size_of(const json_t *row, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(row, key));
	return value > 0 ? (uint64_t)value : 0;
}

static bool read_digest(const json_t *row, struct digest *ret)
{
	for (unsigned kind = DIGEST_KINDS; kind-- > DIGEST_NONE + 1;) {
		const char *hex = json_string_value(
			json_object_get(row, digest_kind_name((enum digest_kind)kind)));
		if (hex)
			return digest_parse(ret, (enum digest_kind)kind, hex, strlen(hex));
	}
	return false;
}

static int read_indices(const json_t *array, size_t below, size_t **ret, size_t *ret_count,
			struct error *err)
{
	*ret = xcalloc(json_array_size(array) + 1, sizeof(**ret));
	for (size_t i = 0; i < json_array_size(array); i++) {
		json_int_t value = json_integer_value(json_array_get(array, i));
		if (value < 0 || (size_t)value >= below)
			return bad(err, "a dependency on a package that is not there");
		(*ret)[(*ret_count)++] = (size_t)value;
	}
	return 0;
}

static int read_package(const json_t *row, size_t count, struct plan *plan, struct error *err)
{
	struct plan_package *package = &plan->packages[plan->count++];

	*package = (struct plan_package){
		.name = text_of(row, "name"),
		.version = text_of(row, "version"),
		.arch = text_of(row, "arch"),
		.location = text_of(row, "file"),
		.size = size_of(row, "size"),
		.installed_size = size_of(row, "installed_size"),
		.automatic = json_is_true(json_object_get(row, "automatic")),
	};
	if (!*package->name || !*package->version || !*package->arch ||
	    !strchr(package->location, '.') || !read_digest(row, &package->digest))
		return bad(err, "a package without name, version, architecture, file or digest");
	plan->size += package->size;
	plan->installed_size += package->installed_size;
	if (read_indices(json_object_get(row, "pre_depends"), count, &package->pre_depends,
			 &package->pre_depend_count, err) < 0)
		return -1;
	return read_indices(json_object_get(row, "depends"), count, &package->depends,
			    &package->depend_count, err);
}

static int read_packages(const json_t *rows, struct redo *redo, struct error *err)
{
	size_t count = json_array_size(rows);
	struct plan *plan = redo->plan = xcalloc(1, sizeof(*plan));

	plan->packages = xcalloc(count + 1, sizeof(*plan->packages));
	plan->repositories = xcalloc(1, sizeof(*plan->repositories));
	plan->repository_count = 1;
	for (size_t i = 0; i < count; i++)
		if (read_package(json_array_get(rows, i), count, plan, err) < 0)
			return -1;
	return 0;
}

static int read_before(const json_t *rows, struct redo *redo, struct error *err)
{
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);
		autofree char *name = text_of(row, "name"), *version = text_of(row, "version");
		autofree char *arch = text_of(row, "arch");
		const struct installed_package package = {
			.name = name,
			.version = version,
			.arch = arch,
			.automatic = json_is_true(json_object_get(row, "automatic")),
		};
		if (!*name || !*version || !*arch)
			return bad(err, "a package without name, version or architecture");
		installed_add(&redo->before, &package);
	}
	return 0;
}

static int make_difference(const json_t *rows, struct redo *redo, struct error *err)
{
	size_t count = redo->before.count;
	autofree bool *replaced = xcalloc(count + 1, sizeof(*replaced));
	struct difference *difference = &redo->difference;

	difference->changes = xcalloc(redo->plan->count + count + 1, sizeof(*difference->changes));
	for (size_t i = 0; i < redo->plan->count; i++) {
		const json_t *row = json_array_get(rows, i);
		const json_t *before = json_object_get(row, "before");
		struct package_change *change = &difference->changes[difference->count++];
		*change = (struct package_change){ .kind = CHANGE_ADD, .package = i };
		if (!json_is_integer(before))
			continue;
		json_int_t index = json_integer_value(before);
		if (index < 0 || (size_t)index >= count)
			return bad(err, "a package in the place of one that is not there");
		replaced[index] = true;
		change->kind = CHANGE_REPLACE;
		change->before = &redo->before.packages[index];
	}
	for (size_t i = 0; i < count; i++)
		if (!replaced[i])
			difference->changes[difference->count++] = (struct package_change){
				.kind = CHANGE_REMOVE,
				.before = &redo->before.packages[i],
			};
	return 0;
}

int redo_parse(const json_t *json, struct redo *ret, struct error *err)
{
	const json_t *rows = json_object_get(json, "packages");

	ret->purge = json_is_true(json_object_get(json, "purge"));
	if (read_packages(rows, ret, err) < 0 ||
	    read_before(json_object_get(json, "before"), ret, err) < 0)
		return -1;
	return make_difference(rows, ret, err);
}
