/* primary.xml, filelists.xml, comps.xml and updateinfo.xml, through libsolv. */
#include <solv/pool.h>
#include <solv/repo.h>
#include <solv/selection.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/metadata/advisories.h"
#include "vzpkg/metadata/index_deb.h"
#include "vzpkg/metadata/index_rpm.h"
#include "vzpkg/metadata/pool.h"
#include "vzpkg/metadata/relations.h"

enum { PRIMARY, FILELISTS, GROUPS, UPDATEINFO, SECTIONS };

static const char *const names[] = { "primary", "filelists", "groups", "updateinfo", NULL };

struct input {
	struct {
		const char *text;
		size_t size;
	} sections[SECTIONS];
};

static void take(size_t name, const char *text, size_t size, void *data)
{
	struct input *input = data;
	input->sections[name].text = text;
	input->sections[name].size = size;
}

static int parse(const struct input *input, size_t name,
		 int (*parser)(int fd, const char *name, void *target, uint64_t *total,
			       struct error *err),
		 void *target)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autoclose int fd = fuzz_fd(input->sections[name].text, input->sections[name].size);
	uint64_t total = 0;

	int status = parser(fd, names[name], target, &total, &err);
	fuzz_assert(status == 0 || (err.message && err.hint));
	return status;
}

/* As the product does when libsolv asks for the lists of files. */
static int load(Pool *pool, Repodata *data, void *user)
{
	(void)pool;
	return parse(user, FILELISTS, index_rpm_parse_filelists, data->repo) == 0;
}

static void read_back(Pool *pool, Repo *repo)
{
	struct package_pool packages = { .pool = pool };
	Id solvable;
	Solvable *s;

	packages.sha512_key = pool_str2id(pool, ATTRIBUTE_SHA512, 1);
	FOR_REPO_SOLVABLES(repo, solvable, s)
	{
		struct digest digest;
		Queue requires;
		queue_init(&requires);
		package_download_size(&packages, solvable);
		package_installed_size(&packages, solvable);
		package_digest(&packages, solvable, &digest);
		package_requires(&packages, solvable, &requires);
		solvable_lookup_location(s, NULL);
		queue_free(&requires);
	}
}

static void ask_for_a_file(Pool *pool)
{
	Queue selection;

	queue_init(&selection);
	selection_make(pool, &selection, "/usr/share/words", SELECTION_FILELIST);
	queue_free(&selection);
}

static void read_advisories(const struct input *input)
{
	AUTO(advisories_release) struct advisories advisories = ADVISORIES_INIT;

	parse(input, UPDATEINFO, advisories_parse, &advisories);
	for (size_t i = 0; i < advisories.count; i++)
		fuzz_assert(advisories.items[i].id && !strchr(advisories.items[i].id, '\n'));
	for (size_t i = 0; i < advisories.package_count; i++)
		fuzz_assert(advisories.packages[i].name && advisories.packages[i].version &&
			    advisories.packages[i].advisory < advisories.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { 0 };
	Pool *pool = pool_create();

	fuzz_sections(data, size, names, take, &input);
	pool_setdisttype(pool, DISTTYPE_RPM);
	pool_setarch(pool, "x86_64");
	pool_setloadcallback(pool, load, &input);
	Repo *repo = repo_create(pool, "primary");
	if (input.sections[PRIMARY].text &&
	    parse(&input, PRIMARY, index_rpm_parse_primary, repo) == 0) {
		Repo *groups = repo_create(pool, "groups");
		if (input.sections[GROUPS].text)
			parse(&input, GROUPS, index_rpm_parse_groups, groups);
		repodata_create_stubs(repo_last_repodata(repo));
		pool_set_flag(pool, POOL_FLAG_ADDFILEPROVIDESFILTERED, 1);
		pool_addfileprovides(pool);
		pool_createwhatprovides(pool);
		if (input.sections[FILELISTS].text)
			ask_for_a_file(pool);
		read_back(pool, repo);
	}
	pool_free(pool);
	if (input.sections[UPDATEINFO].text)
		read_advisories(&input);
	return 0;
}
