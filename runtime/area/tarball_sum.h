/*
 * Which digest a template's tarball is to have: what FILE.sha256 says, as sha256sum(1) writes it.
 *
 * A tarball of vzpkg's is a hard link of its generation's, TEMPLATE/cache/.generations/NAME/N/NAME.tar.gz, which has a checksum of its
 * own. That one counts: tarball and checksum in TEMPLATE/cache are renamed one after the other, and belong to different
 * generations between that, which lasts if the disk takes nothing any more at that moment.
 */
#pragma once

#include "base/error.h"
#include "base/strbuf.h"

/* 64 hexadecimal digits into *ret. 0, 1 if nothing says which, -1 with ERROR_TRUST if the file is none of checksums. */
int tarball_sum_read(const char *tarball, struct strbuf *ret, struct error *err);

/* ERROR_TRUST if something says which, and `digest` is another one. */
int tarball_sum_check(const char *tarball, const char *digest, struct error *err);
