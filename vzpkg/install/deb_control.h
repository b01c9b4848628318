/*
 * The control archive of a Debian package (deb(5), deb-control(5)): its paragraph, scripts and lists.
 */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "vzpkg/install/deb_archive.h"
#include "vzpkg/resolve/plan.h"

enum { CONTROL_FILES_MAX = 64 };

struct control_file {
	char *name; /* "postinst" */
	mode_t mode; /* 0755 or 0644 */
	time_t time;
	struct strbuf content;
};

struct deb_control {
	struct control_file files[CONTROL_FILES_MAX];
	size_t count;
};

#define DEB_CONTROL_INIT ((struct deb_control){ 0 })

/* `name` is for messages: "bash 5.2.15-2+b2". */
int deb_control_read(struct deb_archive *deb, const char *name, struct deb_control *ret,
		     struct error *err);
void deb_control_release(struct deb_control *control);

/* NULL if the package brings no such file. */
const struct control_file *deb_control_find(const struct deb_control *control, const char *name);

/* The paragraph must be that of the package that signed metadata names. Returns it, or NULL. */
const char *deb_control_check(const struct deb_control *control, const struct plan_package *package,
			      const char *name, struct error *err);

/* Paths of conffiles without the first "/", in their order. */
void deb_control_conffiles(const struct deb_control *control, struct strvec *paths);

/* Writes the control files of the package file `deb` into the empty folder `to`. */
int deb_control_extract(int deb, const char *name, int to, struct error *err);
