#include "vzpkg/metadata/mirrorlist.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/xml.h"

/* More than these are not asked, whatever the list says. */
enum { MIRRORS_MAX = 16, URL_MAX = 2000 };

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_usable(const char *url)
{
	const char *c;

	if (!starts_with(url, "http://") && !starts_with(url, "https://"))
		return false;
	for (c = url; *c > ' ' && *c < 127; c++)
		;
	return !*c && c - url < URL_MAX;
}

/* Takes over the URL, if it is of any use. */
static void add(struct mirrorlist *list, char *url)
{
	size_t length = url ? strlen(url) : 0;

	while (length && url[length - 1] == '/')
		url[--length] = '\0';
	if (url && is_usable(url) && list->bases.count < MIRRORS_MAX &&
	    !strvec_contains(&list->bases, url))
		strvec_take(&list->bases, url);
	else
		free(url);
}

static void read_plain(struct mirrorlist *list, const char *text)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;

	while (*text) {
		size_t length = strcspn(text, "\r\n");
		autofree char *line = xstrndup(text, length);
		strvec_release(&words);
		words = STRVEC_INIT;
		strvec_split(&words, line);
		if (words.count == 1 && words.items[0][0] != '#')
			add(list, xstrdup(words.items[0]));
		text += length;
		text += strspn(text, "\r\n");
	}
}

/* ---- metalink ---------------------------------------------------------------------------------------- */

struct choice {
	char *base;
	long preference;
	size_t at; /* equal ones stay in the order of the list */
};

static int by_preference(const void *a, const void *b)
{
	const struct choice *x = a, *y = b;
	if (x->preference != y->preference)
		return x->preference > y->preference ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* "http://…/repodata/repomd.xml" without the end. */
static char *base_of(const xmlNode *url)
{
	static const char end[] = "/repodata/repomd.xml";
	autofree char *text = xml_text(url);
	size_t length = text ? strlen(text) : 0;

	if (length < sizeof(end) || strcmp(text + length - (sizeof(end) - 1), end) != 0)
		return NULL;
	return xstrndup(text, length - (sizeof(end) - 1));
}

static void read_resources(struct mirrorlist *list, const xmlNode *resources)
{
	struct choice *choices = NULL;
	size_t count = 0, capacity = 0;

	for (const xmlNode *url = xml_first(resources, "url"); url; url = xml_next(url)) {
		autofree char *preference = xml_attribute(url, "preference");
		choices = xgrow(choices, count, &capacity, sizeof(*choices));
		choices[count] = (struct choice){
			.base = base_of(url),
			.preference = preference ? strtol(preference, NULL, 10) : 0,
			.at = count,
		};
		count++;
	}
	if (count)
		qsort(choices, count, sizeof(*choices), by_preference);
	for (size_t i = 0; i < count; i++)
		add(list, choices[i].base);
	free(choices);
}

static void read_hashes(struct mirrorlist *list, const xmlNode *verification)
{
	struct digest digest;

	for (const xmlNode *hash = xml_first(verification, "hash"); hash; hash = xml_next(hash))
		if (xml_digest(hash, &digest) && digest.kind >= DIGEST_SHA256 &&
		    digest.kind > list->repomd.kind)
			list->repomd = digest;
}

static int read_metalink(struct mirrorlist *list, const char *name, const char *text, size_t length,
			 struct error *err)
{
	AUTO(xml_free) xmlDoc *document = xml_parse(name, text, length, "metalink", err);

	if (!document)
		return -1;
	const xmlNode *files = xml_first(xmlDocGetRootElement(document), "files");
	const xmlNode *file = xml_first(files, "file");
	for (; file; file = xml_next(file)) {
		autofree char *of = xml_attribute(file, "name");
		if (!of || strcmp(of, "repomd.xml") != 0)
			continue;
		read_hashes(list, xml_first(file, "verification"));
		read_resources(list, xml_first(file, "resources"));
	}
	return 0;
}

int mirrorlist_parse(struct mirrorlist *list, const char *name, const char *text, size_t length,
		     struct error *err)
{
	*list = MIRRORLIST_INIT;
	if (text[strspn(text, " \t\r\n")] != '<')
		read_plain(list, text);
	else if (read_metalink(list, name, text, length, err) < 0)
		return -1;
	if (list->bases.count)
		return 0;
	error_set(err, ERROR_FETCH, "%s: it names no mirror", name);
	error_subject(err, "%s", name);
	return error_hint(err, "open that address to see what it says; if the release has been "
			       "moved to an archive, "
			       "name the archive in \"repositories\"");
}

void mirrorlist_release(struct mirrorlist *list)
{
	strvec_release(&list->bases);
}
