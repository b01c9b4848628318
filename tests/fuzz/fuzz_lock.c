/* Lock files, which may have been carried from another host or merged by hand. */
#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/resolve/lockfile.h"

static bool is_path(const char *text)
{
	return *text && *text != '/' && !strstr(text, "../") && !strchr(text, '\n');
}

static void check_package(const struct plan *plan, const struct plan_package *package)
{
	fuzz_assert(*package->name && !strpbrk(package->name, " /\n"));
	fuzz_assert(*package->version && !strpbrk(package->version, " /\n"));
	fuzz_assert(*package->arch && !strpbrk(package->arch, " /\n"));
	fuzz_assert(is_path(package->location) && package->size);
	fuzz_assert(package->digest.kind != DIGEST_NONE);
	fuzz_assert(package->repository < plan->repository_count);
	for (size_t i = 0; i < package->depend_count; i++)
		fuzz_assert(package->depends[i] < plan->count);
	for (size_t i = 0; i < package->pre_depend_count; i++)
		fuzz_assert(package->pre_depends[i] < plan->count);
}

/* What was understood is what is written again. */
static void write_and_read(const struct lockfile *lockfile)
{
	AUTO(lockfile_freep) struct lockfile *again = NULL;
	autofree char *path = xasprintf("%s/again.json", fuzz_folder());
	struct template template = { .text = lockfile->template };
	struct digest before, after;

	template.digest = lockfile->template_digest;
	json_t *root = lockfile_make(&template, lockfile->metadata, lockfile->plan);
	autofree char *text = json_dumps(root, 0);
	json_decref(root);
	fuzz_assert(text);
	fuzz_put("again.json", text, strlen(text));
	fuzz_assert(lockfile_read(path, &again, NULL) == 0);
	plan_digest(lockfile->plan, &before);
	plan_digest(again->plan, &after);
	fuzz_assert(digest_equal(&before, &after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(lockfile_freep) struct lockfile *lockfile = NULL;
	autofree char *path = xasprintf("%s/lock.json", fuzz_folder());

	fuzz_sweep();
	fuzz_put("lock.json", data, size);
	if (lockfile_read(path, &lockfile, &err) < 0) {
		fuzz_assert(!lockfile && err.kind == ERROR_PARSE && err.message && err.hint);
		return 0;
	}
	fuzz_assert(lockfile->plan->count && lockfile->plan->repository_count);
	for (size_t i = 0; i < lockfile->plan->count; i++)
		check_package(lockfile->plan, &lockfile->plan->packages[i]);
	write_and_read(lockfile);
	return 0;
}
