/*
 * Where things are on this host: the roots of /etc/vz/vz.conf (or the file that --conf or VZ_CONF
 * names). Every root can be moved, so that a test or a second installation lives in one folder.
 */
#pragma once

#include "base/conf.h"
#include "base/error.h"

struct host_config {
	struct conf conf; /* everything that vz.conf said */
	char *template_dir; /* TEMPLATE	/vz/template */
	char *ve_root; /* VE_ROOT	/vz/root/$VEID */
	char *ve_private; /* VE_PRIVATE	/vz/private/$VEID */
	char *ve_confdir; /* VE_CONFDIR	/etc/vz/conf (Red Hat: /etc/sysconfig/vz-scripts) */
	char *lock_dir; /* LOCKDIR	/vz/lock */
	char *dump_dir; /* DUMPDIR	/vz/dump */
	const char *criu; /* CRIU	NULL: what is in the usual folders */
	char *bin_dir; /* where vzctl is: that of the running program */
	char *libexec_dir; /* where vzinit is: beside the running program */
	char *data_dir; /* where the shipped templates/ folder is: beside the running program */
};

/* Below TEMPLATE/cache: what vzpkg keeps of each cache, NAME/N/NAME.tar.gz, of which cache/NAME.tar.gz is a hard link. */
#define GENERATIONS_DIR ".generations"

#define HOST_CONFIG_INIT ((struct host_config){ .conf = CONF_INIT })

/*
 * Reads `path`, or if NULL $VZ_CONF, or else /etc/vz/vz.conf, /etc/sysconfig/vz (the first that
 * exists; none is fine: the defaults above need no configuration). Relative paths in it are taken
 * from the folder that the file is in.
 */
int host_config_load(struct host_config *config, const char *path, struct error *err);
void host_config_release(struct host_config *config);
