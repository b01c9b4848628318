/* Release files. */
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/metadata/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(release_release) struct release release = RELEASE_INIT;
	autofree char *text = fuzz_text(data, size);
	struct digest digest;
	uint64_t length;

	if (release_parse(&release, "input", text, &err) < 0) {
		fuzz_assert(err.kind == ERROR_PARSE && err.message);
		return 0;
	}
	fuzz_assert(release.date != 0);
	if (release_find(&release, "main/binary-amd64/Packages.xz", false, &digest, &length))
		fuzz_assert(digest.kind == DIGEST_SHA256 || digest.kind == DIGEST_SHA512);
	if (release_find(&release, "main/binary-amd64/Packages", true, &digest, &length))
		fuzz_assert(digest.kind != DIGEST_NONE);
	return 0;
}
