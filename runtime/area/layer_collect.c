#include "runtime/area/layer_collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/area/layer_arrive.h"
#include "runtime/area/layer_files.h"
#include "runtime/area/snapshot.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"
#include "runtime/config/ve_state.h"

enum { DIGEST_LENGTH = 64 };

/* A layer that may have to go, locked: nobody has it open. */
struct candidate {
	char *digest;
	int dir;
};

struct collecting {
	const struct layer_collect *collect;
	int layers; /* TEMPLATE/layer */
	struct candidate *candidates;
	size_t count, capacity;
	struct strvec needed;
};

/* Somebody may wait for one of those that stay. */
static void unlock_candidates(struct collecting *collecting)
{
	for (size_t i = 0; i < collecting->count; i++) {
		free(collecting->candidates[i].digest);
		close(collecting->candidates[i].dir);
	}
	collecting->count = 0;
}

static void collecting_release(struct collecting *collecting)
{
	unlock_candidates(collecting);
	free(collecting->candidates);
	strvec_release(&collecting->needed);
	if (collecting->layers >= 0)
		close(collecting->layers);
}

/* ---- who needs which --------------------------------------------------------------------------- */

/* Tarballs that others have made have no manifest; which layer one has is known if a VE was made of it. */
static int add_known(struct collecting *collecting, struct error *err)
{
	autofree char *path = xasprintf("%s/cache", collecting->collect->host->template_dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "reading %s", path);
	for (const struct dirent *entry; (entry = readdir(dir));) {
		char digest[DIGEST_LENGTH + 1];
		struct stat st;
		if (fstatat(fd, entry->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		autofree char *known = layer_known_name(&st);
		ssize_t length = readlinkat(collecting->layers, known, digest, sizeof(digest));
		if (length == DIGEST_LENGTH) {
			digest[DIGEST_LENGTH] = 0;
			strvec_push(&collecting->needed, digest);
		}
	}
	return 0;
}

static int unknown(unsigned ctid, struct error *err)
{
	error_wrap(err, "no layer is removed, since it is not known which of them VE %u stands on",
		   ctid);
	return error_hint(err, "put that right, then run it again");
}

static int add_configured(struct collecting *collecting, struct error *err)
{
	const struct host_config *host = collecting->collect->host;
	autofree unsigned *ctids = NULL;
	size_t count;

	if (ctid_list(host, &ctids, &count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
		AUTO(error_clear) struct error why = ERROR_INIT;
		if (ve_config_load(host, ctids[i], &config, &why) == 0) {
			if (config.layer)
				strvec_push(&collecting->needed, config.layer);
			if (snapshot_layers(&config, &collecting->needed, err) < 0)
				return unknown(ctids[i], err);
		} else if (why.kind != ERROR_NO_VE) { /* destroyed meanwhile */
			error_move(err, &why);
			return unknown(ctids[i], err);
		}
	}
	return 0;
}

/* "101.state" of a VE that has lost its configuration and runs. */
static int check_state(const struct host_config *host, const char *file, struct error *err)
{
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	unsigned ctid;
	size_t digits = strspn(file, "0123456789");
	autofree char *number = xstrndup(file, digits);

	if (!digits || strcmp(file + digits, ".state") != 0 ||
	    ctid_parse(number, &ctid, NULL) < 0 || ve_config_exists(host, ctid))
		return 0;
	if (ve_state_load(host, ctid, &state, err) < 0)
		return unknown(ctid, err);
	if (state.phase == VE_CREATING || state.phase == VE_DESTROYING ||
	    !ve_process_alive(&state, &state.init))
		return 0;
	error_set(err, ERROR_NO_VE, "it runs, and %s/%u.conf is not there", host->ve_confdir, ctid);
	return unknown(ctid, err);
}

static int check_running(const struct host_config *host, struct error *err)
{
	autoclosedir DIR *dir = opendir(host->lock_dir);
	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, errno, "reading %s", host->lock_dir);
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (check_state(host, entry->d_name, err) < 0)
			return -1;
	return 0;
}

/* ---- which there are --------------------------------------------------------------------------- */

static void add_candidate(struct collecting *collecting, const char *name)
{
	int dir = openat(collecting->layers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	if (flock(dir, LOCK_EX | LOCK_NB) < 0) { /* in use */
		close(dir);
		return;
	}
	collecting->candidates = xgrow(collecting->candidates, collecting->count,
				       &collecting->capacity, sizeof(*collecting->candidates));
	collecting->candidates[collecting->count++] =
		(struct candidate){ .digest = xstrdup(name), .dir = dir };
}

static bool is_digest(const char *name)
{
	return strlen(name) == DIGEST_LENGTH && strspn(name, "0123456789abcdef") == DIGEST_LENGTH;
}

static int find_candidates(struct collecting *collecting, struct error *err)
{
	int fd = openat(collecting->layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return error_errno(err, errno, "reading the layers");
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (is_digest(entry->d_name) &&
		    !strvec_contains(&collecting->needed, entry->d_name))
			add_candidate(collecting, entry->d_name);
	return 0;
}

/* ---- removing ---------------------------------------------------------------------------------- */

/* Those that are gone, and what killed runs have left. */
static int sweep_dropped(struct collecting *collecting, struct error *err)
{
	int fd = openat(collecting->layers, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (strncmp(entry->d_name, LAYER_DROPPED, strlen(LAYER_DROPPED)) == 0 &&
		    (tree_remove(collecting->layers, entry->d_name, err) < 0 ||
		     interrupt_check(err) < 0))
			return -1;
	return 0;
}

/* Links to layers that are gone. */
static void sweep_known(const struct collecting *collecting)
{
	int fd = openat(collecting->layers, LAYER_KNOWN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		char digest[DIGEST_LENGTH + 1];
		if (readlinkat(fd, entry->d_name, digest, sizeof(digest)) != DIGEST_LENGTH)
			continue;
		digest[DIGEST_LENGTH] = 0;
		if (faccessat(collecting->layers, digest, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			unlinkat(fd, entry->d_name, 0);
	}
}

/* The name goes at once, under the lock; the tree afterwards. */
static int drop(struct collecting *collecting, const struct candidate *candidate, struct error *err)
{
	const struct layer_collect *collect = collecting->collect;
	autofree char *dropped = xasprintf(LAYER_DROPPED "%s", candidate->digest);

	if (strvec_contains(&collecting->needed, candidate->digest))
		return 0;
	if (collect->collected)
		collect->collected(candidate->digest, collect->data);
	if (collect->dry_run)
		return 0;
	if (tree_remove(collecting->layers, dropped, err) < 0)
		return -1;
	if (renameat(collecting->layers, candidate->digest, collecting->layers, dropped) < 0 &&
	    errno != ENOENT)
		return error_errno(err, errno, "removing the layer %s", candidate->digest);
	return 0;
}

/*
 * The candidates are locked before it is looked who needs them: a VE that was being created holds its layer until its
 * configuration is there, so that it is seen either way.
 */
static int run(struct collecting *collecting, struct error *err)
{
	const struct strvec *needed = collecting->collect->needed;

	for (size_t i = 0; i < needed->count; i++)
		strvec_push(&collecting->needed, needed->items[i]);
	if (find_candidates(collecting, err) < 0 || add_known(collecting, err) < 0 ||
	    add_configured(collecting, err) < 0 ||
	    check_running(collecting->collect->host, err) < 0)
		return -1;
	for (size_t i = 0; i < collecting->count; i++)
		if (drop(collecting, &collecting->candidates[i], err) < 0)
			return -1;
	unlock_candidates(collecting);
	if (collecting->collect->dry_run)
		return 0;
	sweep_known(collecting);
	layer_arrive_sweep(collecting->collect->host);
	return sweep_dropped(collecting, err);
}

int layer_collect(const struct layer_collect *collect, struct error *err)
{
	AUTO(collecting_release)
	struct collecting collecting = { .collect = collect, .layers = -1 };
	autofree char *path = xasprintf("%s/layer", collect->host->template_dir);

	collecting.layers = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (collecting.layers >= 0)
		return run(&collecting, err);
	return errno == ENOENT ? 0 : error_errno(err, errno, "opening %s", path);
}
