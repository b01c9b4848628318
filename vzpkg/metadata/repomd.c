#include "vzpkg/metadata/repomd.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/location.h"
#include "vzpkg/metadata/xml.h"

/* createrepo writes the time as the revision, others a version: no repository is older than this (1997), no version so high. */
enum { REVISION_MIN = 852076800, FILES_MAX = 1000 };

static void file_clear(struct repomd_file *file)
{
	free(file->type);
	free(file->location);
}

static bool read_file(const xmlNode *node, struct repomd_file *ret)
{
	*ret = (struct repomd_file){
		.type = xml_attribute(node, "type"),
		.location = xml_attribute(xml_first(node, "location"), "href"),
		.size = xml_number(xml_first(node, "size")),
		.open_size = xml_number(xml_first(node, "open-size")),
		.timestamp = (int64_t)xml_number(xml_first(node, "timestamp")),
	};
	return ret->type && location_is_safe(ret->location) &&
	       xml_digest(xml_first(node, "checksum"), &ret->digest);
}

static void read_files(struct repomd *repomd, const xmlNode *root)
{
	size_t capacity = 0;

	for (const xmlNode *node = xml_first(root, "data"); node && repomd->count < FILES_MAX;
	     node = xml_next(node)) {
		struct repomd_file file;
		if (!read_file(node, &file)) {
			file_clear(&file);
			continue;
		}
		repomd->files =
			xgrow(repomd->files, repomd->count, &capacity, sizeof(*repomd->files));
		repomd->files[repomd->count++] = file;
	}
}

static int64_t date_of(const struct repomd *repomd, const xmlNode *root)
{
	int64_t date = (int64_t)xml_number(xml_first(root, "revision"));

	if (date >= REVISION_MIN)
		return date;
	date = 0;
	for (size_t i = 0; i < repomd->count; i++)
		if (repomd->files[i].timestamp > date)
			date = repomd->files[i].timestamp;
	return date;
}

int repomd_parse(struct repomd *repomd, const char *name, const char *text, size_t length,
		 struct error *err)
{
	AUTO(xml_free) xmlDoc *document = xml_parse(name, text, length, "repomd", err);

	*repomd = REPOMD_INIT;
	if (!document)
		return -1;
	const xmlNode *root = xmlDocGetRootElement(document);
	read_files(repomd, root);
	repomd->date = date_of(repomd, root);
	if (repomd_find(repomd, "primary"))
		return 0;
	error_set(err, ERROR_PARSE, "%s: it names no primary metadata that can be used", name);
	error_subject(err, "%s", name);
	return error_hint(err, "the repository is broken; tell its owner");
}

void repomd_release(struct repomd *repomd)
{
	for (size_t i = 0; i < repomd->count; i++)
		file_clear(&repomd->files[i]);
	free(repomd->files);
	*repomd = REPOMD_INIT;
}

const struct repomd_file *repomd_find(const struct repomd *repomd, const char *type)
{
	for (size_t i = 0; i < repomd->count; i++)
		if (strcmp(repomd->files[i].type, type) == 0)
			return &repomd->files[i];
	return NULL;
}
