/*
 * The variables that repository lines may use ($DEBIAN_MIRROR …) and vzpkg's own settings. From weak
 * to strong: public defaults, the host's apt sources, vzpkg.conf, vzpkg.conf.d, the environment.
 */
#pragma once

#include "base/conf.h"
#include "base/error.h"
#include "base/host.h"

/*
 * `apt_root` is the folder below which etc/apt/ is looked for ("/"). vzpkg.conf and vzpkg.conf.d are
 * those beside the vz.conf that is in use; for none, and for /etc/sysconfig/vz, those in /etc/vz. The caller releases *variables.
 */
int variables_load(struct conf *variables, const struct host_config *host, const char *apt_root,
		   struct error *err);
