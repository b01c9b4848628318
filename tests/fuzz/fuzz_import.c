/* Trees of other tools' metadata, of both kinds. What comes out has to be what lint finds no mistake in, but for what is not
 * there. */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/import/import.h"

#define OLD "old/toy-1/config/"
#define EZ "old/toy-2-x86_64/config/os/default/"
#define FLAT "old/toy-3-ez/"

static const char *const names[] = {
	OLD "yum.conf",
	OLD "yum.conf.in",
	OLD "default.list",
	OLD "small.list",
	OLD ".rpmmacros",
	EZ "packages",
	EZ "repositories",
	EZ "mirrorlist",
	EZ "environment",
	EZ "package_manager",
	EZ "post-install",
	EZ "summary",
	FLAT "os_packages",
	FLAT "os_mirrorlist",
	FLAT "os_repositories",
	FLAT "app_packages",
	FLAT "app_repositories",
	FLAT "app_post-install",
	NULL,
};

static void put(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	fuzz_put(names[name], text, size);
}

static bool is_lacking(const char *text)
{
	return strstr(text, "there is no file trust") || strstr(text, "there are no repositories");
}

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	(void)data;
	if (is_error && !is_lacking(text)) {
		fprintf(stderr, "%s:%u: %s\n", file, line, text);
		fuzz_assert(!"lint finds a mistake in what came out");
	}
}

static void check(const struct import *import, const struct conf *variables)
{
	AUTO(strvec_release) struct strvec roots = STRVEC_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *config =
		xasprintf("%s/new/%s/%s/config", fuzz_folder(), import->os, import->release);
	autoclose int dir = dir_open(AT_FDCWD, config, true, 0755, NULL);
	struct template_source source = { .variables = variables };
	bool is_default = strcmp(import->sets.items[0], "default") == 0;
	autofree char *name =
		xasprintf("%s-%s%s%s", import->os, import->release, is_default ? "" : "-",
			  is_default ? "" : import->sets.items[0]);

	fuzz_assert(import_write(import, dir, NULL) == 0);
	strvec_pushf(&roots, "%s/new", fuzz_folder());
	source.roots = roots;
	fuzz_assert(template_lint(&source, name, found, NULL, &err) >= 0);
}

static void try(const char *folder)
{
	AUTO(conf_release) struct conf variables = CONF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(import_freep) struct import *import = NULL;
	autofree char *dir = xasprintf("%s/%s", fuzz_folder(), folder);
	struct import_request request = { .dir = dir, .variables = &variables };
	static const char *const known[] = { "FEDORA_ARCHIVE",         "FEDORA_MIRROR",
					     "CENTOS_VAULT",           "DEBIAN_MIRROR",
					     "DEBIAN_ARCHIVE",         "DEBIAN_SECURITY_MIRROR",
					     "DEBIAN_SECURITY_ARCHIVE" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		conf_set(&variables, known[i], "http://toy.example/toy");
	if (access(dir, F_OK) < 0)
		return;
	if (import_read(&request, &import, &err) == 0)
		check(import, &variables);
	else
		fuzz_assert(!import && err.message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sweep();
	fuzz_sections(data, size, names, put, NULL);
	try("old/toy-1");
	try("old/toy-2-x86_64");
	try("old/toy-3-ez");
	return 0;
}
