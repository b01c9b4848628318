/* dpkg's database in a tree whose package scripts may have changed it: status, diversions, stat overrides, its configuration. */
#include <fcntl.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/install/dpkg_database.h"
#include "vzpkg/install/dpkg_overrides.h"
#include "vzpkg/install/dpkg_unpack.h"
#include "vzpkg/install/paragraph.h"

static const char *const names[] = {
	"tree/var/lib/dpkg/status",
	"tree/var/lib/dpkg/diversions",
	"tree/var/lib/dpkg/statoverride",
	"tree/var/lib/dpkg/triggers/File",
	"tree/var/lib/dpkg/info/a.list",
	"tree/var/lib/dpkg/info/a.triggers",
	"tree/etc/passwd",
	"tree/etc/group",
	"tree/etc/dpkg/dpkg.cfg",
	"tree/etc/dpkg/dpkg.cfg.d/docs",
	"tree/var/lib/apt/extended_states",
	NULL,
};

static void put(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	fuzz_put(names[name], text, size);
	autofree char *copy = xstrndup(text, size);
	free(paragraph_get(copy, "Package"));
	free(paragraph_get(copy, "Conffiles"));
	relation_names(copy, "a");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(dpkg_database_release) struct dpkg_database database = DPKG_DATABASE_INIT;
	AUTO(dpkg_overrides_release) struct dpkg_overrides overrides = DPKG_OVERRIDES_INIT;
	autofree char *path = xasprintf("%s/tree", fuzz_folder());
	struct plan_package packages[] = { { .name = (char *)"a" }, { .name = (char *)"b" } };
	const struct plan plan = { .packages = packages, .count = 2 };
	bool filters;

	fuzz_sweep();
	fuzz_sections(data, size, names, put, NULL);
	autoclose int tree = dir_open(AT_FDCWD, path, true, 0755, NULL);
	fuzz_assert(dpkg_database_open(&database, tree, true, &err) == 0);
	dpkg_database_compare(&database, &plan, &text, &err);
	error_clear(&err);
	dpkg_database_unlist(&database, "a", "/usr/bin/a", &err);
	error_clear(&err);
	if (dpkg_overrides_read(&overrides, tree, &err) == 0) {
		dpkg_stat_override(&overrides, "usr/bin/a");
		dpkg_diverted(&overrides, "usr/bin/a", "a");
	}
	error_clear(&err);
	dpkg_has_filters(tree, &filters, &err);
	return 0;
}
