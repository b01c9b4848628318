#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/name.h"

struct world {
	char *path;
	struct strvec roots; /* own, shipped, and one that does not exist */
};

static void make(const struct world *world, const char *folder)
{
	autofree char *path = xasprintf("%s/%s", world->path, folder);
	autoclose int fd = dir_open(AT_FDCWD, path, true, 0755, NULL);
	assert_true(fd >= 0);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct world *world = xcalloc(1, sizeof(*world));

	world->path = xasprintf("%s/name.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->path));
	strvec_pushf(&world->roots, "%s/own", world->path);
	strvec_pushf(&world->roots, "%s/none", world->path);
	strvec_pushf(&world->roots, "%s/shipped", world->path);
	make(world, "own/fedora/core-4/config"); /* not what fedora-core-4 means */
	make(world, "own/debian/config/os/minimal");
	make(world, "own/cache");
	make(world, "shipped/debian/12/config");
	make(world, "shipped/debian/5.0/i386/config");
	make(world, "shipped/debian/5.0/config");
	make(world, "shipped/debian/13"); /* no config in it */
	make(world, "shipped/fedora-core/4/config");
	make(world, "shipped/my-os/1-2/config");
	make(world, "shipped/my-os/1/config");
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	tree_remove(AT_FDCWD, world->path, NULL);
	strvec_release(&world->roots);
	free(world->path);
	free(world);
	return 0;
}

static void words_of_architectures(void **state)
{
	(void)state;
	assert_string_equal(arch_canonical("amd64"), "x86_64");
	assert_string_equal(arch_canonical("x86_64"), "x86_64");
	assert_string_equal(arch_canonical("x86"), "i386");
	assert_string_equal(arch_canonical("i686"), "i386");
	assert_string_equal(arch_canonical("arm64"), "aarch64");
	assert_null(arch_canonical("sparc"));
	assert_null(arch_canonical(""));
	assert_null(arch_canonical("AMD64"));
	assert_true(arch_runs_here(arch_host()));
	assert_false(arch_runs_here("sparc"));
	if (strcmp(arch_host(), "x86_64") == 0)
		assert_true(arch_runs_here("i386"));
	assert_false(strcmp(arch_host(), "aarch64") != 0 && arch_runs_here("aarch64"));
}

/* NULL for `arch` is the host's. */
static void means(const struct world *world, const char *text, const char *os, const char *release,
		  const char *arch, const char *set)
{
	AUTO(template_name_release) struct template_name name = TEMPLATE_NAME_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (template_name_resolve(&name, text, &world->roots, &err) < 0)
		fail_msg("%s: %s", text, err.message);
	assert_string_equal(name.os, os);
	assert_string_equal(name.release, release);
	assert_string_equal(name.arch, arch ?: arch_host());
	assert_string_equal(name.set, set);
}

static void resolved(void **state)
{
	const struct world *world = *state;

	means(world, "debian-12", "debian", "12", NULL, "default");
	means(world, "debian-12-minimal", "debian", "12", NULL, "minimal");
	means(world, "debian-12-amd64", "debian", "12", "x86_64", "default");
	means(world, "debian-12-x86_64-minimal", "debian", "12", "x86_64", "minimal");
	means(world, "debian-5.0-i386", "debian", "5.0", "i386", "default");
	means(world, "debian-5.0-x86-web-server", "debian", "5.0", "i386", "web-server");
	means(world, "debian-5.0-web-server", "debian", "5.0", NULL, "web-server");
	means(world, ".debian-12", "debian", "12", NULL, "default");
	means(world, "debian-12--minimal", "debian", "12", NULL, "minimal");
	means(world, "debian-12-x86_64-default", "debian", "12", "x86_64", "default");
}

static void dashes_in_names(void **state)
{
	const struct world *world = *state;

	means(world, "fedora-core-4", "fedora-core", "4", NULL, "default");
	means(world, "fedora-core-4-x86_64-small", "fedora-core", "4", "x86_64", "small");
	means(world, "my-os-1-2", "my-os", "1-2", NULL, "default");
	means(world, "my-os-1-2-arm64-x", "my-os", "1-2", "aarch64", "x");
	means(world, "my-os-1-3", "my-os", "1", NULL, "3");
}

static void unknown(const struct world *world, const char *text, const char *hint)
{
	AUTO(template_name_release) struct template_name name = TEMPLATE_NAME_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (template_name_resolve(&name, text, &world->roots, &err) == 0)
		fail_msg("\"%s\" means %s, %s, %s", text, name.os, name.release, name.set);
	assert_int_equal(err.kind, ERROR_NO_TEMPLATE);
	assert_non_null(err.hint);
	if (!strstr(err.hint, hint))
		fail_msg("%s: the hint is \"%s\"", text, err.hint);
	assert_null(name.os);
}

static void unknown_names(void **state)
{
	const struct world *world = *state;

	unknown(world, "debain-12", "did you mean debian-12?");
	unknown(world, "debain-12-x86_64-minimal", "debian-12");
	unknown(world, "debian", "debian-12 or debian-5.0?");
	unknown(world, "debian-13", "debian-12"); /* there is a folder, and no config in it */
	unknown(world, "slackware-11", "\"vzpkg list\" shows what there is");
	unknown(world, "", "vzpkg list");
	unknown(world, "-", "vzpkg list");
	unknown(world, "cache", "vzpkg list");
}

/* All parts become parts of paths: none leads to another folder than its own. */
static void names_that_lead_elsewhere(void **state)
{
	const struct world *world = *state;
	autofree char *long_name = xasprintf("debian-12-%0300d", 0);

	unknown(world, "debian-.", "vzpkg list"); /* own/debian/./config */
	unknown(world, "debian-..", "vzpkg list");
	unknown(world, "debian-12-..", "vzpkg list"); /* config/os/../packages */
	unknown(world, "debian-12-x86_64-.", "vzpkg list");
	unknown(world, "debian-12-", "vzpkg list");
	unknown(world, "debian-12-x86_64-", "vzpkg list");
	unknown(world, "debian-12---minimal", "vzpkg list");
	unknown(world, "../own/debian-12", "vzpkg list");
	unknown(world, "/etc-12", "vzpkg list");
	unknown(world, "debian-12-a/b", "vzpkg list");
	unknown(world, "debian-12-a b", "vzpkg list");
	unknown(world, "debian-12-a\n", "vzpkg list");
	unknown(world, "debian-12-\xc3\xa4", "vzpkg list");
	unknown(world, long_name, "vzpkg list");
}

static void no_roots(void **state)
{
	struct world world = { 0 };
	(void)state;
	unknown(&world, "debian-12", "vzpkg list");
}

static void releases(void **state)
{
	static const char *const wanted[] = { "debian-12", "debian-5.0", "fedora-core-4", "my-os-1",
					      "my-os-1-2" };
	const struct world *world = *state;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	template_releases(&world->roots, &names);
	assert_int_equal(names.count, 5); /* fedora and core-4 give fedora-core-4 again */
	for (size_t i = 0; i < names.count; i++)
		assert_string_equal(names.items[i], wanted[i]);
}

static void written(const struct world *world, const char *text, const char *wanted)
{
	AUTO(template_name_release) struct template_name name = TEMPLATE_NAME_INIT;
	assert_int_equal(template_name_resolve(&name, text, &world->roots, NULL), 0);
	autofree char *full = template_name_text(&name);
	assert_string_equal(full, wanted);
}

static void full_names(void **state)
{
	const struct world *world = *state;
	written(world, "debian-12-amd64-default", "debian-12-x86_64");
	written(world, "debian-5.0-x86-minimal", "debian-5.0-i386-minimal");
	written(world, "fedora-core-4-arm64", "fedora-core-4-aarch64");
}

static void applications(void **state)
{
	static const struct {
		const char *text, *name, *joined;
		size_t count;
	} cases[] = {
		{ "debian-12", "debian-12", "debian-12", 0 },
		{ "debian-12+php+nginx", "debian-12", "debian-12+nginx+php", 2 },
		{ "debian-12+nginx+nginx", "debian-12", "debian-12+nginx", 2 },
		{ "debian-12+", "debian-12", "debian-12+", 1 },
		{ "++", "", "+", 2 },
		{ "", "", "", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO(strvec_release) struct strvec words = STRVEC_INIT;
		autofree char *name = template_name_split(cases[i].text, &words);
		autofree char *joined = template_name_join(name, &words);
		assert_string_equal(name, cases[i].name);
		assert_int_equal(words.count, cases[i].count);
		assert_string_equal(joined, cases[i].joined);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_architectures),
		cmocka_unit_test_setup_teardown(resolved, setup, teardown),
		cmocka_unit_test_setup_teardown(dashes_in_names, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_names, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_lead_elsewhere, setup, teardown),
		cmocka_unit_test(no_roots),
		cmocka_unit_test_setup_teardown(releases, setup, teardown),
		cmocka_unit_test_setup_teardown(full_names, setup, teardown),
		cmocka_unit_test(applications),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
