#include "vzpkg/cmd/gate_ve.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/conf_edit.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "runtime/area/layer.h"
#include "runtime/config/ctid.h"
#include "runtime/config/ve_config.h"

#define GATE_FOLDER "gate"
#define CONF_NAME "vz.conf"
/* In the place of a layer's digest. */
#define UNNAMED "0000000000000000000000000000000000000000000000000000000000000000"

/* What vzctl(8) says of a VE that is not there, or does not run; and when there is no space. */
enum { VZCTL_NO_VE = 14, VZCTL_NOT_RUNNING = 31, VZCTL_NO_SPACE = 46 };

enum {
	UNPACK_LIMIT_S = 3600,
	TIDY_LIMIT_S = 300,
	LOCK_LIMIT_S = 5,
	MARGIN_S = 60, /* until vzctl is given up, which has a limit itself */
	NUMBERS = 1000, /* of the highest ones: those that may be taken */
	SPREAD =
		500, /* two installations of a host, with a LOCKDIR each, seldom begin at the same */
	LINES = 15,
};

/* Beside this program. */
static char *vzctl_path(void)
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[length > 0 ? length : 0] = 0;
	char *slash = strrchr(program, '/');
	return xasprintf("%.*s/vzctl", slash ? (int)(slash - program) : 0, program);
}

/* ---- vzctl --------------------------------------------------------------------------------------------- */

struct call {
	const char *const
		*words; /* command, options and operands; after the command comes the CTID */
	unsigned limit_s;
	bool tidying; /* and not to be interrupted */
	bool json;
};

static int call_vzctl(const struct gate_ve *ve, const struct call *call, struct strbuf *output,
		      struct strbuf *errors, int *status, struct error *err)
{
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	strvec_push(&argv, ve->vzctl);
	strvec_push(&argv, "--conf");
	strvec_push(&argv, ve->conf);
	strvec_push(&argv, call->json ? "--json" : "-q");
	strvec_push(&argv, call->words[0]);
	strvec_push(&argv, ve->ctid);
	for (size_t i = 1; call->words[i]; i++)
		strvec_push(&argv, call->words[i]);
	const struct child_run run = {
		.argv = (const char *const *)argv.items,
		.limit_s = call->limit_s,
		.undisturbed = call->tidying,
	};
	return child_run(&run, output, errors, status, err);
}

/* The first error of its JSON document, or what it has printed else. */
static int vzctl_failed(const char *command, int status, const struct strbuf *output,
			const struct strbuf *errors, struct error *err)
{
	json_t *document = json_loadb(output->text, output->length, 0, NULL);
	const json_t *first = json_array_get(json_object_get(document, "errors"), 0);
	const char *message = json_string_value(json_object_get(first, "message"));
	enum error_kind kind = status == VZCTL_NO_SPACE ? ERROR_NO_SPACE : ERROR_GATE;
	autofree char *tail = text_tail(errors->text, LINES);

	if (message)
		error_set(err, kind, "%s", message);
	else
		error_set(err, kind, "vzctl %s ended with status %d%s%s", command, status,
			  *tail ? "; it printed:" : "", tail);
	json_decref(document);
	return -1;
}

/* *ret (may be NULL) is its result, the caller's. */
static int vzctl(const struct gate_ve *ve, const char *const *words, unsigned limit_s, json_t **ret,
		 struct error *err)
{
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	const struct call call = { .words = words, .limit_s = limit_s, .json = true };
	int status;
	if (call_vzctl(ve, &call, &output, &errors, &status, err) < 0)
		return -1;
	if (status)
		return vzctl_failed(words[0], status, &output, &errors, err);
	json_t *document = json_loadb(output.text, output.length, 0, NULL);
	if (ret)
		*ret = json_incref(json_object_get(document, "result"));
	json_decref(document);
	return 0;
}

/* ---- its place ------------------------------------------------------------------------------------------ */

