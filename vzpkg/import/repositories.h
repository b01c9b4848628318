/*
 * Lines of `repositories`, `mirrorlist` and `guest-repositories` from old addresses. For vzpkg/import/ only.
 */
#pragma once

#include "vzpkg/import/reader.h"

/* Where an address stands, and where it goes. */
struct place {
	struct reader *reader;
	struct addresses *to;
	const char *file;
	unsigned line;
	const char *what; /* is put in front of it in notes; may be "" */
};

/* One address, or several of which each will do, as they were written. */
void take_address(const struct place *place, const char *text);
void take_mirror_lists(const struct place *place, const char *text);
