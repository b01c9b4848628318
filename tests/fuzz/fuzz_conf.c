/* vz.conf, vzpkg.conf, CTID.conf: parsing, and changing one key leaves a file that has it. */
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/conf.h"
#include "base/conf_edit.h"
#include "tests/fuzz/fuzz.h"

static void check_edit(const char *path, const struct conf *before)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(conf_release) struct conf after = CONF_INIT;
	struct conf_change changes[] = { { "NAME", "a 'b' \"c\" \\ $d" }, { "ONBOOT", NULL } };
	fuzz_assert(conf_edit(AT_FDCWD, path, changes, 2, &err) == 0);
	fuzz_assert(conf_read(&after, AT_FDCWD, path, false, &err) == 0);
	fuzz_assert(strcmp(conf_get(&after, "NAME"), changes[0].value) == 0);
	fuzz_assert(!conf_get(&after, "ONBOOT"));
	for (size_t i = 0; i < before->count; i++) {
		const char *key = before->entries[i].key;
		if (strcmp(key, "NAME") != 0 && strcmp(key, "ONBOOT") != 0)
			fuzz_assert(strcmp(conf_get(&after, key), conf_get(before, key)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(conf_release) struct conf conf = CONF_INIT;
	autofree char *path = NULL;
	if (conf_parse(&conf, "input", (const char *)data, size, &err) < 0) {
		fuzz_assert(err.kind == ERROR_PARSE);
		return 0;
	}
	fuzz_put("input.conf", data, size);
	if (asprintf(&path, "%s/input.conf", fuzz_folder()) > 0)
		check_edit(path, &conf);
	return 0;
}
