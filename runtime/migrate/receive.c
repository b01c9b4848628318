#include "runtime/migrate/receive.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"
#include "runtime/area/layer_arrive.h"
#include "runtime/area/private.h"
#include "runtime/area/snapshot.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_dump.h"
#include "runtime/ids.h"
#include "runtime/config/journal.h"
#include "runtime/life/cleanup.h"
#include "runtime/life/dump.h"
#include "runtime/migrate/room.h"

enum { REQUEST_MAX = 4 << 20, CHANGES_MAX = 32 };

/* "" if it is not there. */
static const char *get(const json_t *request, const char *key)
{
	return json_string_value(json_object_get(request, key)) ?: "";
}

/* A VE that is there is the one that was moved, or another. */
static int look(const struct life *life, const char *id, bool *ours, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	*ours = false;
	if (!ve_config_exists(life->host, life->ctid))
		return 0;
	if (ve_config_load(life->host, life->ctid, &config, err) < 0)
		return -1;
	*ours = *id && !strcmp(conf_get_default(&config.conf, MIGRATE_ID, ""), id);
	if (*ours)
		return 0;
	error_set(err, ERROR_VE_EXISTS, "there is a VE %u already", life->ctid);
	return error_hint(err, "if it is not needed, \"vzctl destroy %u\" there", life->ctid);
}

static int check_name(const struct life *life, const char *name, struct error *err)
{
	unsigned other;
	if (!*name || !ctid_of_name(life->host, name, &other) || other == life->ctid)
		return 0;
	error_set(err, ERROR_VE_NAME, "the name %s is taken by the VE %u", name, other);
	return error_hint(err, "give one of them another name: \"vzctl set --name\"");
}

/* ---- begin ------------------------------------------------------------------------------------------------ */

static int check_place(const struct life *life, const json_t *request,
		       const struct journal *journal, const char *private_area, struct error *err)
{
	if (journal->step == JOURNAL_NONE && access(private_area, F_OK) == 0) {
		error_set(err, ERROR_VE_EXISTS, "%s is there already, and of no VE", private_area);
		return error_hint(err, "look what it is, and move it away");
	}
	if (journal->step == JOURNAL_NONE || !strcmp(journal->peer, get(request, "source")) ||
	    !strcmp(journal->id, get(request, "previous")))
		return 0;
	error_set(err, ERROR_VE_EXISTS, "there is a copy of a VE %u, on its way from %s",
		  life->ctid, journal->peer);
	return error_hint(err, "\"vzmigrate --cancel %u\" there removes it", life->ctid);
}

/* Of a VE that is not here, or that is to be so no longer. */
static int forget_processes(const struct life *life, struct error *err)
{
	return ve_dump_remove(life->host, life->ctid, err) < 0
		       ? -1
		       : ve_dump_remove_arriving(life->host, life->ctid, err);
}

static int make_place(const struct life *life, const json_t *request, struct journal *journal,
		      struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	if (ve_config_defaults(life->host, life->ctid, &config, err) < 0 ||
	    journal_load(life->host, life->ctid, journal, err) < 0 ||
	    check_place(life, request, journal, config.private_area, err) < 0)
		return -1;
	journal_release(journal);
	*journal = (struct journal){
		.step = JOURNAL_ARRIVING,
		.id = xstrdup(get(request, "id")),
		.peer = xstrdup(get(request, "source")),
		.private_area = xstrdup(config.private_area),
	};
	if (journal_save(life->host, life->ctid, journal, err) < 0 ||
	    forget_processes(life, err) < 0)
		return -1;
	autoclose int dumps = dir_open(AT_FDCWD, life->host->dump_dir, true, 0700, err);
	autoclose int dir = dir_open(AT_FDCWD, journal->private_area, true, 0700, err);
	return dumps < 0 || dir < 0 ? -1 : 0;
}

static json_t *missing_layers(const struct life *life, const json_t *request, struct error *err)
{
	const json_t *digest;
	size_t i;
	json_t *ret = json_object();
	json_array_foreach(json_object_get(request, "layers"), i, digest)
	{
		autofree char *folder = NULL;
		const char *name = json_string_value(digest) ?: "";
		int there = layer_arrive_begin(life->host, name, &folder, err);
		if (there < 0) {
			json_decref(ret);
			return NULL;
		}
		if (!there)
			json_object_set_new(ret, name, json_string(folder));
	}
	return ret;
}

/* Before anything is copied. */
static int check_processes(const struct life *life, const json_t *request, struct error *err)
{
	AUTO(id_block_release) struct id_block block = ID_BLOCK_INIT;
	unsigned base = (unsigned)json_integer_value(json_object_get(request, "ids"));
	autofree char *program = NULL;
	if (!json_is_true(json_object_get(request, "processes")))
		return 0;
	program = dump_program(life->host, err);
	if (!program || (base && dump_take_ids(life->host, life->ctid, base, &block, err) < 0))
		return error_wrap(err, "its processes cannot go on there");
	return 0;
}

