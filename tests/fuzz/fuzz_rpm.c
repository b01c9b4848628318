/* rpm packages, as far as they are read before they are known to be what was signed. */
#include <rpm/rpmlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/fetch/package_signature.h"

static const struct package_keys *keys(void)
{
	static const struct strvec none = STRVEC_INIT;
	static struct package_keys *keys;

	if (!keys)
		fuzz_assert(package_keys_open(NULL, &none, &keys, NULL) == 0);
	return keys;
}

static void try(const uint8_t *data, size_t size, bool must_be_signed)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(package_identity_release) struct package_identity identity = { 0 };
	autoclose int fd = fuzz_fd(data, size);

	if (package_verify(keys(), fd, "input", must_be_signed, &identity, &err) < 0) {
		fuzz_assert(err.kind == ERROR_TRUST && err.message && err.hint);
		return;
	}
	/* Nobody has a key. */
	fuzz_assert(!must_be_signed);
	fuzz_assert(identity.name && identity.version && identity.arch && !identity.signer[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try(data, size, false);
	try(data, size, true);
	return 0;
}