/* A number that no VE has and no other gate has taken, the highest first. */
static int take_number(struct gate_ve *ve, const struct host_config *host, struct error *err)
{
	unsigned from = (unsigned)getpid() % SPREAD;
	ve->lock_dir = dir_open(AT_FDCWD, host->lock_dir, true, 0755, err);
	if (ve->lock_dir < 0)
		return -1;
	for (unsigned i = from; i < from + NUMBERS; i++) {
		unsigned ctid = CTID_LAST - i;
		autofree char *lock = xasprintf("%u.gate", ctid);
		autofree char *state = xasprintf("%u.state", ctid);
		if (ve_config_exists(host, ctid) ||
		    !lock_try(&ve->lock, ve->lock_dir, lock, LOCK_EXCLUSIVE))
			continue;
		if (faccessat(ve->lock_dir, state, F_OK, 0) == 0) {
			lock_remove(&ve->lock, ve->lock_dir, lock);
			continue;
		}
		snprintf(ve->ctid, sizeof(ve->ctid), "%u", ctid);
		return 0;
	}
	error_set(err, ERROR_LOCKED, "no number is free for a VE");
	return error_hint(err, "%s has locks and states of the last thousand: are they in use?",
			  host->lock_dir);
}

static int write_conf(const struct gate_ve *ve, int folder, const struct host_config *host,
		      struct error *err)
{
	static const char *const folders[] = { "template", "template/cache", "conf" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (mkdirat(folder, folders[i], 0700) < 0)
			return error_errno(err, errno, "creating %s/%s", ve->folder, folders[i]);
	const struct conf_change changes[] = {
		{ "TEMPLATE", "template" },    { "VE_PRIVATE", "private/$VEID" },
		{ "VE_ROOT", "root/$VEID" },   { "VE_CONFDIR", "conf" },
		{ "LOCKDIR", host->lock_dir },
	};
	return conf_edit(folder, CONF_NAME, changes, sizeof(changes) / sizeof(*changes), err);
}

/* From now on the work folder is not swept without the VE, whose number is in this file. */
static int hold(const struct gate_ve *ve, struct error *err)
{
	return file_write_atomic(ve->workdir->fd, WORKDIR_HOLD, 0600, ve->ctid, strlen(ve->ctid),
				 err);
}

int gate_ve_open(struct gate_ve *ve, const struct app *app, const struct workdir *workdir,
		 unsigned limit_s, struct error *err)
{
	ve->workdir = workdir;
	ve->limit_s = limit_s;
	ve->vzctl = vzctl_path();
	ve->folder = xasprintf("%s/" GATE_FOLDER, workdir->path);
	ve->conf = xasprintf("%s/" CONF_NAME, ve->folder);
	/* Layers in it hold set-user-id programs of other people. */
	autoclose int folder = dir_open(workdir->fd, GATE_FOLDER, true, 0700, err);
	if (folder < 0 || write_conf(ve, folder, &app->host, err) < 0 ||
	    take_number(ve, &app->host, err) < 0)
		return -1;
	return hold(ve, err);
}

/* vzctl leaves the file of a VE's lock, as its number comes again; this one hardly does. The VE's monitor may hold it for a
 * moment still. */
static void drop_lock(int lock_dir, const char *ctid)
{
	struct lock lock = LOCK_INIT;
	autofree char *name = xasprintf("%s.lck", ctid);
	if (lock_take(&lock, lock_dir, name, LOCK_EXCLUSIVE, LOCK_LIMIT_S, NULL, NULL, NULL) == 0)
		lock_remove(&lock, lock_dir, name);
}

void gate_ve_close(struct gate_ve *ve)
{
	/* What cannot be taken away now is held for the next sweep. */
	if (ve->lock.fd >= 0 && gate_ve_destroy(ve, NULL) == 0) {
		unlinkat(ve->workdir->fd, WORKDIR_HOLD, 0);
		drop_lock(ve->lock_dir, ve->ctid);
	}
	if (ve->lock.fd >= 0) {
		autofree char *lock = xasprintf("%s.gate", ve->ctid);
		lock_remove(&ve->lock, ve->lock_dir, lock);
	}
	if (ve->lock_dir >= 0)
		close(ve->lock_dir);
	free(ve->vzctl);
	free(ve->folder);
	free(ve->conf);
	*ve = GATE_VE_INIT;
}

/* ---- its life --------------------------------------------------------------------------------------------- */

static int show_tarball(const struct gate_ve *ve, int dir, const char *name, struct error *err)
{
	autofree char *place = xasprintf("%s/template/cache/%s", ve->folder, name);
	if (unlink(place) < 0 && errno != ENOENT)
		return error_errno(err, errno, "removing %s", place);
	return linkat(dir, name, AT_FDCWD, place, 0) < 0
		       ? error_errno(err, errno, "linking %s to %s", name, place)
		       : 0;
}

static int start(struct gate_ve *ve, struct strvec *failed, struct error *err)
{
	autofree char *limit = xasprintf("%u", ve->limit_s);
	const char *start[] = { "start", "--wait", "--wait-timeout", limit, NULL };
	json_t *result = NULL;
	if (vzctl(ve, start, ve->limit_s + MARGIN_S, &result, err) < 0)
		return -1;
	const json_t *units = json_object_get(result, "failed");
	for (size_t i = 0; i < json_array_size(units); i++)
		strvec_push(failed, json_string_value(json_array_get(units, i)) ?: "");
	json_decref(result);
	return 0;
}

int gate_ve_boot(struct gate_ve *ve, int dir, const char *name, struct strvec *failed,
		 struct error *err)
{
	autofree char *template = xstrdup(name);
	char *suffix = strstr(template, ".tar.gz");
	if (suffix)
		*suffix = 0;
	const char *create[] = { "create",     "--ostemplate",   template,
				 "--no-build", "--bundled-init", NULL };
	if (show_tarball(ve, dir, name, err) < 0 ||
	    vzctl(ve, create, UNPACK_LIMIT_S, NULL, err) < 0)
		return -1;
	return start(ve, failed, err);
}

/* ---- of a tree ------------------------------------------------------------------------------------------- */

/* vzctl does not read a tarball whose layer it knows: an empty one will do, and any name of the layer. */
static int stand_in(const struct gate_ve *ve, const char *tarball, const char *tree,
		    struct error *err)
{
	autofree char *folder = xasprintf("%s/template", ve->folder);
	autofree char *layer = xasprintf("%s/" UNNAMED, ve->folder);
	const struct host_config own = { .template_dir = folder };

