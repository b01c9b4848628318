/*
 * Lists of mirrors of rpm repositories: plain (a URL a line), or a metalink (RFC 5854's forerunner, as MirrorManager writes
 * it), which also says what repomd.xml is at present.
 */
#pragma once

#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/strvec.h"

struct mirrorlist {
	struct strvec
		bases; /* URLs of the repository, the preferred one first; http and https, no "/" at the end */
	struct digest repomd; /* of repomd.xml; DIGEST_NONE: not said */
};

#define MIRRORLIST_INIT ((struct mirrorlist){ .bases = STRVEC_INIT, .repomd = DIGEST_INIT })

/* A list without any mirror that can be used is ERROR_PARSE. */
int mirrorlist_parse(struct mirrorlist *list, const char *name, const char *text, size_t length,
		     struct error *err);
void mirrorlist_release(struct mirrorlist *list);
