/* The folder that a bundle was unpacked to: its table of contents, the metadata that are staged from it, the manifest of the cache
 * in it. Unpacking is the target tarball; what is signed in it is verified by the readers of release and repomd. */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/walk.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/cache/generation.h"
#include "vzpkg/cmd/bundle_contents.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/metadata/bundle.h"

#define NAME "toy-1-x86_64"

static const char *const names[] = {
	"bundle/bundle.json",
	"bundle/repositories/0/InRelease",
	"bundle/repositories/0/Release",
	"bundle/repositories/0/Release.gpg",
	"bundle/repositories/1/InRelease",
	"bundle/cache/" NAME ".manifest.json",
	"bundle/template/toy/1/config/post-install",
	"pm/seen/http___toy.example_toy_one",
	NULL,
};

static void put(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	fuzz_put(names[name], text, size);
}

/* Of root alone to write, and nothing that leads elsewhere. */
static void check_tame(int folder)
{
	AUTO(walk_release) struct walk walk = WALK_INIT;

	fuzz_assert(walk_tree(folder, NULL, NULL, &walk, NULL) == 0);
	for (size_t i = 0; i < walk.count; i++) {
		fuzz_assert(S_ISREG(walk.entries[i].mode) || S_ISDIR(walk.entries[i].mode));
		fuzz_assert(!(walk.entries[i].mode & 07022) && walk.entries[i].uid == 0);
	}
}

static void read_contents(int folder)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(bundle_contents_release) struct bundle_contents contents = BUNDLE_CONTENTS_INIT;

	if (bundle_contents_read(folder, "input", &contents, &err) < 0) {
		fuzz_assert(err.kind == ERROR_PARSE && err.message && err.hint);
		return;
	}
	fuzz_assert(*contents.template && !strchr(contents.template, '/'));
	check_tame(folder);
}

static void stage(int folder, int pm)
{
	AUTO(conf_release) struct conf variables = CONF_INIT;
	AUTO(strvec_release) struct strvec roots = STRVEC_INIT;
	AUTO(template_freep) struct template *template = NULL;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct template_source source = { .variables = &variables };

	strvec_pushf(&roots, "%s/root", fuzz_folder());
	source.roots = roots;
	fuzz_assert(template_load(&source, NAME, &template, &err) == 0);
	if (metadata_stage(template, folder, pm, &err) < 0)
		fuzz_assert(err.message);
}

static void read_manifest(int folder)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(manifest_release) json_t *manifest = NULL;
	AUTO(installed_release) struct installed installed = INSTALLED_INIT;
	AUTO(strvec_release) struct strvec unowned = STRVEC_INIT;
	enum package_format format;

	if (file_read(folder, "cache/" NAME ".manifest.json", 1 << 20, &text, NULL) < 0)
		return;
	manifest = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, NULL);
	if (generation_manifest_check(manifest, "input", NAME, &err) < 0) {
		fuzz_assert(err.kind == ERROR_TRUST && err.message && err.hint);
		return;
	}
	manifest_refreshes(manifest);
	manifest_unowned(manifest, &unowned);
	fuzz_assert(manifest_gzip(manifest));
	if (manifest_format(manifest, NAME, &format, &err) < 0)
		fuzz_assert(err.kind == ERROR_TRUST);
	error_clear(&err);
	if (manifest_installed(manifest, &installed, &err) < 0)
		fuzz_assert(err.kind == ERROR_TRUST && err.message);
	for (size_t i = 0; i < installed.count; i++)
		fuzz_assert(*installed.packages[i].name &&
			    installed.packages[i].digest.kind != DIGEST_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char lines[] = "http://toy.example/toy one main\n"
				    "http://toy.example/toy two main\n";
	autofree char *bundle = xasprintf("%s/bundle", fuzz_folder());
	autofree char *own = xasprintf("%s/pm", fuzz_folder());

	fuzz_sweep();
	fuzz_put("root/toy/1/config/package_manager", "deb\n", 4);
	fuzz_put("root/toy/1/config/packages", "hello\n", 6);
	fuzz_put("root/toy/1/config/repositories", lines, sizeof(lines) - 1);
	fuzz_sections(data, size, names, put, NULL);
	autoclose int folder = dir_open(AT_FDCWD, bundle, true, 0755, NULL);
	autoclose int pm = dir_open(AT_FDCWD, own, true, 0755, NULL);
	fuzz_assert(folder >= 0 && pm >= 0);
	read_contents(folder);
	read_manifest(folder);
	stage(folder, pm);
	return 0;
}
