/* The text files of a template. */
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/application.h"
#include "vzpkg/template.h"

#define CONFIG "root/toy/1/config/"

static const char *const names[] = {
	CONFIG "packages",
	CONFIG "repositories",
	CONFIG "mirrorlist",
	CONFIG "guest-repositories",
	CONFIG "trust",
	CONFIG "package_manager",
	CONFIG "distribution",
	CONFIG "osrelease",
	CONFIG "environment",
	CONFIG "summary",
	CONFIG "description",
	CONFIG "upgradable_versions",
	CONFIG "os/small/packages",
	CONFIG "gpgkeys/key.asc",
	CONFIG "post-install",
	CONFIG "app/web/packages",
	CONFIG "app/web/requires",
	CONFIG "app/web/repositories",
	CONFIG "app/web/trust",
	CONFIG "app/web/post-install-hn",
	CONFIG "app/mail/packages",
	CONFIG "app/mail/requires",
	"root/toy/config/app/web/packages",
	"root/toy/config/packages",
	"root/toy/config/environment",
	"root/toy/config/trust",
	"root/toy/1/x86_64/config/packages",
	NULL,
};

static void put(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	fuzz_put(names[name], text, size);
}

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	(void)line;
	fuzz_assert(file && text);
	*(unsigned *)data += is_error;
}

/* What the applications do not load for is a mistake that lint explains, or one of them against the other. */
static void try_applications(const struct template_source *source, const struct template *template,
			     int errors)
{
	AUTO(strvec_release) struct strvec applications = STRVEC_INIT;

	application_list(source, template, &applications);
	for (size_t i = 0; i < applications.count; i++) {
		AUTO(application_freep) struct application *application = NULL;
		AUTO(application_set_release) struct application_set set = APPLICATION_SET_INIT;
		AUTO(template_freep) struct template *merged = NULL;
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct strvec one = { .items = &applications.items[i], .count = 1 };
		if (application_load(source, template, applications.items[i], &application, &err) <
			    0 ||
		    application_set_load(source, template, &one, &set, &err) < 0) {
			fuzz_assert(err.kind == ERROR_BAD_TEMPLATE && err.message && errors != 0);
			continue;
		}
		fuzz_assert(set.count &&
			    !strcmp(set.items[set.count - 1]->name, applications.items[i]));
		fuzz_assert(application_merge(template, &set, &one, &merged, &err) == 0
				    ? merged->part_count == set.count
				    : err.kind == ERROR_BAD_TEMPLATE);
	}
}

static void try(const struct template_source *source, const char *name)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(template_freep) struct template *template = NULL;
	unsigned count = 0;
	int loaded = template_load(source, name, &template, &err);
	fuzz_assert(loaded < 0 ? !template && err.message : template && template->text);
	error_clear(&err);
	int errors = template_lint(source, name, found, &count, &err);
	fuzz_assert(errors < 0 || (unsigned)errors == count);
	/* Whatever does not load, lint explains. */
	fuzz_assert(loaded == 0 || errors != 0);
	if (loaded == 0)
		try_applications(source, template, errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(conf_release) struct conf variables = CONF_INIT;
	AUTO(strvec_release) struct strvec roots = STRVEC_INIT;
	struct template_source source = { .variables = &variables };

	fuzz_sweep();
	fuzz_put(CONFIG "package_manager", "deb\n", 4);
	fuzz_put(CONFIG "packages", "hello\n", 6);
	fuzz_sections(data, size, names, put, NULL);
	conf_set(&variables, "TOY_MIRROR", "http://toy.example/toy");
	strvec_pushf(&roots, "%s/root", fuzz_folder());
	source.roots = roots;
	try(&source, "toy-1");
	try(&source, "toy-1-small");
	return 0;
}
