#include "vzpkg/metadata/index_deb.h"

#include <errno.h>
#include <fcntl.h>
#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/repo_deb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/metadata/relations.h"

enum { TEXT_SIZE = 1 << 17, VALUE_MAX = 192 };

/* What libsolv drops of one stanza. */
struct extra {
	uint64_t size; /* bytes */
	uint8_t priority;
	bool essential;
	char *sha512; /* hexadecimal; NULL: not said */
	char *source_version; /* NULL: it is the package's */
};

/* The text on its way to libsolv, which gets the fields that are used: descriptions and the like are the larger part. */
struct tap {
	int fd;
	char *text; /* TEXT_SIZE bytes, of which those from start to end were read and are not passed on yet */
	size_t start, end;
	bool at_end;
	bool in_line; /* of which the start is gone: it is longer than the buffer */
	bool wanted; /* the line, and those that continue it */
	const char *pass; /* to libsolv */
	size_t pass_left;
	struct extra *extras;
	size_t count, capacity;
	struct extra now; /* of the stanza in progress */
	bool in_stanza;
	uint64_t total;
	int failure; /* errno of a failed read */
	bool binary; /* there was a NUL, after which libsolv's lines are not ours */
};

static uint8_t priority_of(const char *word)
{
	static const char *const words[] = {
		[PRIORITY_REQUIRED] = "required", [PRIORITY_IMPORTANT] = "important",
		[PRIORITY_STANDARD] = "standard", [PRIORITY_OPTIONAL] = "optional",
		[PRIORITY_EXTRA] = "extra",
	};
	for (uint8_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(words[i], word) == 0)
			return i;
	return PRIORITY_OPTIONAL;
}

static void end_stanza(struct tap *tap)
{
	if (!tap->in_stanza)
		return;
	tap->extras = xgrow(tap->extras, tap->count, &tap->capacity, sizeof(*tap->extras));
	tap->extras[tap->count++] = tap->now;
	tap->in_stanza = false;
}

static bool is_field(const char *line, size_t length, const char *name)
{
	return strlen(name) == length && strncasecmp(line, name, length) == 0;
}

