/*
 * Why rpm packages are in a VE, as yum and dnf have written it down; rpm itself does not. For vzpkg/metadata/ only.
 */
#pragma once

#include "base/error.h"
#include "base/strvec.h"
#include "vzpkg/metadata/installed.h"

struct hasher;

/* Packages as yum names them, "NAME-VERSION-RELEASE-ARCH" without an epoch, and as dnf does, "NAME.ARCH"; sorted. */
struct rpm_reasons {
	struct strvec dependencies, asked;
};

#define RPM_REASONS_INIT ((struct rpm_reasons){ 0 })

/* Of a VE's tree, which is hostile. Where nothing was written down both are empty. ERROR_PACKAGES: a file is damaged, or too large. */
int rpm_reasons_read(int tree, struct rpm_reasons *ret, struct error *err);
void rpm_reasons_release(struct rpm_reasons *reasons);

/* Sets `automatic` and `asked` of a package. */
void rpm_reasons_mark(const struct rpm_reasons *reasons, struct installed_package *package);

/* Adds what differs if they do. */
int rpm_reasons_hash(int tree, struct hasher *hasher, struct error *err);

/* What the readers append to, in any order: yumdb, and the database of dnf 3 and 4 (/var/lib/dnf/history.sqlite). */
int yumdb_read(int tree, struct rpm_reasons *ret, struct error *err);
int dnf_history_read(int tree, struct rpm_reasons *ret, struct error *err);
int dnf_history_hash(int tree, struct hasher *hasher, struct error *err);
