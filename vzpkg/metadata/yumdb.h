/*
 * What yum knows of packages besides rpm: its yumdb has a folder for each package, FIRST-LETTER/ID-NAME-VERSION-RELEASE-ARCH, with a file for
 * each thing that it knows (yum's rpmUtils and rpmsack.py, RPMDBAdditionalData). The ID is the SHA-1 of the package's header; packages that have none are of the
 * time before yumdb. The file "reason" holds "user" or "dep".
 */
#pragma once

#define YUMDB "var/lib/yum/yumdb"
#define YUMDB_ASKED "user"
#define YUMDB_DEPENDENCY "dep"

/* The end of an entry's name, NAME-VERSION-RELEASE-ARCH. To be freed. */
char *yumdb_package(const char *name, const char *version, const char *arch);

/* The same in an entry's name; NULL: it is none. */
const char *yumdb_package_of(const char *entry);
