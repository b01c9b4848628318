#include "base/screen.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/text.h"

/* Of a terminal that does not say. */
enum { COLUMNS = 80, ROWS = 24 };

/* Appends at most `columns` characters of UTF-8 text, as one line. */
static void add_cut(struct strbuf *text, const char *from, unsigned columns)
{
	autofree char *clean = text_clean(from);
	unsigned used = 0;

	for (const char *at = clean; *at; at++) {
		if ((*at & 0xc0) != 0x80 && used++ == columns)
			return;
		strbuf_addc(text, *at == '\n' || *at == '\t' ? ' ' : *at);
	}
}

void screen_show(struct screen *screen, const struct strvec *lines, unsigned columns, unsigned rows)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	/* The last column stays free, since some terminals wrap there, and the last row, for what is typed. */
	size_t width = (columns ?: COLUMNS) - 1, most = rows > 1 ? rows - 1 : rows ? 1 : ROWS - 1;
	size_t count = lines->count < most ? lines->count : most;

	for (size_t i = 0; i < count; i++) {
		bool more = i > 0 && i + 1 == count && count < lines->count;
		autofree char *rest = xasprintf("… %zu more", lines->count - i);
		strbuf_adds(&text, i ? "\033[K\r\n" : "\r");
		add_cut(&text, more ? rest : lines->items[i], (unsigned)width);
	}
	strbuf_adds(&text, "\033[J");
	if (count > 1)
		strbuf_addf(&text, "\033[%zuA", count - 1);
	strbuf_adds(&text, "\r");
	fwrite(text.text, 1, text.length, screen->file);
	fflush(screen->file);
	screen->shown = true;
}

void screen_clear(struct screen *screen)
{
	if (!screen->shown)
		return;
	fputs("\r\033[J", screen->file);
	fflush(screen->file);
	screen->shown = false;
}
