/*
 * What unpacking found out, as a value that can go through a pipe.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "vzpkg/install/deb_unpack.h"

char *parked_name(const char *path, size_t index)
{
	return xasprintf("%s.vzpkg-%zu", path, index);
}

void unpacked_release(struct unpacked *unpacked)
{
	for (size_t i = 0; i < unpacked->count; i++)
		free(unpacked->entries[i].path);
	free(unpacked->entries);
	free(unpacked->control);
	free(unpacked->conffiles);
	free(unpacked->info_name);
	*unpacked = UNPACKED_INIT;
}

static void put_text(struct strbuf *bytes, const char *text)
{
	strbuf_add(bytes, text, strlen(text) + 1);
}

/* The fixed part of an entry: both ends are the same program. */
struct wire_entry {
	uint32_t mode, uid, gid;
	uint8_t kind, created, parked, unused;
};

struct wire_head {
	int64_t newest;
	uint32_t nodes;
	uint32_t count;
};

void unpacked_write(const struct unpacked *unpacked, struct strbuf *bytes)
{
	struct wire_head head = {
		.newest = unpacked->newest,
		.nodes = unpacked->nodes,
		.count = (uint32_t)unpacked->count,
	};
	strbuf_add(bytes, &head, sizeof(head));
	put_text(bytes, unpacked->control);
	put_text(bytes, unpacked->conffiles);
	put_text(bytes, unpacked->info_name);
	for (size_t i = 0; i < unpacked->count; i++) {
		const struct unpacked_entry *entry = &unpacked->entries[i];
		struct wire_entry wire = {
			.mode = entry->mode,
			.uid = entry->uid,
			.gid = entry->gid,
			.kind = (uint8_t)entry->kind,
			.created = entry->created,
			.parked = entry->parked,
		};
		strbuf_add(bytes, &wire, sizeof(wire));
		put_text(bytes, entry->path);
	}
}

struct reader {
	const char *at, *end;
};

static bool take(struct reader *reader, void *to, size_t size)
{
	if ((size_t)(reader->end - reader->at) < size)
		return false;
	memcpy(to, reader->at, size);
	reader->at += size;
	return true;
}

static char *take_text(struct reader *reader)
{
	const char *end = memchr(reader->at, '\0', (size_t)(reader->end - reader->at));
	if (!end)
		return NULL;
	char *text = xstrdup(reader->at);
	reader->at = end + 1;
	return text;
}

static bool take_entry(struct reader *reader, struct unpacked *unpacked)
{
	struct wire_entry wire;
	if (!take(reader, &wire, sizeof(wire)))
		return false;
	char *path = take_text(reader);
	unpacked->entries = xgrow(unpacked->entries, unpacked->count, &unpacked->capacity,
				  sizeof(*unpacked->entries));
	unpacked->entries[unpacked->count++] = (struct unpacked_entry){
		.path = path,
		.kind = (enum unpacked_kind)wire.kind,
		.mode = wire.mode,
		.uid = wire.uid,
		.gid = wire.gid,
		.created = wire.created,
		.parked = wire.parked,
	};
	return path;
}

int unpacked_read(struct unpacked *unpacked, const char *bytes, size_t size, struct error *err)
{
	struct reader reader = { .at = bytes, .end = bytes + size };
	struct wire_head head = { 0 };
	bool fine = take(&reader, &head, sizeof(head));

	unpacked->newest = head.newest;
	unpacked->nodes = head.nodes;
	fine = fine && (unpacked->control = take_text(&reader)) &&
	       (unpacked->conffiles = take_text(&reader)) &&
	       (unpacked->info_name = take_text(&reader));
	for (uint32_t i = 0; fine && i < head.count; i++)
		fine = take_entry(&reader, unpacked);
	if (fine && reader.at == reader.end)
		return 0;
	return error_set(err, ERROR_INTERNAL, "a worker's answer cannot be read");
}
