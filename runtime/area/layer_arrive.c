#include "runtime/area/layer_arrive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/layer.h"
#include "runtime/area/layer_files.h"
#include "runtime/config/journal.h"

enum { DIGEST_LENGTH = 64 };

static int open_layers(const struct host_config *host, struct error *err)
{
	autofree char *path = xasprintf("%s/layer", host->template_dir);
	return dir_open(AT_FDCWD, path, true, 0700, err);
}

static int check(const char *digest, struct error *err)
{
	if (strlen(digest) == DIGEST_LENGTH && !digest[strspn(digest, "0123456789abcdef")])
		return 0;
	return error_set(err, ERROR_VALUE, "\"%.80s\" is not the digest of a layer", digest);
}

int layer_arrive_begin(const struct host_config *host, const char *digest, char **ret,
		       struct error *err)
{
	AUTO(layer_release) struct layer layer = LAYER_INIT;
	autofree char *name = xasprintf(LAYER_ARRIVING "%s", digest);
	autoclose int layers = open_layers(host, err);
	if (layers < 0 || check(digest, err) < 0)
		return -1;
	if (layer_open(host, digest, &layer, NULL) == 0)
		return 1;
	if (mkdirat(layers, name, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "creating %s/layer/%s", host->template_dir, name);
	*ret = xasprintf("%s/layer/%s", host->template_dir, name);
	return 0;
}

int layer_arrive_end(const struct host_config *host, const char *digest, struct error *err)
{
	autofree char *name = xasprintf(LAYER_ARRIVING "%s", digest);
	autoclose int layers = open_layers(host, err);
	if (layers < 0 || check(digest, err) < 0)
		return -1;
	/* All of it is on disk before it has a name that promises that. */
	if (syncfs(layers) < 0)
		return error_errno(err, errno, "syncing the layer %s", digest);
	if (renameat(layers, name, layers, digest) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
	    errno != EEXIST)
		return error_errno(err, errno, "renaming the layer %s", digest);
	if (faccessat(layers, digest, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "opening the layer %s", digest);
	return fsync(layers) < 0 ? error_errno(err, errno, "syncing the layer %s", digest) : 0;
}

int layer_arrive_lock(const struct host_config *host, struct error *err)
{
	autoclose int layers = open_layers(host, err);
	if (layers < 0)
		return -1;
	if (TEMP_FAILURE_RETRY(flock(layers, LOCK_EX)) < 0)
		return error_errno(err, errno, "locking %s/layer", host->template_dir);
	return steal_fd(&layers);
}

/* Where no digest is, so whoever still copies into it makes no layer of it. */
static void drop(int layers, const char *name)
{
	autofree char *dropped = xasprintf(LAYER_DROPPED "%s", name + strlen(LAYER_ARRIVING));
	if (tree_remove(layers, dropped, NULL) == 0 && renameat(layers, name, layers, dropped) == 0)
		tree_remove(layers, dropped, NULL);
}

void layer_arrive_sweep(const struct host_config *host)
{
	autofree char *path = xasprintf("%s/layer", host->template_dir);
	if (access(path, F_OK) < 0)
		return;
	autoclose int layers = layer_arrive_lock(host, NULL);
	if (layers < 0 || journal_any_arriving(host))
		return;
	int fd = openat(layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (!strncmp(entry->d_name, LAYER_ARRIVING, strlen(LAYER_ARRIVING)))
			drop(layers, entry->d_name);
}
