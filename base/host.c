#include "base/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"

#define RED_HAT_FILE "/etc/sysconfig/vz"

/* The folder of a path, without a trailing slash. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* The file that the configuration is read from, or NULL if none is there. */
static char *find_file(const char *path, struct error *err)
{
	static const char *const usual[] = { "/etc/vz/vz.conf", RED_HAT_FILE };
	const char *wanted = path ?: getenv("VZ_CONF");

	if (wanted && *wanted) {
		char *real = realpath(wanted, NULL);
		if (real)
			return real;
		error_set(err, errno == ENOENT ? ERROR_NO_FILE : ERROR_SYSTEM,
			  "reading the configuration %s: %s", wanted, strerror(errno));
		error_hint(err, "give another file with --conf or VZ_CONF");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (access(usual[i], F_OK) == 0)
			return xstrdup(usual[i]);
	return NULL;
}

/* The root of that name, as an absolute path: a relative one counts from the file's folder. */
static char *root_of(const struct conf *conf, const char *key, const char *otherwise)
{
	const char *value = conf_get(conf, key);
	if (!value || !*value)
		return xstrdup(otherwise);
	autofree char *folder = conf->path ? folder_of(conf->path) : xstrdup("/");
	char *root = *value == '/' ? xstrdup(value) : xasprintf("%s/%s", folder, value);
	size_t length = strlen(root);
	while (length > 1 && root[length - 1] == '/')
		root[--length] = '\0';
	return root;
}

/* PREFIX/sbin/vzpkg finds PREFIX/libexec and PREFIX/share, and build/bin/vzpkg those of build/. */
static void find_companions(struct host_config *config)
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[length > 0 ? length : 0] = '\0';
	config->bin_dir = folder_of(program);
	autofree char *prefix = folder_of(config->bin_dir);
	config->libexec_dir = xasprintf("%s/libexec/vzpkg", prefix);
	config->data_dir = xasprintf("%s/share/vzpkg/templates", prefix);
}

int host_config_load(struct host_config *config, const char *path, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	autofree char *file = find_file(path, &why);

	if (why.message) {
		error_move(err, &why);
		return -1;
	}
	if (file && conf_read(&config->conf, AT_FDCWD, file, false, err) < 0)
		return -1;

	const struct conf *conf = &config->conf;
	config->template_dir = root_of(conf, "TEMPLATE", "/vz/template");
	config->ve_root = root_of(conf, "VE_ROOT", "/vz/root/$VEID");
	config->ve_private = root_of(conf, "VE_PRIVATE", "/vz/private/$VEID");
	bool red_hat = file && strcmp(file, RED_HAT_FILE) == 0;
	config->ve_confdir =
		root_of(conf, "VE_CONFDIR", red_hat ? "/etc/sysconfig/vz-scripts" : "/etc/vz/conf");
	config->lock_dir = root_of(conf, "LOCKDIR", "/vz/lock");
	config->dump_dir = root_of(conf, "DUMPDIR", "/vz/dump");
	config->criu = conf_get(conf, "CRIU");
	find_companions(config);
	return 0;
}

void host_config_release(struct host_config *config)
{
	conf_release(&config->conf);
	free(config->template_dir);
	free(config->ve_root);
	free(config->ve_private);
	free(config->ve_confdir);
	free(config->lock_dir);
	free(config->dump_dir);
	free(config->bin_dir);
	free(config->libexec_dir);
	free(config->data_dir);
	*config = HOST_CONFIG_INIT;
}
