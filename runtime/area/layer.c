#include "runtime/area/layer.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/lock.h"
#include "base/worker.h"
#include "image/unpack.h"
#include "runtime/area/layer_files.h"
#include "runtime/area/tarball_sum.h"
#include "runtime/namespace.h"
#include "runtime/target.h"

enum { UNPACK_TIMEOUT_S = 3600 };

static const struct {
	const char *path;
	mode_t mode;
} mount_points[] = {
	{ "dev", 0755 }, { "proc", 0755 }, { "run", 0755 }, { "sys", 0755 }, { "tmp", 01777 },
};

/* ---- unpacking --------------------------------------------------------------------------------- */

struct unpacking {
	struct image_unpack unpack;
	int userns;
	char *digest;
	uint64_t nodes_dropped;
};

static int make_mount_points(int tree, struct error *err)
{
	for (size_t i = 0; i < sizeof(mount_points) / sizeof(*mount_points); i++)
		if (target_folder(tree, mount_points[i].path, mount_points[i].mode, err) < 0)
			return -1;
	return 0;
}

static int unpack_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	struct unpacking *unpacking = data;
	struct image_unpacked unpacked;
	char hex[DIGEST_MAX * 2 + 1];
	(void)index;
	if (unpacking->userns >= 0 &&
	    (setns(unpacking->userns, CLONE_NEWUSER) < 0 || namespace_become_root() < 0))
		return error_errno(err, errno, "taking the ids of the VE");
	if (image_unpack(&unpacking->unpack, &unpacked, err) < 0 ||
	    make_mount_points(unpacking->unpack.tree, err) < 0)
		return -1;
	strbuf_addf(result, "%s %llu", digest_hex(&unpacked.digest, hex),
		    (unsigned long long)unpacked.nodes_dropped);
	return 0;
}

static int unpack_done(size_t index, void *data, const char *result, size_t size, struct error *err)
{
	struct unpacking *unpacking = data;
	autofree char *text = xstrndup(result, size);
	(void)index;
	if (strlen(text) < 66)
		return error_set(err, ERROR_INTERNAL, "unpacking ended without a digest");
	memcpy(unpacking->digest, text, 64);
	unpacking->digest[64] = 0;
	unpacking->nodes_dropped = strtoull(text + 65, NULL, 10);
	return 0;
}

int layer_unpack(const char *tarball, int tree, int userns, struct report *report, char digest[65],
		 struct error *err)
{
	autoclose int fd = open(tarball, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "opening %s", tarball);
	struct unpacking unpacking = {
		.unpack = { .fd = fd, .name = tarball, .tree = tree },
		.userns = userns,
		.digest = digest,
	};
	struct worker_job job = {
		.name = "unpacking",
		.jobs = 1,
		.count = 1,
		.task = unpack_task,
		.done = unpack_done,
		.data = &unpacking,
	};
	report_phase(report, "unpacking the template", REPORT_BYTES, 0, 100);
	if (workers_run(&job, err) < 0)
		return -1;
	report_phase_end(report);
	if (unpacking.nodes_dropped)
		report_warning(report, tarball,
			       "%s: %llu device nodes were left out; a VE has its own /dev",
			       tarball, (unsigned long long)unpacking.nodes_dropped);
	return 0;
}

/* ---- the store ----------------------------------------------------------------------------------- */

