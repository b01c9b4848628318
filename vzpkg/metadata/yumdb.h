/*
 * Why packages are there, as yum writes it down: its yumdb has a folder for each package, FIRST-LETTER/ID-NAME-VERSION-RELEASE-ARCH, with a file for
 * each thing that it knows (yum's rpmUtils and rpmsack.py, RPMDBAdditionalData). The ID is the SHA-1 of the package's header; packages that have none are of the
 * time before yumdb. The file "reason" holds "user" or "dep".
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/metadata/installed.h"

#define YUMDB "var/lib/yum/yumdb"
#define YUMDB_ASKED "user"
#define YUMDB_DEPENDENCY "dep"

/* The end of an entry's name, NAME-VERSION-RELEASE-ARCH. To be freed. */
char *yumdb_package(const char *name, const char *version, const char *arch);

/* The same in an entry's name; NULL: it is none. */
const char *yumdb_package_of(const char *entry);

struct yumdb {
	struct strvec dependencies, asked; /* ends of entries' names; sorted */
};

#define YUMDB_INIT ((struct yumdb){ 0 })

/* Of a VE's tree, which is hostile. Where there is none both are empty. ERROR_PACKAGES if it is too large. */
int yumdb_read(int tree, struct yumdb *ret, struct error *err);
void yumdb_release(struct yumdb *yumdb);

/* Sets `automatic` and `asked` of a package. */
void yumdb_mark(const struct yumdb *yumdb, struct installed_package *package);
