#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the character of UTF-8 that begins here; 0 if none does (RFC 3629, section 4). */
static size_t sequence(const unsigned char *at)
{
	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4 || !is_tail(at[1]))
		return 0;
	if (at[0] < 0xe0)
		return 2;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f) || !is_tail(at[2]))
		return 0;
	if (at[0] < 0xf0)
		return 3;
	return is_tail(at[3]) ? 4 : 0;
}

/* C0 and C1 controls and DEL. */
static bool is_control(const unsigned char *at)
{
	if (at[0] == '\n' || at[0] == '\t')
		return false;
	return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

char *text_clean(const char *text)
{
	char *clean = xstrdup(text);
	char *to = clean;

	for (const unsigned char *at = (const unsigned char *)text; *at;) {
		size_t length = sequence(at);
		if (!length || is_control(at)) {
			*to++ = '?';
			at += length ? length : 1;
			continue;
		}
		while (length--)
			*to++ = (char)*at++;
	}
	*to = '\0';
	return clean;
}

char *text_tail(const char *text, unsigned lines)
{
	AUTO(strbuf_release) struct strbuf tail = STRBUF_INIT;
	const char *at = text + strlen(text);

	while (at > text && at[-1] == '\n')
		at--;
	const char *end = at;
	for (unsigned seen = 0; at > text && seen < lines;) {
		while (at > text && at[-1] != '\n')
			at--;
		if (++seen < lines && at > text)
			at--;
	}
	while (at < end) {
		size_t length = strcspn(at, "\n");
		if (length > (size_t)(end - at))
			length = (size_t)(end - at);
		strbuf_addf(&tail, "\n    %.*s", (int)length, at);
		at += length + 1;
	}
	return strbuf_detach(&tail);
}

char *text_span(double seconds)
{
	unsigned long whole = (unsigned long)(seconds + 0.5);

	if (whole < 100)
		return xasprintf("%lu s", whole);
	if (whole < 6000)
		return xasprintf("%lu:%02lu min", whole / 60, whole % 60);
	return xasprintf("%lu:%02lu h", whole / 3600, whole / 60 % 60);
}