static bool is_used(const char *line, size_t length)
{
	static const char *const names[] = {
		"Package",     "Version",  "Architecture", "Multi-Arch", "Depends",
		"Pre-Depends", "Provides", "Conflicts",    "Breaks",     "Replaces",
		"Recommends",  "Suggests", "Enhances",     "Filename",   "Installed-Size",
		"Source",      "MD5sum",   "SHA1",         "SHA256",
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (((line[0] ^ names[i][0]) & ~0x20) == 0 && is_field(line, length, names[i]))
			return true;
	return false;
}

static void take_extra(struct tap *tap, const char *line, size_t length, const char *value)
{
	if (is_field(line, length, "Size"))
		tap->now.size = strtoull(value, NULL, 10);
	else if (is_field(line, length, "Priority"))
		tap->now.priority = priority_of(value);
	else if (is_field(line, length, "Essential"))
		tap->now.essential = strcasecmp(value, "yes") == 0;
	else if (is_field(line, length, "SHA512") && !tap->now.sha512)
		tap->now.sha512 = xstrdup(value);
	/* "NAME (VERSION)", of which libsolv takes the name. */
	else if (is_field(line, length, "Source") && !tap->now.source_version) {
		const char *version = strchr(value, '(');
		if (version)
			tap->now.source_version = xstrndup(version + 1, strcspn(version + 1, ")"));
	}
}

/* `line` has neither the newline nor blanks at its end. */
static void look_at(struct tap *tap, const char *line, size_t length)
{
	const char *colon = memchr(line, ':', length);
	size_t name_length = colon ? (size_t)(colon - line) : length;
	char value[VALUE_MAX];
	size_t at = name_length + 1;

	if (!tap->in_stanza) {
		tap->now = (struct extra){ .priority = PRIORITY_OPTIONAL };
		tap->wanted = false;
	}
	tap->in_stanza = true;
	if (line[0] == ' ' || line[0] == '\t') /* goes on with the field */
		return;
	tap->wanted = is_used(line, name_length);
	if (!colon || (tap->wanted && !is_field(line, name_length, "Source")))
		return;
	while (at < length && (line[at] == ' ' || line[at] == '\t'))
		at++;
	snprintf(value, sizeof(value), "%.*s",
		 (int)(length - at < VALUE_MAX ? length - at : VALUE_MAX),
		 line + (at < length ? at : length));
	take_extra(tap, line, name_length, value);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next line, or what there is of one that is longer than the buffer, is what is passed on, or nothing.
 * False: more has to be read first. */
static bool next_line(struct tap *tap)
{
	const char *line = tap->text + tap->start;
	size_t left = tap->end - tap->start;
	const char *newline = memchr(line, '\n', left);
	size_t size = newline ? (size_t)(newline - line) + 1 : left, length = size;

	if (!size || (!newline && left < TEXT_SIZE))
		return false;
	tap->start += size;
	while (length && is_blank(line[length - 1]))
		length--;
	bool begins = !tap->in_line;
	tap->in_line = !newline;
	tap->pass = line;
	if (begins && !length && newline) {
		/* However many there are, and whatever blanks are in them: one ends the stanza. */
		tap->pass = "\n";
		tap->pass_left = tap->in_stanza;
		end_stanza(tap);
		return true;
	}
	if (begins && length)
		look_at(tap, line, length);
	tap->pass_left = tap->wanted ? size : 0;
	return true;
}

static int refill(struct tap *tap)
{
	size_t left = tap->end - tap->start;
	ssize_t got;

	memmove(tap->text, tap->text + tap->start, left);
	tap->start = 0;
	tap->end = left;
	while ((got = read(tap->fd, tap->text + left, TEXT_SIZE - left)) < 0 && errno == EINTR)
		;
	if (got < 0) {
		tap->failure = errno;
		return -1;
	}
	tap->binary |= got > 0 && memchr(tap->text + left, 0, (size_t)got);
	tap->at_end = got == 0 || tap->binary;
	tap->end += tap->binary ? 0 : (size_t)got;
	tap->total += (uint64_t)got;
	/* libsolv would not see a last line without its end. */
	if (tap->at_end && (left ? tap->text[left - 1] != '\n' : tap->in_line))
		tap->text[tap->end++] = '\n';
	return 0;
}

static ssize_t tap_read(void *cookie, char *buffer, size_t size)
{
	struct tap *tap = cookie;
	size_t done = 0;

	while (done < size) {
		size_t length = tap->pass_left < size - done ? tap->pass_left : size - done;
		if (length) {
			memcpy(buffer + done, tap->pass, length);
			tap->pass += length;
			tap->pass_left -= length;
			done += length;
		} else if (!next_line(tap)) {
			if (tap->at_end || done)
				break;
			if (refill(tap) < 0)
				return -1;
		}
	}
	return (ssize_t)done;
}

static void add_extras(const struct tap *tap, Repo *repo, Id first)
{
	Pool *pool = repo->pool;
	Id priority = pool_str2id(pool, ATTRIBUTE_PRIORITY, 1);
	Id essential = pool_str2id(pool, ATTRIBUTE_ESSENTIAL, 1);
	Id sha512 = pool_str2id(pool, ATTRIBUTE_SHA512, 1);
	Id order_key = pool_str2id(pool, ATTRIBUTE_ORDER, 1);
	Repodata *data = repo_add_repodata(repo, 0);

	for (size_t i = 0; i < tap->count; i++) {
		Id solvable = first + (Id)i;
		autofree char *order = relations_order(pool, solvable);
		if (order)
			repodata_set_str(data, solvable, order_key, order);
		repodata_set_num(data, solvable, SOLVABLE_DOWNLOADSIZE, tap->extras[i].size);
		repodata_set_num(data, solvable, priority, tap->extras[i].priority);
		if (tap->extras[i].essential)
			repodata_set_void(data, solvable, essential);
		if (tap->extras[i].sha512)
			repodata_set_str(data, solvable, sha512, tap->extras[i].sha512);
		if (tap->extras[i].source_version)
			repodata_set_id(data, solvable, SOLVABLE_SOURCEEVR,
					pool_str2id(pool, tap->extras[i].source_version, 1));
	}
	repodata_internalize(data);
}

static void tap_release(struct tap *tap)
{
	for (size_t i = 0; i < tap->count; i++) {
		free(tap->extras[i].sha512);
		free(tap->extras[i].source_version);
	}
	free(tap->extras);
	free(tap->text);
}

/* Reads all of the stream; the stanzas and the packages that libsolv made of them must be as many. */
static int read_stream(struct tap *tap, const char *name, Repo *repo, struct error *err)
{
	cookie_io_functions_t functions = { .read = tap_read };
	autofclose FILE *file = fopencookie(tap, "r", functions);
	Id first = repo->pool->nsolvables;

	if (!file)
		return error_errno(err, errno, "reading %s", name);
	setvbuf(file, NULL, _IOFBF, 1 << 16);
	int status = repo_add_debpackages(repo, file, 0);
	end_stanza(tap);
	if (tap->failure)
		return error_errno(err, tap->failure, "reading %s", name);
	if (status != 0 || tap->binary || (size_t)(repo->pool->nsolvables - first) != tap->count) {
		error_set(err, ERROR_FETCH, "%s: it is not an index of packages", name);
		return error_subject(err, "%s", name);
	}
	add_extras(tap, repo, first);
	return 0;
}

int index_deb_parse(int fd, const char *name, void *repo, uint64_t *total, struct error *err)
{
	struct tap tap = { .fd = fd, .text = xmalloc(TEXT_SIZE) };
	int ret = read_stream(&tap, name, repo, err);
	tap_release(&tap);
	*total = tap.total;
	return ret;
}
