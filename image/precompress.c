#include "image/precompress.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uthash.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/compressor.h"
#include "image/member.h"
#include "image/tar_writer.h"
#include "image/walk.h"

enum { NICE = 10, LOOK_AGAIN_MS = 400, PAUSE_MS = 20 };

/* A member that has been compressed, by what its entries looked like. */
struct known {
	struct mac look;
	UT_hash_handle hh;
};

struct filling {
	int tree;
	int64_t epoch;
	struct member_cache *cache;
	bool growing;

	struct member_compressor *compressor;
	struct mac_key key;
	struct known *known;
	struct strbuf tar, gzip, look; /* kept: new memory is slow */
};

/* ---- which members ------------------------------------------------------------------------------------ */

/* rpm's name for a file that it is writing: "NAME;5f5e1000". */
static bool is_being_written(const char *path, void *data)
{
	const char *suffix = strrchr(path, ';');

	(void)data;
	return suffix && strlen(suffix + 1) == 8 && strspn(suffix + 1, "0123456789abcdef") == 8;
}

static void look_of(struct filling *filling, const struct walk *walk, const struct member *member,
		    struct mac *ret)
{
	struct strbuf *look = &filling->look;

	strbuf_truncate(look, 0);
	strbuf_addf(look, "%ju %ju\n", (uintmax_t)member->offset, (uintmax_t)member->length);
	for (size_t i = 0; i < member->count; i++) {
		const struct walk_entry *entry = &walk->entries[member->first + i];
		strbuf_addf(look, "%s %ju %ju %jd %o %u %u\n", entry->path, (uintmax_t)entry->ino,
			    (uintmax_t)entry->size, (intmax_t)entry->mtime, entry->mode, entry->uid,
			    entry->gid);
	}
	mac_data(&filling->key, look->text, look->length, ret);
}

/* Whether it is the first time that the member looks like this; one that has changed without looking so is made later. */
static bool is_new(struct filling *filling, const struct walk *walk, const struct member *member)
{
	struct known *known;
	struct mac mac;

	look_of(filling, walk, member, &mac);
	HASH_FIND(hh, filling->known, &mac, sizeof(mac), known);
	if (known)
		return false;
	known = xcalloc(1, sizeof(*known));
	known->look = mac;
	HASH_ADD(hh, filling->known, look, sizeof(known->look), known);
	return true;
}

/* ---- compressing ---------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A file that has changed or gone since: its member will be made later. */
static void compress(struct filling *filling, const struct walk *walk, const struct member *member)
{
	strbuf_truncate(&filling->tar, 0);
	strbuf_truncate(&filling->gzip, 0);
	if (member_compress(filling->compressor, walk, member, filling->cache, &filling->tar,
			    &filling->gzip, NULL) == 0)
		member_compressor_keep(filling->compressor, filling->cache, &filling->gzip);
}

/* Until it is time to look again. Returns how many members were new. */
static size_t compress_new(struct filling *filling, const struct walk *walk,
			   const struct member *members, size_t count, bool large, int64_t until)
{
	size_t done = 0;

	for (size_t i = 0; i < count && now_ms() < until; i++) {
		if (members[i].large != large || !is_new(filling, walk, &members[i]))
			continue;
		compress(filling, walk, &members[i]);
		done++;
	}
	return done;
}

/* Those of large files come first, since nothing else moves their borders. */
static size_t compress_some(struct filling *filling, const struct walk *walk,
			    const struct member *members, size_t count)
{
	int64_t until = now_ms() + LOOK_AGAIN_MS;
	size_t large = compress_new(filling, walk, members, count, true, until);

	return large + compress_new(filling, walk, members, count, false, until);
}

static void compress_all(struct filling *filling, const struct walk *walk,
			 const struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		compress(filling, walk, &members[i]);
}

/* Returns how many members of a growing tree were compressed. */
static size_t look(struct filling *filling)
{
	struct walk walk = WALK_INIT;
	size_t count, done = 0;

	if (walk_tree_lightly(filling->tree, is_being_written, NULL, &walk, NULL) == 0) {
		autofree struct member *members = members_plan(&walk, &count);
		if (filling->growing)
			done = compress_some(filling, &walk, members, count);
		else
			compress_all(filling, &walk, members, count);
	}
	walk_release(&walk);
	return done;
}

static void fill(void *data)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };
	struct filling *filling = data;

	(void)!nice(NICE);
	filling->compressor = member_compressor_new(filling->tree, filling->epoch, NULL);
	if (!filling->compressor || mac_key_make(&filling->key, NULL) < 0)
		return;
	do {
		if (!look(filling) && filling->growing)
			nanosleep(&pause, NULL);
	} while (filling->growing);
}

static int start(struct precompress *precompress, struct filling *filling, struct error *err)
{
	filling->tar = filling->gzip = filling->look = STRBUF_INIT;
	return background_start(&precompress->child, fill, filling, err);
}

int precompress_start(struct precompress *precompress, int tree, int64_t epoch,
		      struct member_cache *cache, struct error *err)
{
	struct filling filling = { .tree = tree, .epoch = epoch, .cache = cache };
	return start(precompress, &filling, err);
}

int precompress_follow(struct precompress *precompress, int tree, int64_t epoch,
		       struct member_cache *cache, struct error *err)
{
	struct filling filling = { .tree = tree, .epoch = epoch, .cache = cache, .growing = true };
	return start(precompress, &filling, err);
}

void precompress_stop(struct precompress *precompress)
{
	background_stop(&precompress->child);
}
