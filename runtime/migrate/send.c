#include "runtime/config/ve_dump.h"
#include "runtime/migrate/send.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "runtime/area/snapshot.h"
#include "runtime/config/journal.h"
#include "runtime/config/ve_disk.h"
#include "runtime/migrate/leave.h"
#include "runtime/migrate/receive.h"
#include "runtime/migrate/room.h"

enum { CONF_LIMIT = 1 << 20 };

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* It is not known what has come of it. */
static int unknown(const struct sending *sending, struct error *err)
{
	error_wrap(err, "it is not known whether %s has the VE %u now",
		   sending->request->remote.host, sending->life->ctid);
	return error_hint(err, "until then it runs nowhere: run vzmigrate again, which goes on");
}

/* ---- copying ------------------------------------------------------------------------------------------------- */

static json_t *all_layers(const struct ve_config *config, struct error *err)
{
	AUTO(strvec_release) struct strvec digests = STRVEC_INIT;
	if (config->layer)
		strvec_push(&digests, config->layer);
	if (snapshot_layers(config, &digests, err) < 0)
		return NULL;
	json_t *ret = json_array();
	for (size_t i = 0; i < digests.count; i++)
		json_array_append_new(ret, json_string(digests.items[i]));
	return ret;
}

static int check(const struct sending *sending, const struct ve_config *config,
		 const struct ve_state *state, struct error *err)
{
	unsigned ctid = sending->life->ctid;
	bool running = state->phase == VE_RUNNING && ve_process_alive(state, &state->init);
	if (running && state->suspended) {
		error_set(err, ERROR_SUSPENDED, "the VE %u is suspended", ctid);
		return error_hint(err, "\"vzctl resume %u\", or \"vzctl stop %u\"", ctid, ctid);
	}
	if (!running && is_mounted(config->root)) {
		error_set(err, ERROR_MOUNTED, "the VE %u is mounted at %s", ctid, config->root);
		return error_hint(err, "\"vzctl umount %u\" first", ctid);
	}
	if (!config->ids_shifted)
		return check_unshown(sending->life, config, NULL, err);
	error_set(err, ERROR_TECHNOLOGY,
		  "the files of the VE %u have the ids on disk that it has on this host", ctid);
	return error_hint(err, "\"vzctl export\" writes them with those that they have in the VE");
}

/* Under a new id. If the other host may have the VE, what is on disk here names the old one until it is known; else it names the new one before
 * anything is done there. */
static int ask_begin(struct sending *sending, const struct ve_config *config, const char *previous,
		     json_t **ret, struct error *err)
{
	enum journal_step before = sending->journal.step;
	bool free_to_go = before == JOURNAL_NONE || before == JOURNAL_COPYING;
	char id[SNAPSHOT_ID_SIZE];
	json_t *layers = all_layers(config, err);
	if (!layers || snapshot_id_new(id, err) < 0)
		return -1;
	sending->journal.id = xstrdup(id);
	json_t *more = json_pack("{s:s, s:s, s:o, s:b, s:I}", "previous", previous, "name",
				 config->name ?: "", "layers", layers, "processes",
				 sending->processes, "ids", (json_int_t)sending->ids_base);
	if (free_to_go && leave_step(sending, JOURNAL_COPYING, err) < 0)
		return -1;
	if (sending_call(sending, "begin", more, ret, err) == 0)
		return 0;
	if (before == JOURNAL_NONE && sending->request->remote.answered)
		leave_step(sending, JOURNAL_NONE, NULL);
	return -1;
}

/* 1: the other host has it already. */
static int begin(struct sending *sending, const struct ve_config *config, json_t **ret,
		 struct error *err)
{
	struct journal *journal = &sending->journal;
	autofree char *previous = steal_ptr(journal->id);
	if (ask_begin(sending, config, previous ?: "", ret, err) < 0)
		return -1;
	if (!json_is_true(json_object_get(*ret, "committed"))) {
		journal->step = JOURNAL_COPYING;
		return journal_save(sending->life->host, sending->life->ctid, journal, err);
	}
	free(journal->id);
	journal->id = steal_ptr(previous);
	return 1;
}