static json_t *begin(const struct life *life, const json_t *request, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	AUTO(journal_release) struct journal journal = JOURNAL_INIT;
	bool ours;
	if (held_take(life, false, &held, err) < 0 ||
	    look(life, get(request, "previous"), &ours, err) < 0)
		return NULL;
	if (ours)
		return json_pack("{s:b}", "committed", true);
	autoclose int lock = layer_arrive_lock(life->host, err);
	if (lock < 0 || check_name(life, get(request, "name"), err) < 0 ||
	    check_processes(life, request, err) < 0 || make_place(life, request, &journal, err) < 0)
		return NULL;
	json_t *missing = missing_layers(life, request, err);
	if (!missing)
		return NULL;
	autofree char *dump = ve_dump_arriving(life->host, life->ctid);
	json_t *places = room_places(life->host, journal.private_area, missing);
	return json_pack("{s:b, s:s, s:s, s:s, s:o, s:o}", "committed", false, "private",
			 journal.private_area, "confdir", life->host->ve_confdir, "dump", dump,
			 "layers", missing, "room", places);
}

/* ---- layer ------------------------------------------------------------------------------------------------ */

static json_t *layer(const struct life *life, const json_t *request, struct error *err)
{
	return layer_arrive_end(life->host, get(request, "digest"), err) < 0 ? NULL : json_object();
}

/* ---- commit ----------------------------------------------------------------------------------------------- */

static int publish(const struct life *life, const json_t *request, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct conf_change changes[CHANGES_MAX];
	size_t count = 0;
	const char *key;
	json_t *value;
	json_object_foreach(json_object_get(request, "changes"), key,
			    value) if (count < CHANGES_MAX - 3) changes[count++] =
		(struct conf_change){ key, json_string_value(value) };
	if (ve_config_defaults(life->host, life->ctid, &config, err) < 0)
		return -1;
	changes[count++] = (struct conf_change){ "VE_PRIVATE", config.private_area };
	changes[count++] = (struct conf_change){ "VE_ROOT", config.root };
	changes[count++] = (struct conf_change){ MIGRATE_ID, get(request, "id") };
	strbuf_adds(&text, get(request, "conf"));
	cleanup_temporary(life->host, life->ctid);
	return publish_config(life, &text, changes, count, err);
}

/* Its files and its layer are on disk before there is a VE of them. */
static int commit_held(const struct life *life, const json_t *request,
		       const struct journal *journal, struct error *err)
{
	AUTO(layer_release) struct layer layer_used = LAYER_INIT;
	AUTO(lock_release) struct lock names = LOCK_INIT;
	const char *digest = get(json_object_get(request, "changes"), "VE_LAYER");
	autoclose int private_area = dir_open(AT_FDCWD, journal->private_area, false, 0, err);
	if (private_area < 0 || snapshots_move(journal->private_area, err) < 0)
		return -1;
	if (syncfs(private_area) < 0)
		return error_errno(err, errno, "syncing %s", journal->private_area);
	if (*digest && layer_open(life->host, digest, &layer_used, err) < 0)
		return -1;
	autoclose int locks = dir_open(AT_FDCWD, life->host->lock_dir, true, 0755, err);
	if (locks < 0 || lock_take(&names, locks, "names.lck", LOCK_EXCLUSIVE, life->timeout_s,
				   NULL, NULL, err) < 0)
		return -1;
	if (check_name(life, get(request, "name"), err) < 0)
		return -1;
	if (json_is_true(json_object_get(request, "processes")) &&
	    ve_dump_arrive(life->host, life->ctid, err) < 0)
		return -1;
	return publish(life, request, err);
}

static int check_arriving(const struct life *life, const json_t *request,
			  const struct journal *journal, struct error *err)
{
	if (journal->step == JOURNAL_ARRIVING && !strcmp(journal->id, get(request, "id")))
		return 0;
	error_set(err, ERROR_CHANGED, "this move of the VE %u was taken back, or begun again",
		  life->ctid);
	return error_hint(err, "run vzmigrate again");
}

static json_t *commit(const struct life *life, const json_t *request, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	AUTO(journal_release) struct journal journal = JOURNAL_INIT;
	bool ours;
	if (held_take(life, false, &held, err) < 0 ||
	    look(life, get(request, "id"), &ours, err) < 0)
		return NULL;
	if (!ours && (journal_load(life->host, life->ctid, &journal, err) < 0 ||
		      check_arriving(life, request, &journal, err) < 0 ||
		      commit_held(life, request, &journal, err) < 0))
		return NULL;
	journal.step = JOURNAL_NONE;
	if (journal_save(life->host, life->ctid, &journal, NULL) == 0)
		layer_arrive_sweep(life->host);
	return json_object();
}

/* ---- finish, revert, abort ---------------------------------------------------------------------------------- */

static int need_ours(const struct life *life, const json_t *request, struct error *err)
{
	bool ours;
	if (look(life, get(request, "id"), &ours, err) < 0)
		return -1;
	return ours ? 0
		    : error_set(err, ERROR_NO_VE, "the VE %u is not there any more", life->ctid);
}

