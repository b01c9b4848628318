#include "vzpkg/metadata/pool.h"

#include <errno.h>
#include <signal.h>
#include <solv/bitmap.h>
#include <solv/evr.h>
#include <solv/knownid.h>
#include <solv/repo.h>
#include <solv/solvable.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/metadata/index_deb.h"
#include "vzpkg/metadata/index_read.h"
#include "vzpkg/metadata/index_rpm.h"
#include "vzpkg/metadata/modules.h"
#include "vzpkg/metadata/relations.h"
#include "vzpkg/metadata/solv_cache.h"

/* Of the kinds that are loaded at once. */
static index_parser *const parsers[] = {
	[INDEX_PACKAGES] = index_deb_parse,
	[INDEX_PRIMARY] = index_rpm_parse_primary,
	[INDEX_GROUPS] = index_rpm_parse_groups,
	[INDEX_KINDS] = NULL,
};

static int load_index(const struct metadata *metadata, const struct metadata_index *index,
		      Repo *repo, bool *fresh, struct report *report, struct error *err)
{
	*fresh = !solv_cache_read(metadata->pm, index, repo, 0);
	if (!*fresh)
		return 0;
	report_detail(report, "reading %s", index->title);
	return index_read(metadata->pm, index, parsers[index->kind], repo, err);
}

/* Indexes that were read from the text. */
struct uncached {
	struct {
		const struct metadata_index *index;
		Repo *repo;
	} * items;
	size_t count, capacity;
};

static void uncached_release(struct uncached *uncached)
{
	free(uncached->items);
}

static void add_uncached(struct uncached *uncached, const struct metadata_index *index, Repo *repo)
{
	uncached->items = xgrow(uncached->items, uncached->count, &uncached->capacity,
				sizeof(*uncached->items));
	uncached->items[uncached->count].index = index;
	uncached->items[uncached->count++].repo = repo;
}

/* An index is a Repo of its own, since its cache is; they share the repository as appdata. */
static int load_repository(const struct metadata *metadata, struct metadata_repository *repository,
			   Pool *pool, struct uncached *uncached, struct report *report,
			   struct error *err)
{
	for (size_t i = 0; i < repository->index_count; i++) {
		const struct metadata_index *index = &repository->indexes[i];
		bool fresh;
		if (!parsers[index->kind])
			continue;
		Repo *repo = repo_create(pool, index->title);
		repo->appdata = repository;
		if (load_index(metadata, index, repo, &fresh, report, err) < 0)
			return -1;
		if (fresh)
			add_uncached(uncached, index, repo);
	}
	return 0;
}

/* Writing the caches takes as long as solving does: a child does it meanwhile. If it fails, the next run
 * is slower, and that is all. */
static pid_t write_caches(const struct metadata *metadata, const struct uncached *uncached)
{
	pid_t parent = getpid(), pid = uncached->count ? fork() : 0;

	if (!uncached->count || pid)
		return pid > 0 ? pid : 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A signal to all of the group is for the parent: half a file helps nobody. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	for (size_t i = 0; getppid() == parent && i < uncached->count; i++)
		solv_cache_write(metadata->pm, uncached->items[i].index, uncached->items[i].repo,
				 NULL, NULL);
	_exit(0);
}

void cache_writer_wait(pid_t *writer)
{
	while (*writer > 0 && waitpid(*writer, NULL, 0) < 0 && errno == EINTR)
		;
	*writer = 0;
}

/* ---- lists of files, when libsolv asks for them ---- */

static const struct metadata_index *find_index(const struct metadata_repository *repository,
					       enum index_kind kind)
{
	for (size_t i = 0; i < repository->index_count; i++)
		if (repository->indexes[i].kind == kind)
			return &repository->indexes[i];
	return NULL;
}

static int load_filelists(const struct package_pool *pool, Repodata *data, struct error *err)
{
	const struct metadata *metadata = pool->metadata;
	const struct metadata_repository *repository = data->repo->appdata;
	const struct metadata_index *index = find_index(repository, INDEX_FILELISTS);
	int flags = REPO_USE_LOADING | REPO_EXTEND_SOLVABLES | REPO_LOCALPOOL;

	if (!index || solv_cache_read(metadata->pm, index, data->repo, flags))
		return 0;
	if (metadata_bring(metadata, repository, index, err) < 0 ||
	    index_read(metadata->pm, index, index_rpm_parse_filelists, data->repo, err) < 0)
		return -1;
	/* The next run is slower without it, and that is all. */
	solv_cache_write(metadata->pm, index, data->repo, data, NULL);
	return 0;
}

static int load_part(Pool *solv, Repodata *data, void *cookie)
{
	struct package_pool *pool = cookie;

	(void)solv;
	return pool->trouble.kind == ERROR_NONE && load_filelists(pool, data, &pool->trouble) == 0;
}

/* ---- the whole ---- */

/* "glibc.i686" */
static bool asks_for_32_bits(const struct template *template)
{
	for (size_t i = 0; i < template->packages.count; i++) {
		const char *dot = strrchr(template->packages.items[i], '.');
		if (dot && dot[1] == 'i' && dot[2] >= '3' && dot[2] <= '6' &&
		    strcmp(dot + 3, "86") == 0)
			return true;
	}
	return false;
}

