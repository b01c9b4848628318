#include "vzpkg/metadata/advisories.h"

#include <solv/dataiterator.h>
#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/index_read.h"
#include "vzpkg/metadata/index_rpm.h"

/* ---- one index ------------------------------------------------------------------------------------------ */

/* They are shown on terminals: what no distribution has in its ids does not get there. NULL stays so. */
static char *plain_word(const char *text)
{
	char *word = text ? xstrdup(text) : NULL;

	for (char *at = word; at && *at; at++)
		if (*at <= ' ' || *at > '~')
			*at = '?';
	return word;
}

static char *copy_id(Pool *pool, Id id)
{
	return id ? xstrdup(pool_id2str(pool, id)) : NULL;
}

static void add_package(struct advisories *advisories, Pool *pool)
{
	Id name = pool_lookup_id(pool, SOLVID_POS, UPDATE_COLLECTION_NAME);
	Id version = pool_lookup_id(pool, SOLVID_POS, UPDATE_COLLECTION_EVR);

	if (!name || !version)
		return;
	advisories->packages = xgrow(advisories->packages, advisories->package_count,
				     &advisories->package_capacity, sizeof(*advisories->packages));
	advisories->packages[advisories->package_count++] = (struct advisory_package){
		.name = copy_id(pool, name),
		.version = copy_id(pool, version),
		.arch = copy_id(pool, pool_lookup_id(pool, SOLVID_POS, UPDATE_COLLECTION_ARCH)),
		.advisory = advisories->count - 1,
	};
}

static bool is_word(Pool *pool, Id solvable, Id key, const char *word)
{
	const char *text = pool_lookup_str(pool, solvable, key);
	return text && strcasecmp(text, word) == 0;
}

static void add_advisory(struct advisories *advisories, Pool *pool, Id solvable)
{
	static const char prefix[] = "patch:";
	const char *id = pool_id2str(pool, pool_id2solvable(pool, solvable)->name);
	Dataiterator iterator;

	if (strncmp(id, prefix, strlen(prefix)) != 0 ||
	    !is_word(pool, solvable, SOLVABLE_PATCHCATEGORY, "security") ||
	    is_word(pool, solvable, UPDATE_STATUS, "retracted"))
		return;
	advisories->items = xgrow(advisories->items, advisories->count, &advisories->capacity,
				  sizeof(*advisories->items));
	advisories->items[advisories->count++] = (struct advisory){
		.id = plain_word(id + strlen(prefix)),
		.severity = plain_word(pool_lookup_str(pool, solvable, UPDATE_SEVERITY)),
	};
	dataiterator_init(&iterator, pool, NULL, solvable, UPDATE_COLLECTION, NULL, 0);
	while (dataiterator_step(&iterator)) {
		dataiterator_setpos(&iterator);
		add_package(advisories, pool);
	}
	dataiterator_free(&iterator);
}

/* In a pool of its own: the solver has no use for them. */
int advisories_parse(int fd, const char *name, void *advisories, uint64_t *total, struct error *err)
{
	Pool *pool = pool_create();
	Repo *repo = repo_create(pool, name);

	pool_setdisttype(pool, DISTTYPE_RPM);
	int ret = index_rpm_parse_updateinfo(fd, name, repo, total, err);
	for (Id solvable = repo->start; ret == 0 && solvable < repo->end; solvable++)
		add_advisory(advisories, pool, solvable);
	pool_free(pool);
	return ret;
}

/* ---- all of them ---------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct advisory_package *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static int load_index(const struct metadata *metadata, const struct metadata_repository *repository,
		      const struct metadata_index *index, struct advisories *advisories,
		      struct error *err)
{
	if (metadata_bring(metadata, repository, index, err) < 0)
		return -1;
	advisories->known = true;
	return index_read(metadata->pm, index, advisories_parse, advisories, err);
}

int advisories_load(const struct metadata *metadata, struct advisories *ret, struct error *err)
{
	for (size_t r = 0; r < metadata->repository_count; r++) {
		const struct metadata_repository *repository = &metadata->repositories[r];
		for (size_t i = 0; i < repository->index_count; i++)
			if (repository->indexes[i].kind == INDEX_UPDATEINFO &&
			    load_index(metadata, repository, &repository->indexes[i], ret, err) < 0)
				return -1;
	}
	if (ret->package_count)
		qsort(ret->packages, ret->package_count, sizeof(*ret->packages), by_name);
	return 0;
}

void advisories_release(struct advisories *advisories)
{
	for (size_t i = 0; i < advisories->count; i++) {
		free(advisories->items[i].id);
		free(advisories->items[i].severity);
	}
	for (size_t i = 0; i < advisories->package_count; i++) {
		free(advisories->packages[i].name);
		free(advisories->packages[i].version);
		free(advisories->packages[i].arch);
	}
	free(advisories->items);
	free(advisories->packages);
	*advisories = ADVISORIES_INIT;
}

const struct advisory_package *advisories_of(const struct advisories *advisories, const char *name,
					     size_t *count)
{
	const struct advisory_package *packages = advisories->packages;
	size_t begin = 0, end = advisories->package_count;

	while (begin < end) {
		size_t middle = begin + (end - begin) / 2;
		if (strcmp(packages[middle].name, name) < 0)
			begin = middle + 1;
		else
			end = middle;
	}
	for (end = begin; end < advisories->package_count && strcmp(packages[end].name, name) == 0;)
		end++;
	*count = end - begin;
	return *count ? packages + begin : NULL;
}

int advisory_severity(const struct advisory *advisory)
{
	static const struct {
		const char *word;
		int severity;
	} words[] = {
		{ "critical", 4 }, { "urgent", 4 }, { "important", 3 }, { "high", 3 },
		{ "moderate", 2 }, { "medium", 2 }, { "low", 1 },
	};

	for (size_t i = 0; advisory->severity && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(advisory->severity, words[i].word) == 0)
			return words[i].severity;
	return 0;
}
