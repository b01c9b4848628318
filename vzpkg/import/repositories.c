#include "vzpkg/import/repositories.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/import/address.h"

/* The addresses with their variables expanded; NULL: there is one that nobody knows, and a note says so. */
static char *expand(const struct place *place, const char *text)
{
	autofree char *unknown = NULL;
	char *expanded = address_expand(place->reader->import, text, &unknown);
	if (!expanded) {
		autofree char *why = xasprintf("the variable %s is not known", unknown);
		note_left(place->reader, place->file, place->line, why, "%s%s", place->what, text);
	}
	return expanded;
}

static bool has_line(const struct strbuf *lines, const char *line)
{
	autofree char *whole = xasprintf("%s\n", line);
	for (const char *at = lines->text; (at = strstr(at, whole)); at++)
		if (at == lines->text || at[-1] == '\n')
			return true;
	return false;
}

/* Takes what an address has become. */
static void add(const struct place *place, const char *old, const struct address *address)
{
	struct reader *reader = place->reader;
	struct strbuf *lines = address->list ? &place->to->mirrorlist : &place->to->repositories;
	const char *line = address->list ?: address->repository;
	autofree char *mistake =
		address->list ? mirrorlist_mistake(reader, line) : repository_mistake(reader, line);
	autofree char *why =
		xasprintf("from %s%s%s%s", place->what, old,
			  address->moved ? ", which is now in " : "", address->moved ?: "");

	if (mistake) {
		note_left(reader, place->file, place->line, mistake, "%s%s", place->what, old);
		return;
	}
	if (has_line(lines, line)) {
		note_left(reader, place->file, place->line, "it is there already", "%s%s",
			  place->what, old);
		return;
	}
	strbuf_addf(lines, "%s\n", line);
	if (address->guest)
		strbuf_addf(&place->to->guest, "%s\n", address->guest);
	note_taken(reader, place->file, place->line, why, "%s: %s",
		   address->list ? "mirrorlist" : "repositories", line);
}

static void take_deb(const struct place *place, const char *text, const char *expanded)
{
	AUTO(address_release) struct address address = ADDRESS_INIT;
	const char *why = NULL;

	if (address_deb(expanded, &address, &why))
		add(place, text, &address);
	else
		note_left(place->reader, place->file, place->line, why, "%s%s", place->what, text);
}

void take_address(const struct place *place, const char *text)
{
	struct reader *reader = place->reader;
	AUTO(address_release) struct address address = ADDRESS_INIT;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	autofree char *expanded = expand(place, text);

	if (!expanded)
		return;
	if (reader->import->format == PACKAGE_DEB) {
		take_deb(place, text, expanded);
		return;
	}
	strvec_split(&words, expanded);
	if (!words.count)
		return;
	address_rpm(reader->import, words.items[0], &address);
	add(place, words.items[0], &address);
	for (size_t i = 1; i < words.count; i++)
		note_left(reader, place->file, place->line,
			  "it is a mirror of the same; one address is enough", "%s%s", place->what,
			  words.items[i]);
}

void take_mirror_lists(const struct place *place, const char *text)
{
	AUTO(address_release) struct address address = ADDRESS_INIT;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf rest = STRBUF_INIT;
	autofree char *expanded = expand(place, text);

	if (!expanded)
		return;
	strvec_split(&words, expanded);
	/* The first whose repository is known decides: the lists of distributions that are no more lead nowhere. */
	for (size_t i = 0; i < words.count; i++) {
		AUTO(address_release) struct address one = ADDRESS_INIT;
		address_list(place->reader->import, words.items[i], &one);
		if (one.repository) {
			add(place, words.items[i], &one);
			return;
		}
		strbuf_addf(&rest, "%s%s", i ? " " : "", one.list);
	}
	address.list = strbuf_detach(&rest);
	if (*address.list)
		add(place, text, &address);
}
