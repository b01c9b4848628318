#include <solv/knownid.h>
#include <solv/pool.h>
#include <solv/pool_parserpmrichdep.h>
#include <solv/repodata.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/installed_repo.h"
#include "vzpkg/metadata/installed_rpm.h"

enum {
	RICH_LENGTH_MAX = 4096, /* bytes */
	RICH_DEPTH_MAX = 32, /* parentheses: libsolv's reader goes into itself with each */
};

struct filler {
	Pool *pool;
	Repo *repo;
	Repodata *data;
	Solvable *solvable;
	Id id;
	Id folder; /* of files that follow; 0: none */
};

static bool rich_is_harmless(const char *text)
{
	unsigned depth = 0;

	for (const char *at = text; *at; at++) {
		depth += *at == '(';
		depth -= *at == ')' && depth;
		if (depth > RICH_DEPTH_MAX || at - text > RICH_LENGTH_MAX)
			return false;
	}
	return true;
}

static int sense_of(const char *text)
{
	return (strchr(text, '<') ? REL_LT : 0) | (strchr(text, '>') ? REL_GT : 0) |
	       (strchr(text, '=') ? REL_EQ : 0);
}

/* 0: it is of no use. */
static Id relation_of(Pool *pool, char *text)
{
	char *rest = text;
	const char *name = strsep(&rest, "\t"), *sense = strsep(&rest, "\t");

	if (*name == '(')
		return rich_is_harmless(name) ? pool_parserpmrichdep(pool, name) : 0;
	Id id = *name ? pool_str2id(pool, name, 1) : 0;
	if (!id || !rest || !*rest || !sense_of(sense))
		return id;
	return pool_rel2id(pool, id, pool_str2id(pool, rest, 1), sense_of(sense), 1);
}

static Offset *dependencies_of(Solvable *solvable, char tag)
{
	switch (tag) {
	case INSTALLED_RPM_PROVIDES:
		return &solvable->provides;
	case INSTALLED_RPM_REQUIRES:
		return &solvable->requires
		;
	case INSTALLED_RPM_CONFLICTS:
		return &solvable->conflicts;
	case INSTALLED_RPM_OBSOLETES:
		return &solvable->obsoletes;
	case INSTALLED_RPM_RECOMMENDS:
		return &solvable->recommends;
	default:
		return &solvable->supplements;
	}
}

static void take_line(struct filler *filler, char *line)
{
	char tag = *line++;

	if (tag == INSTALLED_RPM_PACKAGE || tag == INSTALLED_RPM_REASON)
		return;
	if (tag == INSTALLED_RPM_FOLDER) {
		size_t length = strlen(line);
		if (length > 1 && line[length - 1] == '/')
			line[length - 1] = '\0';
		filler->folder = *line == '/' ? repodata_str2dir(filler->data, line, 1) : 0;
	} else if (tag == INSTALLED_RPM_FILE) {
		if (filler->folder)
			repodata_add_dirstr(filler->data, filler->id, SOLVABLE_FILELIST,
					    filler->folder, line);
	} else {
		Offset *dependencies = dependencies_of(filler->solvable, tag);
		Id relation = relation_of(filler->pool, line);
		if (relation)
			*dependencies = repo_addid_dep(filler->repo, *dependencies, relation, 0);
	}
}

static void fill_one(struct filler *filler, const struct installed_package *package,
		     const char *record, size_t size)
{
	Solvable *solvable = filler->solvable;
	Pool *pool = filler->pool;
	autofree char *copy = xstrndup(record, size);
	char *rest = copy, *line;

	solvable->name = pool_str2id(pool, package->name, 1);
	solvable->evr = pool_str2id(pool, package->version, 1);
	solvable->arch = pool_str2id(pool, package->arch, 1);
	filler->folder = 0;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			take_line(filler, line);
	/* Packages older than rpm 4 do not say that they provide themselves. */
	Id self = pool_rel2id(pool, solvable->name, solvable->evr, REL_EQ, 1);
	solvable->provides = repo_addid_dep(filler->repo, solvable->provides, self, 0);
}

int installed_repo_fill_rpm(const struct installed_set *set, Repo *repo, Id *ids, struct error *err)
{
	struct filler filler = { .pool = repo->pool, .repo = repo };
	size_t count = set->installed.count;
	Id first = repo_add_solvable_block(repo, (int)count);

	(void)err;
	filler.data = repo_add_repodata(repo, 0);
	for (size_t i = 0; i < count; i++) {
		filler.id = ids[i] = first + (Id)i;
		filler.solvable = pool_id2solvable(repo->pool, filler.id);
		fill_one(&filler, &set->installed.packages[i], set->text + set->offsets[i],
			 set->offsets[i + 1] - set->offsets[i]);
	}
	repodata_internalize(filler.data);
	return 0;
}