	autoclose int fd = open(tarball, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(err, errno, "creating %s", tarball);
	if (renameat(ve->workdir->fd, tree, AT_FDCWD, layer) < 0)
		return error_errno(err, errno, "renaming %s", tree);
	return layer_adopt(&own, layer, tarball, err);
}

/* As it was. */
static int take_back(struct gate_ve *ve, const char *tree, struct error *err)
{
	const struct workdir *workdir = ve->workdir;
	autofree char *layer = gate_ve_layer(workdir, UNNAMED);

	if (renameat(AT_FDCWD, layer, workdir->fd, tree) < 0)
		return error_errno(err, errno, "renaming the layer of %s", tree);
	gate_ve_close(ve);
	return tree_remove(workdir->fd, GATE_FOLDER, err);
}

int gate_ve_boot_tree(struct gate_ve *ve, const char *template, const char *tree, bool *ret,
		      struct strvec *failed, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	autofree char *tarball = xasprintf("%s/template/cache/%s.tar.gz", ve->folder, template);
	const char *create[] = { "create",         "--ostemplate", template,  "--no-build",
				 "--bundled-init", "--layout",     "overlay", NULL };

	*ret = false;
	if (stand_in(ve, tarball, tree, err) < 0)
		return -1;
	if (vzctl(ve, create, UNPACK_LIMIT_S, NULL, &why) < 0)
		return interrupt_check(err) < 0 ? -1 : take_back(ve, tree, err);
	*ret = true;
	return start(ve, failed, err);
}

int gate_ve_name_layer(const struct workdir *workdir, const char *folder, struct error *err)
{
	autofree char *layer = gate_ve_layer(workdir, UNNAMED);
	if (rename(layer, folder) < 0 && errno != ENOENT)
		return error_errno(err, errno, "renaming the layer");
	return 0;
}

/* ---- asking it -------------------------------------------------------------------------------------------- */

int gate_ve_ask(struct gate_ve *ve, const char *command, struct strbuf *output, int *status,
		struct error *err)
{
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	const char *words[] = { "exec2", command, NULL };
	const struct call call = { .words = words, .limit_s = ve->limit_s };
	int ended;
	if (call_vzctl(ve, &call, output, &errors, &ended, err) < 0)
		return err->kind == ERROR_TIME_LIMIT
			       ? error_set(err, ERROR_GATE, "%s did not end within %u s", command,
					   ve->limit_s)
			       : -1;
	if (status)
		*status = ended;
	if (ended == 0 || status)
		return 0;
	autofree char *tail = text_tail(errors.length ? errors.text : output->text, LINES);
	return error_set(err, ERROR_GATE, "%s ended with status %d%s%s", command, ended,
			 *tail ? "; it printed:" : "", tail);
}

static int tidy(const struct gate_ve *ve, const char *command, const char *option, int also_good,
		struct error *err)
{
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	const char *words[] = { command, option, NULL };
	const struct call call = {
		.words = words, .limit_s = TIDY_LIMIT_S, .tidying = true, .json = true
	};
	int status;
	if (call_vzctl(ve, &call, &output, &errors, &status, err) < 0)
		return -1;
	if (status == 0 || status == VZCTL_NO_VE || status == also_good)
		return 0;
	return vzctl_failed(command, status, &output, &errors, err);
}

int gate_ve_destroy(struct gate_ve *ve, struct error *err)
{
	return tidy(ve, "stop", "--fast", VZCTL_NOT_RUNNING, err) < 0
		       ? -1
		       : tidy(ve, "destroy", NULL, 0, err);
}

char *gate_ve_layer(const struct workdir *workdir, const char *gzip_sha256)
{
	return xasprintf("%s/" GATE_FOLDER "/template/layer/%s", workdir->path, gzip_sha256);
}

/* ---- after a kill ------------------------------------------------------------------------------------------- */

static int take_away(int folder, const char *path, void *data)
{
	AUTO(strbuf_release) struct strbuf ctid = STRBUF_INIT;
	const struct app *app = data;
	unsigned number;
	struct gate_ve ve = GATE_VE_INIT;
	if (file_read(folder, WORKDIR_HOLD, sizeof(ve.ctid) - 1, &ctid, NULL) < 0 ||
	    ctid_parse(ctid.text, &number, NULL) < 0)
		return 0; /* none of ours: nothing is known to belong to it */
	snprintf(ve.ctid, sizeof(ve.ctid), "%u", number);
	ve.vzctl = vzctl_path();
	ve.conf = xasprintf("%s/" GATE_FOLDER "/" CONF_NAME, path);
	int result = gate_ve_destroy(&ve, NULL);
	ve.lock_dir = dir_open(AT_FDCWD, app->host.lock_dir, false, 0, NULL);
	if (result == 0 && ve.lock_dir >= 0) {
		autofree char *gate = xasprintf("%u.gate", number);
		unlinkat(ve.lock_dir, gate, 0);
		drop_lock(ve.lock_dir, ve.ctid);
	}
	if (ve.lock_dir >= 0)
		close(ve.lock_dir);
	free(ve.vzctl);
	free(ve.conf);
	return result;
}

unsigned gate_ve_sweep(const struct app *app)
{
	return workdir_sweep_held(app->host.template_dir, take_away, (void *)(uintptr_t)app);
}
