/*
 * Files of Berkeley DB as bytes, for what libdb has no call for. The format: dbinc/db_page.h of Berkeley DB; its versions 4.2 to 5.3 differ
 * in nothing of what is touched here. Only files in the byte order of x86 and arm are known.
 */
#pragma once

#include "base/error.h"

/* Makes a hash file of version 9 one of version 8. */
int bdb_file_make_version_8(const char *path, struct error *err);

/*
 * Makes the file `name` in the folder say nothing but its records: what libdb leaves between and behind them is memory that nobody has
 * set, and its random number, by which it is known in memory, follows from the file's name. What is no such file, or is damaged, is
 * left alone: others may have written it.
 */
int bdb_file_make_reproducible(int folder, const char *name, struct error *err);
