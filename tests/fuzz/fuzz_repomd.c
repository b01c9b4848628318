/* repomd.xml, and lists of mirrors: plain ones and metalinks. */
#include <string.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/metadata/location.h"
#include "vzpkg/metadata/mirrorlist.h"
#include "vzpkg/metadata/repomd.h"

static void try_repomd(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(repomd_release) struct repomd repomd = REPOMD_INIT;

	if (repomd_parse(&repomd, "input", text, strlen(text), &err) < 0) {
		fuzz_assert(err.kind == ERROR_PARSE && err.message && err.hint);
		return;
	}
	fuzz_assert(repomd_find(&repomd, "primary"));
	fuzz_assert(repomd.date >= 0);
	for (size_t i = 0; i < repomd.count; i++) {
		fuzz_assert(repomd.files[i].digest.kind != DIGEST_NONE);
		fuzz_assert(location_is_safe(repomd.files[i].location));
	}
}

static void try_list(const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(mirrorlist_release) struct mirrorlist list = MIRRORLIST_INIT;

	if (mirrorlist_parse(&list, "input", text, strlen(text), &err) < 0) {
		fuzz_assert(err.message && err.hint);
		return;
	}
	fuzz_assert(list.bases.count > 0);
	for (size_t i = 0; i < list.bases.count; i++)
		fuzz_assert(strncmp(list.bases.items[i], "http", 4) == 0 &&
			    !strpbrk(list.bases.items[i], " \t\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = fuzz_text(data, size);

	try_repomd(text);
	try_list(text);
	return 0;
}
