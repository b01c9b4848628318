/* A template's tarball, whoever made it, becomes a tree; nothing outside it changes. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "image/unpack.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("%s/tree", fuzz_folder());
	autofree char *outside = xasprintf("%s/outside", fuzz_folder());
	struct image_unpacked unpacked;
	struct stat st;

	fuzz_sweep();
	fuzz_put("outside", "untouched\n", 10);
	autoclose int fd = fuzz_fd(data, size);
	autoclose int tree = dir_open(AT_FDCWD, path, true, 0755, NULL);
	struct image_unpack job = {
		.fd = fd, .name = "input", .tree = tree, .bytes_max = 16 << 20
	};
	if (image_unpack(&job, &unpacked, &err) < 0)
		fuzz_assert(err.message);
	else
		fuzz_assert(unpacked.digest.kind == DIGEST_SHA256);
	fuzz_assert(file_read(AT_FDCWD, outside, 100, &text, NULL) == 0);
	fuzz_assert(strcmp(text.text, "untouched\n") == 0);
	fuzz_assert(stat(outside, &st) == 0 && st.st_nlink == 1);
	return 0;
}
