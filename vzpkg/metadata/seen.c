#include "vzpkg/metadata/seen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

/* Words that another vzpkg has put there do not hide those that are known. */
static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	while (*(text += strspn(text, " \n"))) {
		size_t found = strcspn(text, " \n");
		if (found == length && strncmp(text, word, length) == 0)
			return true;
		text += found;
	}
	return false;
}

struct seen seen_read(int pm, const char *name)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct seen seen = { .top = DIGEST_INIT };
	autofree char *path = xasprintf("seen/%s", name);
	char *end;

	if (file_read(pm, path, 4096, &text, NULL) < 0)
		return seen;
	int64_t date = strtoll(text.text, &end, 10);
	size_t length = *end == ' ' ? strcspn(end + 1, " \n") : 0;
	if (!length || !digest_parse(&seen.top, DIGEST_SHA256, end + 1, length))
		return seen;
	seen.date = date;
	seen.is_signed = has_word(end + 1 + length, "signed");
	return seen;
}

int seen_write(int pm, const char *name, const struct seen *seen, struct error *err)
{
	char hex[DIGEST_MAX * 2 + 1];
	autofree char *path = xasprintf("seen/%s", name);
	autofree char *text =
		xasprintf("%" PRId64 " %s%s\n", seen->date, digest_hex(&seen->top, hex),
			  seen->is_signed ? " signed" : "");

	autoclose int folder = dir_open(pm, "seen", true, 0755, err);
	if (folder < 0)
		return -1;
	return file_write_atomic(pm, path, 0644, text, strlen(text), err);
}
