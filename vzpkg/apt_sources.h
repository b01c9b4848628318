/*
 * The Debian archives that the host itself is installed from, by its apt sources.
 */
#pragma once

#include <stdbool.h>

#include "base/strbuf.h"

struct apt_sources {
	struct strbuf
		mirror; /* the first Debian archive's URL without a "/" at its end, or empty */
	struct strbuf security; /* the same of the security archive */
};

#define APT_SOURCES_INIT ((struct apt_sources){ .mirror = STRBUF_INIT, .security = STRBUF_INIT })

/*
 * Takes what is not yet known from the text of one file: one line a source, or deb822 (both in
 * sources.list(5)). Other distributions' and vendors' archives, cdrom and disabled ones are passed
 * over. Lists of mirrors ("mirror+file:/etc/apt/mirrors/debian.list") are looked for below `root`.
 */
void apt_sources_scan(struct apt_sources *sources, const char *root, const char *text, bool deb822);

/* The same from ROOT/etc/apt/sources.list and sources.list.d/, in apt's order. Files that cannot be
 * read are passed over: apt's own complaints are apt's matter. */
void apt_sources_read(struct apt_sources *sources, const char *root);

void apt_sources_release(struct apt_sources *sources);
