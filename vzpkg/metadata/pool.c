#include "vzpkg/metadata/pool.h"

#include <errno.h>
#include <signal.h>
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
#include "vzpkg/metadata/relations.h"
#include "vzpkg/metadata/solv_cache.h"

static int load_index(const struct metadata *metadata, const struct metadata_index *index,
		      Repo *repo, bool *fresh, struct report *report, struct error *err)
{
	*fresh = !solv_cache_read(metadata->pm, index, repo);
	if (!*fresh)
		return 0;
	report_detail(report, "reading %s", index->title);
	return index_deb_read(metadata->pm, index, repo, err);
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
		Repo *repo = repo_create(pool, index->title);
		bool fresh;
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
				 NULL);
	_exit(0);
}

void cache_writer_wait(pid_t *writer)
{
	while (*writer > 0 && waitpid(*writer, NULL, 0) < 0 && errno == EINTR)
		;
	*writer = 0;
}

int metadata_load(const struct metadata *metadata, struct report *report, struct package_pool **ret,
		  struct error *err)
{
	AUTO(package_pool_freep) struct package_pool *pool = xcalloc(1, sizeof(*pool));
	AUTO(uncached_release) struct uncached uncached = { 0 };

	pool->metadata = metadata;
	pool->pool = pool_create();
	pool_setdisttype(pool->pool, DISTTYPE_DEB);
	pool_setarch(pool->pool, metadata->template->arch_word);
	for (size_t i = 0; i < metadata->repository_count; i++)
		if (load_repository(metadata, &metadata->repositories[i], pool->pool, &uncached,
				    report, err) < 0)
			return -1;
	pool->cache_writer = write_caches(metadata, &uncached);
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
