/* modules.yaml, through libmodulemd, and what is chosen by it. */
#include <fcntl.h>
#include <solv/bitmap.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/metadata/modules.h"

static void add_package(Repo *repo, const char *name, const char *version)
{
	Pool *pool = repo->pool;
	Solvable *solvable = pool_id2solvable(pool, repo_add_solvable(repo));

	solvable->name = pool_str2id(pool, name, 1);
	solvable->evr = pool_str2id(pool, version, 1);
	solvable->arch = pool_str2id(pool, "x86_64", 1);
}

static void try(const struct metadata *metadata)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct package_pool packages = { .pool = pool_create(), .metadata = metadata };
	Repo *repo = repo_create(packages.pool, "packages");

	add_package(repo, "tool", "1.0-1");
	add_package(repo, "tool", "1:2.0-1");
	add_package(repo, "other", "1.0-1");
	fuzz_assert(modules_choose(&packages, &err) == 0 || (err.message && err.hint));
	if (packages.pool->considered)
		map_free(packages.pool->considered);
	solv_free(packages.pool->considered);
	pool_free(packages.pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[] = "modules.yaml", title[] = "input";
	struct metadata_index index = {
		.kind = INDEX_MODULES,
		.path = path,
		.title = title,
		.size = size,
		.plain_size = size,
	};
	struct metadata_repository repository = { .indexes = &index, .index_count = 1 };
	autoclose int pm = open(fuzz_folder(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct metadata metadata = {
		.pm = pm,
		.repositories = &repository,
		.repository_count = 1,
	};

	fuzz_sweep();
	fuzz_put(path, data, size);
	digest_data(DIGEST_SHA256, data, size, &index.digest);
	try(&metadata);
	return 0;
}