static int copy_layers(struct sending *sending, json_t *missing, struct error *err)
{
	const char *digest;
	json_t *folder;
	json_object_foreach(missing, digest, folder)
	{
		AUTO(layer_release) struct layer layer = LAYER_INIT;
		const struct host_config *host = sending->life->host;
		autofree char *from = xasprintf("%s/layer/%s", host->template_dir, digest);
		if (layer_open(host, digest, &layer, err) < 0)
			return -1;
		report_phase(sending->life->report, "copying the template's files", REPORT_ITEMS, 0,
			     30);
		int result = remote_copy(&sending->request->remote, from,
					 json_string_value(folder) ?: "", false, err);
		report_phase_end(sending->life->report);
		if (result < 0 || sending_call(sending, "layer",
					       json_pack("{s:s}", "digest", digest), NULL, err) < 0)
			return -1;
	}
	return 0;
}

static int copy_files(struct sending *sending, const struct ve_config *config, bool moving,
		      struct error *err)
{
	const char *to = json_string_value(json_object_get(sending->place, "private")) ?: "";
	report_phase(sending->life->report,
		     moving ? "copying the VE's files while it runs" : "copying the VE's files",
		     REPORT_ITEMS, 0, moving ? 50 : 20);
	int result = remote_copy(&sending->request->remote, config->private_area, to, moving, err);
	report_phase_end(sending->life->report);
	return result;
}

/* What it is suspended to, by us or before. */
static int copy_dump(struct sending *sending, struct error *err)
{
	const char *to = json_string_value(json_object_get(sending->place, "dump")) ?: "";
	autofree char *from = ve_dump_path(sending->life->host, sending->life->ctid);
	if (sending->held.state.phase != VE_DUMPED)
		return 0;
	report_phase(sending->life->report, "copying the VE's processes", REPORT_ITEMS, 0, 20);
	int result = remote_copy(&sending->request->remote, from, to, false, err);
	report_phase_end(sending->life->report);
	return result;
}

static int copy_scripts(struct sending *sending, struct error *err)
{
	AUTO(strvec_release) struct strvec files = STRVEC_INIT;
	const char *to = json_string_value(json_object_get(sending->place, "confdir")) ?: "";
	action_files(sending->life->host, sending->life->ctid, &files);
	return remote_copy_files(&sending->request->remote, &files, to, err);
}

/* ---- from here to there ---------------------------------------------------------------------------------------- */

/* A quota is made anew there. */
static bool is_quota(enum disk_kind kind)
{
	return kind == DISK_PROJECT || kind == DISK_QGROUP;
}

static int commit(struct sending *sending, enum disk_kind kind, struct error *err)
{
	const struct ve_config *config = &sending->held.config;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (file_read(AT_FDCWD, config->conf.path, CONF_LIMIT, &text, err) < 0)
		return -1;
	json_t *changes =
		json_pack("{s:s, s:s?, s:s?, s:n}", "VE_LAYOUT", ve_layout_name(config->layout),
			  "VE_LAYER", config->layer, "VE_DISK_KIND",
			  kind == DISK_IMAGE ? disk_kind_name(kind) : NULL, "VE_DISK_PROJECT");
	json_t *more =
		json_pack("{s:s, s:s, s:o, s:b}", "conf", text.text, "name", config->name ?: "",
			  "changes", changes, "processes", sending->processes);
	if (!more)
		return error_set(err, ERROR_PARSE, "%s: it is not UTF-8", config->conf.path);
	return sending_call(sending, "commit", more, NULL, err);
}

