/*
 * Reading .deb files (deb(5)): an ar archive of debian-binary, control.tar and data.tar, the tars
 * compressed in one of several ways. Everything in it is hostile until it has been looked at.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

struct deb_archive;

/* `fd` stays the caller's; `name` is for messages and must outlive the result. */
int deb_archive_open(int fd, const char *name, struct deb_archive **ret, struct error *err);
void deb_archive_free(struct deb_archive *deb);
void deb_archive_freep(struct deb_archive **deb);

/* The two tars, in this order. The archive that is returned is at its start and belongs to `deb`; it is gone
 * with the next call. NULL: error. */
struct archive *deb_archive_control(struct deb_archive *deb, struct error *err);
struct archive *deb_archive_data(struct deb_archive *deb, struct error *err);

/* The next entry of such a tar: 1, at its end 0, -1 for a damaged one. */
int deb_tar_next(struct deb_archive *deb, struct archive *tar, struct archive_entry **ret,
		 struct error *err);

/* The error of a failed archive_read_data…() on it. Returns -1. */
int deb_tar_failed(const struct deb_archive *deb, struct archive *tar, struct error *err);

/* A file is not what it should be. Returns -1. */
int deb_bad(const char *name, struct error *err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
