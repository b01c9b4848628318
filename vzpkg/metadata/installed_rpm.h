/*
 * The records of an rpm VE's set: a line for each thing that is known of a package, of which the first byte says what it is. Relations are "NAME"
 * or "NAME <TAB> SENSE <TAB> EVR" or a rich dependency in parentheses. For vzpkg/metadata/ only.
 */
#pragma once

#include <rpm/header.h>

#include "base/error.h"
#include "vzpkg/metadata/installed_read.h"
#include "vzpkg/metadata/rpm_reasons.h"

enum {
	INSTALLED_RPM_PACKAGE = 'P', /* NAME <TAB> EVR <TAB> ARCH: the first line */
	INSTALLED_RPM_PROVIDES = 'v',
	INSTALLED_RPM_REQUIRES = 'r',
	INSTALLED_RPM_CONFLICTS = 'c',
	INSTALLED_RPM_OBSOLETES = 'o',
	INSTALLED_RPM_RECOMMENDS = 'm',
	INSTALLED_RPM_SUPPLEMENTS = 's',
	INSTALLED_RPM_FOLDER = 'd', /* of the files that follow, with its "/" */
	INSTALLED_RPM_FILE = 'f',
	INSTALLED_RPM_REASON = 'y', /* "dep" or "user", if that is known; none of the child's */
};

/* Writes the record of one package to a descriptor. */
int installed_rpm_dump(Header header, int output, struct error *err);

/* Records one after the other, which may be anything. `reasons`: NULL if none are known. */
int installed_rpm_parse(const char *text, size_t length, const struct rpm_reasons *reasons,
			struct installed_builder *builder, struct error *err);
