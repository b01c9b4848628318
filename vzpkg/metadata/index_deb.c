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
#include "vzpkg/metadata/decompress.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/metadata/relations.h"

/* Text that grows no more than this when it is decompressed, where the release does not say. */
enum { GROWTH_LIMIT = 40, LINE_START = 192 };

#define SHA512_FIELD "SHA512"

/* What libsolv drops of one stanza. */
struct extra {
	uint64_t size; /* bytes */
	uint8_t priority;
	bool essential;
	char *sha512; /* hexadecimal; NULL: not said */
};

/* The text on its way to libsolv: looks at the start of each line. */
struct tap {
	int fd;
	struct extra *extras;
	size_t count, capacity;
	struct extra now; /* of the stanza in progress */
	bool in_stanza;
	char line[LINE_START];
	size_t line_length; /* more than LINE_START: the rest is not kept */
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

static const char *value_of(const char *line, const char *field)
{
	size_t length = strlen(field);
	/* Most lines differ in the first letter already, and there are a million of them. */
	if (((line[0] ^ field[0]) & ~0x20) || strncasecmp(line, field, length) != 0)
		return NULL;
	return line + length + strspn(line + length, " \t");
}

static void end_line(struct tap *tap)
{
	const char *value;
	size_t length = tap->line_length < LINE_START ? tap->line_length : LINE_START - 1;

	while (length && strchr(" \t\r", tap->line[length - 1]))
		length--;
	tap->line[length] = '\0';
	tap->line_length = 0;
	if (!length) {
		end_stanza(tap);
		return;
	}
	if (!tap->in_stanza)
		tap->now = (struct extra){ .priority = PRIORITY_OPTIONAL };
	tap->in_stanza = true;
	if ((value = value_of(tap->line, "Size:")))
		tap->now.size = strtoull(value, NULL, 10);
	else if ((value = value_of(tap->line, "Priority:")))
		tap->now.priority = priority_of(value);
	else if ((value = value_of(tap->line, "Essential:")))
		tap->now.essential = strcasecmp(value, "yes") == 0;
	else if ((value = value_of(tap->line, SHA512_FIELD ":")) && !tap->now.sha512)
		tap->now.sha512 = xstrdup(value);
}

/* Makes it a field that libsolv does not know. `text` is the rest of a line of which `before` bytes have passed by. */
static void hide_sha512(const struct tap *tap, char *text, size_t before)
{
	size_t last = sizeof(SHA512_FIELD) - 2;
	if (before <= last && tap->line_length > last &&
	    strncasecmp(tap->line, SHA512_FIELD, last + 1) == 0)
		text[last - before] = 'X';
}

static void look_at(struct tap *tap, char *text, size_t size)
{
	while (size) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;
		size_t before = tap->line_length;
		if (before < LINE_START) {
			size_t room = LINE_START - before;
			memcpy(tap->line + before, text, length < room ? length : room);
		}
		tap->line_length += length;
		hide_sha512(tap, text, before);
		if (!newline)
			return;
		end_line(tap);
		text += length + 1;
		size -= length + 1;
	}
}

static ssize_t tap_read(void *cookie, char *buffer, size_t size)
{
	struct tap *tap = cookie;
	ssize_t got;

	while ((got = read(tap->fd, buffer, size)) < 0 && errno == EINTR)
		;
	if (got < 0)
		tap->failure = errno;
	if (got > 0 && memchr(buffer, 0, (size_t)got)) {
		tap->binary = true;
		return 0;
	}
	if (got > 0)
		look_at(tap, buffer, (size_t)got);
	if (got > 0)
		tap->total += (uint64_t)got;
	return got;
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
	}
	repodata_internalize(data);
}

static void tap_release(struct tap *tap)
{
	for (size_t i = 0; i < tap->count; i++)
		free(tap->extras[i].sha512);
	free(tap->extras);
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
	if (tap->line_length)
		end_line(tap);
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

int index_deb_parse(int fd, const char *name, Repo *repo, uint64_t *total, struct error *err)
{
	struct tap tap = { .fd = fd };
	int ret = read_stream(&tap, name, repo, err);
	tap_release(&tap);
	*total = tap.total;
	return ret;
}

static int decompress_and_read(int fd, const struct metadata_index *index, Repo *repo,
			       struct error *err)
{
	AUTO(decompressor_stop) struct decompressor decompressor = DECOMPRESSOR_INIT;
	uint64_t limit = index->plain_size ?: index->size * GROWTH_LIMIT;
	uint64_t total;

	if (decompressor_start(&decompressor, fd, limit, err) < 0)
		return -1;
	int ret = index_deb_parse(decompressor.fd, index->title, repo, &total, err);
	if (ret == 0)
		ret = decompressor_finish(&decompressor, index->title, err);
	if (ret == 0 && index->plain_size && total != index->plain_size)
		ret = error_set(err, ERROR_FETCH, "%s: it is shorter than its release says",
				index->title);
	return ret;
}

int index_deb_read(int pm, const struct metadata_index *index, Repo *repo, struct error *err)
{
	struct digest digest;
	autoclose int fd = openat(pm, index->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return error_errno(err, errno, "opening %s", index->title);
	if (digest_fd(index->digest.kind, fd, index->title, &digest, err) < 0)
		return -1;
	if (!digest_equal(&digest, &index->digest)) {
		unlinkat(pm, index->path, 0);
		error_set(err, ERROR_TRUST, "%s: the stored file is damaged; it was removed",
			  index->title);
		return error_hint(err, "run it again: it will be downloaded anew");
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", index->title);
	return decompress_and_read(fd, index, repo, err);
}
