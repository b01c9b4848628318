/* Packages indexes, through libsolv, and what we keep beside it. */
#include <solv/pool.h>
#include <solv/repo.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/metadata/index_deb.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/metadata/relations.h"

static void read_back(Pool *pool, Repo *repo)
{
	struct package_pool packages = {
		.pool = pool,
		.priority_key = pool_str2id(pool, ATTRIBUTE_PRIORITY, 1),
		.essential_key = pool_str2id(pool, ATTRIBUTE_ESSENTIAL, 1),
		.sha512_key = pool_str2id(pool, ATTRIBUTE_SHA512, 1),
		.order_key = pool_str2id(pool, ATTRIBUTE_ORDER, 1),
	};
	Id solvable;
	Solvable *s;
	FOR_REPO_SOLVABLES(repo, solvable, s)
	{
		struct digest digest;
		Queue requires;
		fuzz_assert(package_priority(&packages, solvable) <= PRIORITY_EXTRA);
		package_is_essential(&packages, solvable);
		package_download_size(&packages, solvable);
		package_installed_size(&packages, solvable);
		package_digest(&packages, solvable, &digest);
		queue_init(&requires);
		package_requires(&packages, solvable, &requires);
		queue_free(&requires);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autoclose int fd = fuzz_fd(data, size);
	uint64_t total = 0;
	Pool *pool = pool_create();
	pool_setdisttype(pool, DISTTYPE_DEB);
	pool_setarch(pool, "amd64");
	Repo *repo = repo_create(pool, "input");
	if (index_deb_parse(fd, "input", repo, &total, &err) == 0) {
		fuzz_assert(total == size);
		pool_addfileprovides(pool);
		pool_createwhatprovides(pool);
		read_back(pool, repo);
	}
	pool_free(pool);
	return 0;
}
