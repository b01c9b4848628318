/* The host's apt sources, in both forms. */
#include <string.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/apt_sources.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	autofree char *text = fuzz_text(data, size);
	for (int deb822 = 0; deb822 < 2; deb822++) {
		AUTO(apt_sources_release) struct apt_sources sources = APT_SOURCES_INIT;
		apt_sources_scan(&sources, fuzz_folder(), text, deb822);
		fuzz_assert(!sources.mirror.length || !strpbrk(sources.mirror.text, " \n"));
		fuzz_assert(!sources.security.length || !strpbrk(sources.security.text, " \n"));
	}
	return 0;
}