char *layer_known_name(const struct stat *st)
{
	return xasprintf(LAYER_KNOWN "/%llx-%llx-%llx-%llx.%lx-%llx.%lx",
			 (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
			 (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
			 st->st_mtim.tv_nsec, (unsigned long long)st->st_ctim.tv_sec,
			 st->st_ctim.tv_nsec);
}

/* Who collects layers locks one exclusively for a moment, and renames it: then the name is not this folder's any more. */
static bool use(int layers, const char *digest, int dir)
{
	struct stat ours, there;
	while (flock(dir, LOCK_SH) < 0)
		if (errno != EINTR || interrupt_pending())
			return false;
	return fstat(dir, &ours) == 0 &&
	       fstatat(layers, digest, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int open_used(int layers, const char *digest)
{
	autoclose int dir = openat(layers, digest, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && use(layers, digest, dir))
		return steal_fd(&dir);
	if (dir >= 0)
		errno = ENOENT;
	return -1;
}

static bool open_known(int layers, const char *known, struct layer *layer)
{
	ssize_t length = readlinkat(layers, known, layer->digest, sizeof(layer->digest));
	if (length != 64)
		return false;
	layer->digest[64] = 0;
	layer->dir = open_used(layers, layer->digest);
	return layer->dir >= 0;
}

static int open_layers(const struct host_config *host, struct error *err)
{
	autofree char *path = xasprintf("%s/layer", host->template_dir);
	autoclose int dir = dir_open(AT_FDCWD, path, true, 0700, err);
	if (dir < 0)
		return -1;
	if (mkdirat(dir, LAYER_KNOWN, 0700) < 0 && errno != EEXIST)
		return error_errno(err, errno, "creating %s/" LAYER_KNOWN, path);
	return steal_fd(&dir);
}

static int record(int layers, const char *known, const char *digest, struct error *err)
{
	unlinkat(layers, known, 0);
	if (symlinkat(digest, layers, known) < 0 && errno != EEXIST)
		return error_errno(err, errno, "recording the layer %s", digest);
	return 0;
}

/* The tarball is another file than before, a copy or a new link, with the content of a layer that is there: reading it once
 * takes a tenth of the time that unpacking does. Without FILE.sha256 nothing says that this may be so. */
static bool recognize(int layers, const char *tarball, const char *known, struct layer *layer)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct digest digest;
	char hex[DIGEST_MAX * 2 + 1];
	if (tarball_sum_read(tarball, &text, NULL) != 0 ||
	    faccessat(layers, text.text, F_OK, 0) < 0)
		return false;
	autoclose int fd = open(tarball, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || digest_fd(DIGEST_SHA256, fd, tarball, &digest, NULL) < 0 ||
	    strcmp(digest_hex(&digest, hex), text.text) != 0)
		return false;
	return record(layers, known, hex, NULL) == 0 && open_known(layers, known, layer);
}

static int publish(int layers, const char *temporary, const char *known, struct layer *layer,
		   struct error *err)
{
	autoclose int tree =
		openat(layers, temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* All of it is on disk before it has a name that promises that. */
	if (tree < 0 || syncfs(tree) < 0)
		return error_errno(err, errno, "syncing the layer");
	/* In use from the moment that it has its name. */
	if (flock(tree, LOCK_SH) < 0)
		return error_errno(err, errno, "locking the layer");
	/* One that is there already may just be collected. */
	for (unsigned i = 0; layer->dir < 0 && i < 10; i++) {
		if (renameat(layers, temporary, layers, layer->digest) < 0 && errno != ENOTEMPTY &&
		    errno != EEXIST)
			return error_errno(err, errno, "renaming the layer to %s", layer->digest);
		layer->dir = open_used(layers, layer->digest);
	}
	if (layer->dir < 0)
		return error_errno(err, errno, "opening the layer %s", layer->digest);
	return record(layers, known, layer->digest, err);
}

static int make(int layers, const char *tarball, const char *known, struct report *report,
		struct layer *layer, struct error *err)
{
	if (tree_remove(layers, LAYER_UNPACKING, err) < 0)
		return -1;
	if (mkdirat(layers, LAYER_UNPACKING, 0755) < 0)
		return error_errno(err, errno, "creating a folder for the layer");
	autoclose int tree =
		openat(layers, LAYER_UNPACKING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0)
		return error_errno(err, errno, "opening a folder for the layer");
	if (layer_unpack(tarball, tree, -1, report, layer->digest, err) < 0 ||
	    tarball_sum_check(tarball, layer->digest, err) < 0)
		return -1;
	return publish(layers, LAYER_UNPACKING, known, layer, err);
}

static void say_waiting(const char *holder, void *data)
{
	report_info(data, "waiting for %s, which is unpacking a template", holder);
}

int layer_take(const struct host_config *host, const char *tarball, struct report *report,
	       struct layer *ret, struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	struct stat st;
	autoclose int layers = open_layers(host, err);
	if (layers < 0)
		return -1;
	if (stat(tarball, &st) < 0)
		return error_errno(err, errno, "looking at %s", tarball);
	autofree char *known = layer_known_name(&st);
	if (open_known(layers, known, ret))
		return 0;
	if (lock_take(&lock, layers, ".lock", LOCK_EXCLUSIVE, UNPACK_TIMEOUT_S, say_waiting, report,
		      err) < 0)
		return -1;
	if (open_known(layers, known, ret) || recognize(layers, tarball, known, ret))
		return 0;
	int result = make(layers, tarball, known, report, ret, err);
	tree_remove(layers, LAYER_UNPACKING, NULL);
	return result;
}

int layer_adopt(const struct host_config *host, const char *folder, const char *tarball,
		struct error *err)
{
	AUTO(lock_release) struct lock lock = LOCK_INIT;
	const char *digest = strrchr(folder, '/') + 1;
	struct stat st;
	autoclose int layers = open_layers(host, err);
	if (layers < 0 || lock_take(&lock, layers, ".lock", LOCK_EXCLUSIVE, UNPACK_TIMEOUT_S, NULL,
				    NULL, err) < 0)
		return -1;
	if (renameat(AT_FDCWD, folder, layers, digest) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return error_errno(err, errno, "moving the layer %s", digest);
	if (fsync(layers) < 0 || stat(tarball, &st) < 0)
		return error_errno(err, errno, "looking at %s", tarball);
	autofree char *known = layer_known_name(&st);
	return record(layers, known, digest, err);
}

int layer_open(const struct host_config *host, const char *digest, struct layer *ret,
	       struct error *err)
{
	autofree char *path = xasprintf("%s/layer/%s", host->template_dir, digest);
	autofree char *above = xasprintf("%s/layer", host->template_dir);
	autoclose int layers = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
	ret->dir = layers < 0 ? -1 : open_used(layers, digest);
	if (ret->dir >= 0)
		return 0;
	error_set(err, ERROR_NO_PRIVATE, "the VE's layer %s cannot be opened: %s", path,
		  strerror(errno));
	return error_hint(err,
			  "an overlay VE needs the layer that it was created from; restore it "
			  "from a backup of %s/layer",
			  host->template_dir);
}

void layer_release(struct layer *layer)
{
	if (layer->dir >= 0)
		close(layer->dir);
	*layer = LAYER_INIT;
}
