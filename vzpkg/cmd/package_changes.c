#include "vzpkg/cmd/package_changes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "vzpkg/resolve/version.h"

static const char *text_of(const json_t *package, const char *key)
{
	return json_string_value(json_object_get(package, key)) ?: "";
}

static json_int_t number_of(const json_t *package, const char *key)
{
	return json_integer_value(json_object_get(package, key));
}

const char *package_file_digest(const json_t *package, const char **ret_kind)
{
	for (int kind = DIGEST_KINDS - 1; kind > DIGEST_NONE; kind--) {
		const char *name = digest_kind_name((enum digest_kind)kind);
		const char *hex = json_string_value(json_object_get(package, name));
		if (!hex)
			continue;
		if (ret_kind)
			*ret_kind = name;
		return hex;
	}
	return NULL;
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct side {
	const json_t **packages; /* by name and architecture, then by version */
	size_t count;
};

static int by_identity(const json_t *a, const json_t *b)
{
	int names = strcmp(text_of(a, "name"), text_of(b, "name"));
	return names ?: strcmp(text_of(a, "arch"), text_of(b, "arch"));
}

static int by_identity_and_version(const void *a, const void *b)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	int identity = by_identity(x, y);
	return identity ?: strcmp(text_of(x, "version"), text_of(y, "version"));
}

static struct side sorted(const json_t *array)
{
	struct side side = { .count = json_array_size(array) };
	side.packages = xcalloc(side.count, sizeof(*side.packages));
	for (size_t i = 0; i < side.count; i++)
		side.packages[i] = json_array_get(array, i);
	if (side.count)
		qsort(side.packages, side.count, sizeof(*side.packages), by_identity_and_version);
	return side;
}

/* How many from `at` on are the same package in several versions (rpm: kernels, keys). */
static size_t run_length(const struct side *side, size_t at)
{
	size_t length = 1;
	while (at + length < side->count &&
	       by_identity(side->packages[at], side->packages[at + length]) == 0)
		length++;
	return length;
}

static void add(json_t *changes, const char *change, const json_t *before, const json_t *after)
{
	const json_t *either = after ?: before;
	json_array_append_new(
		changes,
		json_pack("{s:s s:s s:s s:s? s:s? s:I s:I s:O? s:O?}", "name",
			  text_of(either, "name"), "arch", text_of(either, "arch"), "change",
			  change, "from", before ? text_of(before, "version") : NULL, "to",
			  after ? text_of(after, "version") : NULL, "size",
			  after ? number_of(after, "size") : (json_int_t)0, "installed_size",
			  number_of(after, "installed_size") - number_of(before, "installed_size"),
			  "package", after, "before", before));
}

static bool same_file(const json_t *a, const json_t *b)
{
	const char *kind_a, *kind_b;
	const char *x = package_file_digest(a, &kind_a), *y = package_file_digest(b, &kind_b);
	/* Of different kinds they cannot be compared. */
	return !x || !y || strcmp(kind_a, kind_b) != 0 || strcmp(x, y) == 0;
}

static void compare_one(json_t *changes, struct version_order *order, const json_t *before,
			const json_t *after)
{
	int way = version_compare(order, text_of(before, "version"), text_of(after, "version"));
	if (way < 0)
		add(changes, "upgraded", before, after);
	else if (way > 0)
		add(changes, "downgraded", before, after);
	else if (!same_file(before, after))
		add(changes, "rebuilt", before, after);
}

static bool has_version(const struct side *side, size_t at, size_t length, const json_t *package)
{
	for (size_t i = at; i < at + length; i++)
		if (strcmp(text_of(side->packages[i], "version"), text_of(package, "version")) == 0)
			return true;
	return false;
}

/* One version on both sides is a change of it; with several, each comes or goes by itself. */
static void compare_run(json_t *changes, struct version_order *order, const struct side *before,
			size_t b, size_t b_length, const struct side *after, size_t a,
			size_t a_length)
{
	if (b_length == 1 && a_length == 1) {
		compare_one(changes, order, before->packages[b], after->packages[a]);
		return;
	}
	for (size_t i = b; i < b + b_length; i++)
		if (!has_version(after, a, a_length, before->packages[i]))
			add(changes, "removed", before->packages[i], NULL);
	for (size_t i = a; i < a + a_length; i++)
		if (!has_version(before, b, b_length, after->packages[i]))
			add(changes, "added", NULL, after->packages[i]);
}

static void compare(json_t *changes, struct version_order *order, const struct side *before,
		    const struct side *after)
{
	size_t b = 0, a = 0;
	while (b < before->count || a < after->count) {
		int way = b == before->count ? 1
			  : a == after->count
				  ? -1
				  : by_identity(before->packages[b], after->packages[a]);
		if (way < 0) {
			add(changes, "removed", before->packages[b++], NULL);
		} else if (way > 0) {
			add(changes, "added", NULL, after->packages[a++]);
		} else {
			size_t b_length = run_length(before, b), a_length = run_length(after, a);
			compare_run(changes, order, before, b, b_length, after, a, a_length);
			b += b_length;
			a += a_length;
		}
	}
}

json_t *package_changes(const json_t *before, const json_t *after, enum package_format format)
{
	AUTO(version_order_freep) struct version_order *order = version_order_new(format);
	struct side old = sorted(before), new = sorted(after);
	json_t *changes = json_array();

	compare(changes, order, &old, &new);
	free(old.packages);
	free(new.packages);
	return changes;
}

/* ---- showing --------------------------------------------------------------------------------- */

static void line(const json_t *change, int name_width, const char *note, struct strbuf *text)
{
	const char *from = json_string_value(json_object_get(change, "from"));
	const char *to = json_string_value(json_object_get(change, "to"));

	strbuf_addf(text, "%-10s  %-*s  %s%s%s", text_of(change, "change"), name_width,
		    text_of(change, "name"), from ?: "", from && to ? " -> " : "", to ?: "");
	if (to)
		strbuf_addf(text, "  %.1f kB", (double)number_of(change, "size") / 1e3);
	strbuf_addf(text, "%s%s\n", note ? "  " : "", note ?: "");
}

void package_changes_text(const json_t *changes, char *(*note)(const json_t *change),
			  struct strbuf *text)
{
	size_t count = json_array_size(changes);
	json_int_t size = 0, installed = 0;
	int width = 0;

	for (size_t i = 0; i < count; i++) {
		const json_t *change = json_array_get(changes, i);
		int length = (int)strlen(text_of(change, "name"));
		width = length > width ? length : width;
		size += number_of(change, "size");
		installed += number_of(change, "installed_size");
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *change = json_array_get(changes, i);
		autofree char *words = note ? note(change) : NULL;
		line(change, width, words, text);
	}
	strbuf_addf(text, "%zu package%s: %.1f MB of packages, %+.1f MB installed\n", count,
		    count == 1 ? " differs" : "s differ", (double)size / 1e6,
		    (double)installed / 1e6);
}

json_t *package_changes_json(const json_t *changes)
{
	json_t *rows = json_array();
	for (size_t i = 0; i < json_array_size(changes); i++) {
		json_t *row = json_copy(json_array_get(changes, i));
		json_object_del(row, "package");
		json_object_del(row, "before");
		json_array_append_new(rows, row);
	}
	return rows;
}
