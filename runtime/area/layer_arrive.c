#include "runtime/area/layer_arrive.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/area/layer.h"

#define ARRIVING ".arriving-"

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
	autofree char *name = xasprintf(ARRIVING "%s", digest);
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
	autofree char *name = xasprintf(ARRIVING "%s", digest);
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

void layer_arrive_abandon(const struct host_config *host)
{
	int layers = open_layers(host, NULL);
	autoclosedir DIR *dir = layers < 0 ? NULL : fdopendir(layers);
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (!strncmp(entry->d_name, ARRIVING, strlen(ARRIVING)))
			tree_remove(dirfd(dir), entry->d_name, NULL);
}
