#include "vzpkg/metadata/release.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/alloc.h"
#include "base/cleanup.h"

/* From strong to weak. */
static const struct {
	const char *field;
	enum digest_kind kind;
	bool weak;
} sections[] = {
	{ "SHA512", DIGEST_SHA512, false },
	{ "SHA256", DIGEST_SHA256, false },
	{ "SHA1", DIGEST_SHA1, true },
	{ "MD5Sum", DIGEST_MD5, true },
};

enum { SECTION_COUNT = sizeof(sections) / sizeof(sections[0]) };

int64_t release_date(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
	if (!end ||
	    (strcmp(end, " UTC") != 0 && strcmp(end, " GMT") != 0 && strcmp(end, " +0000") != 0))
		return 0;
	return timegm(&tm);
}

/* The value of a field's first line (to be freed), and where the lines after it begin. */
static char *field(const char *text, const char *name, const char **ret_rest)
{
	size_t length = strlen(name);
	while (*text) {
		size_t line = strcspn(text, "\n");
		if (line > length && text[length] == ':' && strncasecmp(text, name, length) == 0) {
			const char *value = text + length + 1;
			value += strspn(value, " \t");
			if (ret_rest)
				*ret_rest = text + line + (text[line] == '\n');
			size_t size = strcspn(value, "\r\n");
			while (size && strchr(" \t", value[size - 1]))
				size--;
			return xstrndup(value, size);
		}
		text += line + (text[line] == '\n');
	}
	return NULL;
}

static void split_field(const char *text, const char *name, struct strvec *words)
{
	autofree char *value = field(text, name, NULL);
	if (value)
		strvec_split(words, value);
}

static int64_t date_field(const char *text, const char *name)
{
	autofree char *value = field(text, name, NULL);
	return value ? release_date(value) : 0;
}

static bool has_digests(const char *text)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		autofree char *value = field(text, sections[i].field, NULL);
		if (value)
			return true;
	}
	return false;
}

int release_parse(struct release *release, const char *name, const char *text, struct error *err)
{
	autofree char *by_hash = field(text, "Acquire-By-Hash", NULL);

	*release = (struct release){
		.text = xstrdup(text),
		.origin = field(text, "Origin", NULL),
		.label = field(text, "Label", NULL),
		.suite = field(text, "Suite", NULL),
		.codename = field(text, "Codename", NULL),
		.by_hash = by_hash && strcasecmp(by_hash, "yes") == 0,
		.date = date_field(text, "Date"),
		.valid_until = date_field(text, "Valid-Until"),
	};
	split_field(text, "Architectures", &release->architectures);
	split_field(text, "Components", &release->components);
	if (release->date && has_digests(text))
		return 0;
	error_set(err, ERROR_PARSE, "%s: it has no %s", name,
		  release->date ? "list of digests" : "Date that can be read");
	error_subject(err, "%s", name);
	return error_hint(err, "it is not the Release file of a Debian repository, or damaged");
}

void release_release(struct release *release)
{
	free(release->text);
	free(release->origin);
	free(release->label);
	free(release->suite);
	free(release->codename);
	strvec_release(&release->architectures);
	strvec_release(&release->components);
	*release = RELEASE_INIT;
}

/* One line " DIGEST SIZE PATH". */
static bool match_line(const char *line, size_t length, const char *path, enum digest_kind kind,
		       struct digest *digest, uint64_t *size)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	size_t path_length = strlen(path);
	char *end;

	/* Most lines are of other files: look at the end before taking it apart. */
	if (length <= path_length || memcmp(line + length - path_length, path, path_length) != 0)
		return false;
	autofree char *text = xstrndup(line, length);
	strvec_split(&words, text);
	if (words.count != 3 || strcmp(words.items[2], path) != 0)
		return false;
	*size = strtoull(words.items[1], &end, 10);
	return !*end && digest_parse(digest, kind, words.items[0], strlen(words.items[0]));
}

static bool find_in_section(const char *lines, const char *path, enum digest_kind kind,
			    struct digest *digest, uint64_t *size)
{
	while (*lines == ' ' || *lines == '\t') {
		size_t length = strcspn(lines, "\r\n");
		if (match_line(lines, length, path, kind, digest, size))
			return true;
		lines += strcspn(lines, "\n");
		lines += *lines == '\n';
	}
	return false;
}

bool release_find(const struct release *release, const char *path, bool sha1_ok,
		  struct digest *ret_digest, uint64_t *ret_size)
{
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		const char *lines = "";
		autofree char *value = field(release->text, sections[i].field, &lines);
		if (value && (sha1_ok || !sections[i].weak) &&
		    find_in_section(lines, path, sections[i].kind, ret_digest, ret_size))
			return true;
	}
	return false;
}