/* Quotas are the file system's, and not in the files. */
static int set_limits(const struct life *life, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	if (ve_config_load(life->host, life->ctid, &config, err) < 0)
		return -1;
	const struct life_set set = {
		.diskspace = conf_get(&config.conf, "DISKSPACE"),
		.diskinodes = conf_get(&config.conf, "DISKINODES"),
		.save = true,
	};
	return set.diskspace || set.diskinodes ? life_set(life, &set, err) : 0;
}

static json_t *finish(const struct life *life, const json_t *request, struct error *err)
{
	struct life_status status;
	if (need_ours(life, request, err) < 0 ||
	    life_status(life->host, life->ctid, &status, err) < 0)
		return NULL;
	if (!status.running && json_is_true(json_object_get(request, "limits")) &&
	    set_limits(life, err) < 0)
		return NULL;
	if (!status.running && json_is_true(json_object_get(request, "start")) &&
	    life_start(life, err) < 0)
		return NULL;
	return json_object();
}

static json_t *revert(const struct life *life, const json_t *request, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, true, &held, err) < 0 || need_ours(life, request, err) < 0)
		return NULL;
	if (held.state.phase == VE_RUNNING) {
		error_set(err, ERROR_RUNNING, "the VE %u is running", life->ctid);
		return NULL;
	}
	AUTO(journal_release)
	struct journal journal = {
		.step = JOURNAL_ARRIVING,
		.id = xstrdup(get(request, "id")),
		.peer = xstrdup(get(request, "source")),
		.private_area = xstrdup(held.config.private_area),
	};
	autoclose int dir = dir_open(AT_FDCWD, life->host->ve_confdir, false, 0, err);
	if (dir < 0 || journal_save(life->host, life->ctid, &journal, err) < 0)
		return NULL;
	if (forget_processes(life, err) < 0)
		return NULL;
	if (unlink(held.config.conf.path) < 0 || fsync(dir) < 0) {
		error_errno(err, errno, "removing %s", held.config.conf.path);
		return NULL;
	}
	return json_object();
}

int receive_abort(const struct life *life, const char *id, struct error *err)
{
	AUTO(journal_release) struct journal journal = JOURNAL_INIT;
	bool ours = false;
	if (ve_config_exists(life->host, life->ctid) && look(life, id, &ours, NULL) < 0)
		return 0; /* another VE, which has nothing to do with it */
	if (ours)
		return 1;
	if (journal_load(life->host, life->ctid, &journal, err) < 0)
		return -1;
	if (journal.step != JOURNAL_ARRIVING || strcmp(journal.id, id))
		return 0;
	if (!ve_config_exists(life->host, life->ctid) &&
	    (forget_processes(life, err) < 0 || private_remove(journal.private_area, err) < 0))
		return -1;
	journal.step = JOURNAL_NONE;
	if (journal_save(life->host, life->ctid, &journal, err) < 0)
		return -1;
	layer_arrive_sweep(life->host);
	return 0;
}

static json_t *abort_move(const struct life *life, const json_t *request, struct error *err)
{
	AUTO(held_release) struct held held = HELD_INIT;
	if (held_take(life, false, &held, err) < 0)
		return NULL;
	int there = receive_abort(life, get(request, "id"), err);
	return there < 0 ? NULL : json_pack("{s:b}", "committed", there);
}

/* ----------------------------------------------------------------------------------------------------------- */

static const struct step {
	const char *name;
	json_t *(*run)(const struct life *life, const json_t *request, struct error *err);
} steps[] = {
	{ "begin", begin },   { "layer", layer },   { "commit", commit },
	{ "finish", finish }, { "revert", revert }, { "abort", abort_move },
};

static json_t *run(struct life *life, const char *name, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read_fd(STDIN_FILENO, "the request", REQUEST_MAX, &text, err) < 0)
		return NULL;
	json_t *request = json_loads(text.text, 0, NULL);
	life->ctid = (unsigned)json_integer_value(json_object_get(request, "ctid"));
	json_t *answer = NULL;
	bool known = false;
	for (size_t i = 0; life->ctid && i < sizeof(steps) / sizeof(*steps); i++)
		if (!strcmp(steps[i].name, name)) {
			known = true;
			answer = steps[i].run(life, request, err);
		}
	if (!known) {
		error_set(err, ERROR_USAGE, "a request that this vzmigrate does not know");
		error_hint(err, "the same version is needed on both hosts");
	}
	json_decref(request);
	return answer;
}

int receive(struct life *life, const char *step, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	json_t *answer = run(life, step, &why);
	if (!answer)
		answer = json_pack("{s:{s:s, s:s, s:s?}}", "error", "kind",
				   error_kind_name(why.kind), "message", why.message, "hint",
				   why.hint);
	autofree char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	if (text && printf("vzmigrate-answer: %s\n", text) > 0 && fflush(stdout) == 0)
		return 0;
	return error_set(err, ERROR_SYSTEM, "the answer cannot be written");
}
