/* What is installed in a VE: dpkg's list and apt's marks; what the child without rights says of an rpm database; rpm's own format; and what is made of them. */
#include <fcntl.h>
#include <solv/pool.h>
#include <solv/repo.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/metadata/installed_rpm.h"
#include "vzpkg/metadata/ndb.h"
#include "vzpkg/resolve/why.h"

enum { STATUS, MARKS, LINES, NDB };

static const char *const names[] = {
	[STATUS] = "tree/var/lib/dpkg/status",
	[MARKS] = "tree/var/lib/apt/extended_states",
	[LINES] = "lines",
	[NDB] = "ndb",
	NULL,
};

/* The search for reasons goes through all that is made of a set. */
static void use(const struct installed_set *set)
{
	fuzz_assert(set->installed.count > 0);
	fuzz_assert(set->offsets[set->installed.count] == strlen(set->text));
	for (size_t i = 0; i < set->installed.count && i < 3; i++) {
		AUTO(why_release) struct why why = WHY_INIT;
		AUTO(error_clear) struct error err = ERROR_INIT;
		if (why_find(set, set->installed.packages[i].name, &why, &err) == 0)
			fuzz_assert(why.count > 0);
	}
}

static void read_lines(const char *text, size_t size)
{
	AUTO(installed_builder_release) struct installed_builder builder = INSTALLED_BUILDER_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;

	if (installed_rpm_parse(text, size, NULL, &builder, NULL) < 0)
		return;
	installed_builder_finish(&builder, PACKAGE_RPM, &set);
	use(&set);
}

static int touch(const void *blob, size_t size, void *data, struct error *err)
{
	unsigned *sum = data;

	(void)err;
	for (size_t i = 0; i < size; i++)
		*sum += ((const unsigned char *)blob)[i];
	return 0;
}

static void take(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	if (name == LINES)
		read_lines(text, size);
	else
		fuzz_put(names[name], text, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	autofree char *path = xasprintf("%s/tree", fuzz_folder());
	autofree char *ndb = xasprintf("%s/ndb", fuzz_folder());
	unsigned sum = 0;

	fuzz_sweep();
	fuzz_sections(data, size, names, take, NULL);
	autoclose int tree = dir_open(AT_FDCWD, path, true, 0755, NULL);
	if (installed_read(tree, PACKAGE_DEB, &set, &err) == 0)
		use(&set);
	else
		fuzz_assert(err.kind == ERROR_PACKAGES);
	ndb_read(ndb, touch, &sum, NULL);
	return 0;
}
