/*
 * The variables that repository lines may use ($DEBIAN_MIRROR …) and vzpkg's own settings. From weak
 * to strong: public defaults, the host's apt sources, vzpkg.conf, vzpkg.conf.d, the environment.
 */
#pragma once

#include <stdbool.h>

#include "base/conf.h"
#include "base/error.h"
#include "base/host.h"

/*
 * `apt_root` is the folder below which etc/apt/ is looked for ("/"). vzpkg.conf and vzpkg.conf.d are
 * those beside the vz.conf that is in use, else those in /etc/vz. The caller releases *variables.
 */
int variables_load(struct conf *variables, const struct host_config *host, const char *apt_root,
		   struct error *err);

/*
 * Appends to `mirror` (if empty) and `security` (if empty) the first Debian archive and the first
 * Debian security archive of an apt sources file: one-line form (sources.list(5)) or deb822. Without a
 * trailing "/".
 */
struct strbuf;
void apt_sources_scan(const char *text, bool deb822, struct strbuf *mirror,
		      struct strbuf *security);