/* A VE that does not start there is here again, and runs. */
static int finish(struct sending *sending, bool quota, struct error *err)
{
	struct remote *remote = &sending->request->remote;
	json_t *more = json_pack("{s:b, s:b}", "start", sending->journal.ran, "limits", quota);
	report_phase(sending->life->report, "starting the VE there", REPORT_ITEMS, 0, 10);
	int result = sending_call(sending, "finish", more, NULL, err);
	report_phase_end(sending->life->report);
	if (result == 0)
		return 0;
	if (!remote->answered)
		return unknown(sending, err);
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (sending_call(sending, "revert", json_object(), NULL, &why) < 0) {
		report_warning(sending->life->report, NULL, "%s", why.message);
		return unknown(sending, err);
	}
	err->kind = ERROR_ARRIVE;
	return leave_take_back(sending, NULL) < 0 ? -1 : error_wrap(err, "the VE stays here");
}

static int hand_over(struct sending *sending, struct error *err)
{
	AUTO(ve_disk_release) struct ve_disk disk = VE_DISK_INIT;
	if (ve_disk_load(&sending->held.config, &disk, err) < 0 ||
	    leave_step(sending, JOURNAL_HANDED_OVER, err) < 0 || leave_hide(sending, err) < 0)
		return -1;
	if (commit(sending, disk.kind, err) < 0) {
		if (sending->request->remote.answered)
			leave_take_back(sending, NULL);
		else
			unknown(sending, err);
		return -1;
	}
	if (leave_step(sending, JOURNAL_COMMITTED, err) < 0 ||
	    finish(sending, is_quota(disk.kind), err) < 0)
		return -1;
	return leave_step(sending, JOURNAL_DONE, err);
}

/* What was copied is what there is: meanwhile the VE may have been given other files. */
static int check_same(const struct sending *sending, const struct ve_config *before,
		      struct error *err)
{
	const struct ve_config *now = &sending->held.config;
	bool same = !strcmp(before->private_area, now->private_area) &&
		    !strcmp(before->layer ?: "", now->layer ?: "") &&
		    !strcmp(before->name ?: "", now->name ?: "");
	return same ? 0
		    : error_set(err, ERROR_CHANGED, "the VE was changed meanwhile: run it again");
}

static int move(struct sending *sending, const struct ve_config *config,
		const struct ve_state *state, bool running, struct error *err)
{
	const struct ve_state *processes = running && sending->processes ? state : NULL;
	if (room_check(sending->life->host, config, processes, sending->place, err) < 0)
		return error_wrap(err, "%s", sending->request->remote.host);
	if (copy_layers(sending, json_object_get(sending->place, "layers"), err) < 0 ||
	    (running && copy_files(sending, config, true, err) < 0))
		return -1;
	if (leave_take(sending, err) < 0 || check_same(sending, config, err) < 0 ||
	    check(sending, &sending->held.config, &sending->held.state, err) < 0)
		return -1;
	int64_t stopped_at = now_ms();
	if (leave_stop(sending, err) < 0)
		return -1;
	sending->processes = sending->held.state.phase == VE_DUMPED;
	if (copy_dump(sending, err) < 0 ||
	    copy_files(sending, &sending->held.config, false, err) < 0 ||
	    copy_scripts(sending, err) < 0 || interrupt_check(err) < 0 ||
	    hand_over(sending, err) < 0)
		return -1;
	if (sending->journal.ran)
		sending->request->stood_ms = now_ms() - stopped_at;
	return leave_for_good(sending, err);
}

/* Before anything was handed over. What was copied helps the next try, unless that is not to be. */
static void give_up(struct sending *sending, const struct error *err)
{
	bool keep = sending->request->keep_copy || err->kind == ERROR_INTERRUPTED ||
		    err->kind == ERROR_CONNECT;
	if (sending->journal.step != JOURNAL_COPYING)
		return;
	if (!keep && sending_call(sending, "abort", json_object(), NULL, NULL) == 0)
		leave_step(sending, JOURNAL_NONE, NULL);
	leave_restart(sending);
}

