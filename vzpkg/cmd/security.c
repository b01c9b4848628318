#include "vzpkg/cmd/security.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "vzpkg/metadata/advisories.h"
#include "vzpkg/resolve/version.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

/* ---- deb ------------------------------------------------------------------------------------------------ */

static bool has_word(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

/* Debian-Security, bookworm-security. */
static bool is_for_security(const struct metadata_repository *repository)
{
	return has_word(repository->label, "security") || has_word(repository->suite, "security") ||
	       has_word(repository->codename, "security");
}

static bool comes_from_security(const struct metadata *metadata, const json_t *change)
{
	const char *text = text_of(json_object_get(change, "package"), "repository");

	for (size_t i = 0; i < metadata->repository_count; i++)
		if (strcmp(metadata->repositories[i].source->text, text) == 0 &&
		    is_for_security(&metadata->repositories[i]))
			return true;
	return false;
}

static void mark_by_repository(const struct metadata *metadata, json_t *changes)
{
	for (size_t i = 0; i < json_array_size(changes); i++) {
		json_t *change = json_array_get(changes, i);
		json_object_set_new(change, "security",
				    json_boolean(comes_from_security(metadata, change)));
	}
}

/* ---- rpm ------------------------------------------------------------------------------------------------ */

struct marking {
	struct advisories advisories;
	struct version_order *order;
};

static void marking_release(struct marking *marking)
{
	advisories_release(&marking->advisories);
	version_order_freep(&marking->order);
}

/*
 * The package was older than what the advisory names, and is not any more. One that comes without having been there before counts if it
 * is what the advisory names, as one of a deb repository counts that comes from where security updates are: all that was ever
 * mended in it would say nothing.
 */
static bool is_answered(const struct marking *marking, const struct advisory_package *package,
			const json_t *change)
{
	const char *to = json_string_value(json_object_get(change, "to"));
	bool upgraded = strcmp(text_of(change, "change"), "upgraded") == 0;

	if (!to || (package->arch && strcmp(package->arch, text_of(change, "arch")) != 0))
		return false;
	int way = version_compare(marking->order, package->version, to);
	if (!upgraded)
		return way == 0;
	return way <= 0 &&
	       version_compare(marking->order, text_of(change, "from"), package->version) < 0;
}

/* Several repositories may have it, and it may name a package in several collections. */
static bool is_listed(const json_t *rows, const struct advisory *advisory)
{
	for (size_t i = 0; i < json_array_size(rows); i++)
		if (strcmp(text_of(json_array_get(rows, i), "id"), advisory->id) == 0)
			return true;
	return false;
}

static void add_advisory(json_t *rows, const struct advisory *advisory)
{
	size_t at = 0;

	if (is_listed(rows, advisory))
		return;
	for (; at < json_array_size(rows); at++) {
		const json_t *row = json_array_get(rows, at);
		struct advisory other = { .severity = (char *)text_of(row, "severity") };
		if (advisory_severity(&other) < advisory_severity(advisory))
			break;
	}
	json_array_insert_new(
		rows, at,
		json_pack("{s:s s:s?}", "id", advisory->id, "severity", advisory->severity));
}

static void mark_by_advisories(const struct marking *marking, json_t *change)
{
	const struct advisories *advisories = &marking->advisories;
	json_t *rows = json_array();
	size_t count = 0;
	const struct advisory_package *packages =
		advisories_of(advisories, text_of(change, "name"), &count);

	for (size_t i = 0; i < count; i++)
		if (is_answered(marking, &packages[i], change))
			add_advisory(rows, &advisories->items[packages[i].advisory]);
	json_object_set_new(change, "security",
			    advisories->known ? json_boolean(json_array_size(rows)) : json_null());
	json_object_set_new(change, "advisories", rows);
}

/* Without a network what is newer can be said all the same. */
static int load(struct app *app, const struct metadata *metadata, struct advisories *advisories,
		struct error *err)
{
	AUTO(error_clear) struct error failure = ERROR_INIT;

	if (advisories_load(metadata, advisories, &failure) == 0)
		return 0;
	if (failure.kind != ERROR_NO_METADATA) {
		error_move(err, &failure);
		return -1;
	}
	report_warning(app->report, failure.subject,
		       "%s: which updates are security updates cannot be said", failure.message);
	advisories_release(advisories);
	return 0;
}

int security_mark(struct app *app, const struct app_plan *solved, json_t *changes, bool *known,
		  struct error *err)
{
	const struct metadata *metadata = solved->metadata;

	*known = true;
	if (metadata->template->format == PACKAGE_DEB) {
		mark_by_repository(metadata, changes);
		return 0;
	}
	if (!json_array_size(changes))
		return 0;
	AUTO(marking_release)
	struct marking marking = { .order = version_order_new(PACKAGE_RPM) };
	if (load(app, metadata, &marking.advisories, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(changes); i++)
		mark_by_advisories(&marking, json_array_get(changes, i));
	*known = marking.advisories.known;
	return 0;
}

/* ---- showing -------------------------------------------------------------------------------------------- */

char *security_note(const json_t *change)
{
	const json_t *rows = json_object_get(change, "advisories"),
		     *first = json_array_get(rows, 0);
	const char *severity = text_of(first, "severity");
	struct strbuf note = STRBUF_INIT;

	if (!json_is_true(json_object_get(change, "security")))
		return NULL;
	strbuf_adds(&note, "security");
	if (first)
		strbuf_addf(&note, ": %s%s%s%s", text_of(first, "id"), *severity ? " (" : "",
			    severity, *severity ? ")" : "");
	if (json_array_size(rows) > 1)
		strbuf_addf(&note, " and %zu more", json_array_size(rows) - 1);
	return strbuf_detach(&note);
}