/* Packages of 32 bits are candidates beside those of x86_64 only where the template asks for one: otherwise a name that both
 * provide might bring them. */
static void set_arch(Pool *pool, const struct template *template)
{
	if (template->format == PACKAGE_DEB) {
		pool_setdisttype(pool, DISTTYPE_DEB);
		pool_setarch(pool, template->arch_word);
		return;
	}
	pool_setdisttype(pool, DISTTYPE_RPM);
	if (strcmp(template->arch_word, "i386") == 0)
		pool_setarch(pool, "i686");
	else if (strcmp(template->arch_word, "x86_64") == 0 && asks_for_32_bits(template))
		pool_setarch(pool, "x86_64");
	else
		pool_setarchpolicy(pool, template->arch_word);
	/* Two of one name, if they are of different word sizes. */
	pool_set_flag(pool, POOL_FLAG_IMPLICITOBSOLETEUSESCOLORS, 1);
}

static void announce_parts(Pool *pool)
{
	Repo *repo;
	int i;

	FOR_REPOS(i, repo)
	{
		if (repo->nrepodata > 1)
			repodata_create_stubs(repo_last_repodata(repo));
	}
}

int metadata_load(const struct metadata *metadata, struct report *report, struct package_pool **ret,
		  struct error *err)
{
	AUTO(package_pool_freep) struct package_pool *pool = xcalloc(1, sizeof(*pool));
	AUTO(uncached_release) struct uncached uncached = { 0 };

	pool->metadata = metadata;
	pool->pool = pool_create();
	pool_setloadcallback(pool->pool, load_part, pool);
	set_arch(pool->pool, metadata->template);
	for (size_t i = 0; i < metadata->repository_count; i++)
		if (load_repository(metadata, &metadata->repositories[i], pool->pool, &uncached,
				    report, err) < 0)
			return -1;
	pool->cache_writer = write_caches(metadata, &uncached);
	if (metadata->template->format == PACKAGE_RPM) {
		announce_parts(pool->pool);
		if (modules_choose(pool, err) < 0)
			return -1;
		/* Those files that the primary has; for another one the complete lists are asked for when it is met. */
		pool_set_flag(pool->pool, POOL_FLAG_ADDFILEPROVIDESFILTERED, 1);
		pool_addfileprovides(pool->pool);
	}
	pool_createwhatprovides(pool->pool);
	pool->priority_key = pool_str2id(pool->pool, ATTRIBUTE_PRIORITY, 1);
	pool->essential_key = pool_str2id(pool->pool, ATTRIBUTE_ESSENTIAL, 1);
	pool->sha512_key = pool_str2id(pool->pool, ATTRIBUTE_SHA512, 1);
	pool->order_key = pool_str2id(pool->pool, ATTRIBUTE_ORDER, 1);
	*ret = steal_ptr(pool);
	return 0;
}

void package_pool_free(struct package_pool *pool)
{
	if (!pool)
		return;
	cache_writer_wait(&pool->cache_writer);
	error_clear(&pool->trouble);
	if (pool->pool->considered)
		map_free(pool->pool->considered);
	solv_free(pool->pool->considered);
	pool_free(pool->pool);
	free(pool);
}

void package_pool_freep(struct package_pool **pool)
{
	package_pool_free(*pool);
	*pool = NULL;
}

uint64_t package_download_size(const struct package_pool *pool, Id solvable)
{
	return pool_lookup_num(pool->pool, solvable, SOLVABLE_DOWNLOADSIZE, 0);
}

uint64_t package_installed_size(const struct package_pool *pool, Id solvable)
{
	return pool_lookup_num(pool->pool, solvable, SOLVABLE_INSTALLSIZE, 0);
}

enum package_priority package_priority(const struct package_pool *pool, Id solvable)
{
	return (enum package_priority)pool_lookup_num(pool->pool, solvable, pool->priority_key,
						      PRIORITY_OPTIONAL);
}

bool package_is_essential(const struct package_pool *pool, Id solvable)
{
	return pool_lookup_void(pool->pool, solvable, pool->essential_key);
}

bool package_digest(const struct package_pool *pool, Id solvable, struct digest *ret)
{
	static const struct {
		Id type;
		enum digest_kind kind;
	} kinds[] = {
		{ REPOKEY_TYPE_MD5, DIGEST_MD5 },
		{ REPOKEY_TYPE_SHA1, DIGEST_SHA1 },
		{ REPOKEY_TYPE_SHA256, DIGEST_SHA256 },
		{ REPOKEY_TYPE_SHA512, DIGEST_SHA512 },
	};
	Id type = 0;
	const char *hex = pool_lookup_str(pool->pool, solvable, pool->sha512_key);
	if (hex && digest_parse(ret, DIGEST_SHA512, hex, strlen(hex)))
		return true;
	hex = pool_lookup_checksum(pool->pool, solvable, SOLVABLE_CHECKSUM, &type);

	for (size_t i = 0; hex && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type)
			return digest_parse(ret, kinds[i].kind, hex, strlen(hex));
	return false;
}