/* Without the journal it is not known which host has it. */
static int check_known(const struct sending *sending, const struct ve_state *state,
		       struct error *err)
{
	const char *locks = sending->life->host->lock_dir;
	unsigned ctid = sending->life->ctid;
	if (state->phase != VE_MIGRATING || sending->journal.step != JOURNAL_NONE)
		return 0;
	error_set(err, ERROR_LOCKED, "%s/%u.migrate, which says where the VE is, is not there",
		  locks, ctid);
	return error_hint(err, "if no other host has it, remove %s/%u.state", locks, ctid);
}

static int begin_and_move(struct sending *sending, struct error *err)
{
	AUTO(ve_config_release) struct ve_config config = VE_CONFIG_INIT;
	AUTO(ve_state_release) struct ve_state state = VE_STATE_INIT;
	const struct life *life = sending->life;
	bool again = sending->journal.step == JOURNAL_HANDED_OVER ||
		     sending->journal.step == JOURNAL_COMMITTED;
	if (ve_config_load(life->host, life->ctid, &config, err) < 0 ||
	    ve_state_load(life->host, life->ctid, &state, err) < 0 ||
	    check_known(sending, &state, err) < 0 ||
	    (!again && check(sending, &config, &state, err) < 0))
		return -1;
	bool running = state.phase == VE_RUNNING && ve_process_alive(&state, &state.init);
	sending->processes = (running && sending->request->online) || state.phase == VE_DUMPED;
	sending->ids_base = sending->processes ? state.ids_base : 0;
	int there = begin(sending, &config, &sending->place, err);
	if (there < 0)
		return -1;
	if (there) {
		AUTO(ve_disk_release) struct ve_disk disk = VE_DISK_INIT;
		if (ve_disk_load(&config, &disk, err) < 0 ||
		    leave_step(sending, JOURNAL_COMMITTED, err) < 0 ||
		    leave_lock(sending, err) < 0 || finish(sending, is_quota(disk.kind), err) < 0 ||
		    leave_step(sending, JOURNAL_DONE, err) < 0)
			return -1;
		return leave_for_good(sending, err);
	}
	if (move(sending, &config, &state, running, err) == 0)
		return 0;
	give_up(sending, err);
	return -1;
}

static int check_peer(const struct sending *sending, struct error *err)
{
	const struct journal *journal = &sending->journal;
	if (journal->step == JOURNAL_ARRIVING) {
		error_set(err, ERROR_LOCKED, "the VE %u is on its way here, from %s",
			  sending->life->ctid, journal->peer);
		return error_hint(err, "\"vzmigrate --cancel %u\" removes what has come of it",
				  sending->life->ctid);
	}
	if (journal->step == JOURNAL_NONE || !strcmp(journal->peer, sending->request->remote.host))
		return 0;
	if (journal->step == JOURNAL_COPYING) {
		report_warning(
			sending->life->report, journal->peer,
			"a copy of the VE may be left on %s, which \"vzmigrate --cancel %u\" "
			"there removes",
			journal->peer, sending->life->ctid);
		return 0;
	}
	error_set(err, ERROR_LOCKED, "the VE %u is being moved to %s", sending->life->ctid,
		  journal->peer);
	return error_hint(err, "complete that, or take it back with \"vzmigrate --cancel %u\"",
			  sending->life->ctid);
}

int send_ve(const struct life *life, struct send_request *request, struct error *err)
{
	AUTO(sending_release) struct sending sending = SENDING_INIT(life, request);
	if (leave_open(&sending, err) < 0)
		return -1;
	int result = check_peer(&sending, err);
	if (result == 0) {
		free(sending.journal.peer);
		sending.journal.peer = xstrdup(request->remote.host);
		sending.journal.keep |= request->keep;
	}
	if (result == 0)
		result = sending.journal.step == JOURNAL_DONE ? leave_for_good(&sending, err)
							      : begin_and_move(&sending, err);
	return result < 0
		       ? error_wrap(err, "moving the VE %u to %s", life->ctid, request->remote.host)
		       : 0;
}
