/* Runs a target on files and on all files in folders, without a fuzzer. */
#include <fcntl.h>
#include <fts.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"

int main(int argc, char **argv)
{
	size_t count = 0;
	FTS *fts = argc > 1 ? fts_open(argv + 1, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
	FTSENT *entry;
	while (fts && (entry = fts_read(fts))) {
		AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
		if (entry->fts_info != FTS_F)
			continue;
		if (file_read(AT_FDCWD, entry->fts_path, 64 << 20, &text, NULL) < 0) {
			fprintf(stderr, "%s cannot be read\n", entry->fts_path);
			return 1;
		}
		/* In memory of exactly this size, so that reading beyond it is noticed. */
		autofree uint8_t *exact = malloc(text.length ?: 1);
		memcpy(exact, text.text, text.length);
		LLVMFuzzerTestOneInput(exact, text.length);
		count++;
	}
	if (fts)
		fts_close(fts);
	printf("%zu inputs\n", count);
	return count ? 0 : 1;
}
