/*
 * The guest's rpm, of whatever age, reads the database that we leave: the headers that librpm has written are handed over in the format
 * that it knows. To be called inside the VE, with its root as "/".
 */
#pragma once

#include <rpm/rpmts.h>
#include <stdbool.h>

#include "base/error.h"

enum rpm_database_format {
	RPM_DATABASE_SQLITE, /* rpm 4.16 and later, where its macros say so */
	RPM_DATABASE_BDB, /* Berkeley DB, hash version 9 (db 4.6 and later) */
	RPM_DATABASE_BDB8, /* … hash version 8, that of 2005 */
	RPM_DATABASE_NDB, /* SUSE: the guest's own rpmdb imports the headers */
};

struct rpm_database {
	enum rpm_database_format format;
	char path[256]; /* "/var/lib/rpm" */
};

/* The name as in a template's environment ("sqlite", "bdb", "bdb8", "ndb"); false if it is none. */
bool rpm_database_format_parse(const char *name, enum rpm_database_format *ret);

/* What the guest's own files say: its rpm's macros, or else the version of its package "rpm" (NULL: it has none). */
void rpm_database_detect(const char *rpm_version, struct rpm_database *ret);

/* Where librpm writes while it installs: a database of its own format. */
#define RPM_DATABASE_OURS_NAME ".vzpkg-rpmdb"
#define RPM_DATABASE_OURS "/" RPM_DATABASE_OURS_NAME
#define RPM_DATABASE_HEADERS RPM_DATABASE_OURS "/headers"

/* From the open database of `ts`, which is closed and removed, into the guest's; for ndb into RPM_DATABASE_HEADERS, as
 * "rpmdb --importdb" reads them. */
int rpm_database_hand_over(rpmts ts, const struct rpm_database *database, struct error *err);

/* After the guest's rpm had its turn: see bdb_file.h. */
int rpm_database_make_reproducible(int tree, const char *path, struct error *err);
