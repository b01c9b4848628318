#include "vzpkg/cmd/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "runtime/area/layer.h"
#include "vzpkg/cmd/gate_audit.h"
#include "vzpkg/cmd/gate_ve.h"

#define NOTE "gate.json"

enum { JOURNAL_LINES = 15, NOTE_SCHEMA = 1 };

struct limits {
	unsigned timeout_s;
	unsigned size_percent, packages_percent;
};

static int read_limits(const struct app *app, struct limits *ret, struct error *err)
{
	if (app_number(app, "GATE_TIMEOUT", 120, 86400, &ret->timeout_s, err) < 0 ||
	    app_number(app, "GATE_SIZE_CHANGE", 30, 1000000, &ret->size_percent, err) < 0 ||
	    app_number(app, "GATE_PACKAGES_CHANGE", 20, 1000000, &ret->packages_percent, err) < 0)
		return -1;
	return 0;
}

/* ---- against the manifest of before ------------------------------------------------------------------------ */

static uint64_t image_size(const json_t *manifest)
{
	const json_t *image = json_object_get(manifest, "image");
	return (uint64_t)json_integer_value(json_object_get(image, "tar_size"));
}

static int check_jump(const char *what, const char *unit, uint64_t before, uint64_t now,
		      unsigned percent, const char *key, struct error *err)
{
	uint64_t change = now > before ? now - before : before - now;
	if (!before || change * 100 <= before * percent)
		return 0;
	error_set(err, ERROR_GATE,
		  "%s went from %" PRIu64 "%s to %" PRIu64 "%s, which is more than %u %%", what,
		  before, unit, now, unit, percent);
	return error_hint(err,
			  "the old cache stays in use. If this is meant to be, build once with "
			  "a higher %s in vzpkg.conf, or without the gate",
			  key);
}

static int check_jumps(const struct gate *gate, const struct limits *limits, struct error *err)
{
	json_t *before = NULL;
	generation_current(gate->app->host.template_dir, gate->template->text, &before);
	int result = check_jump("its size", " MB", image_size(before) >> 20,
				image_size(gate->manifest) >> 20, limits->size_percent,
				"GATE_SIZE_CHANGE", err);
	if (result == 0)
		result = check_jump("the number of its packages", "",
				    json_array_size(json_object_get(before, "packages")),
				    json_array_size(json_object_get(gate->manifest, "packages")),
				    limits->packages_percent, "GATE_PACKAGES_CHANGE", err);
	json_decref(before);
	return result;
}

/* ---- units that have failed ---------------------------------------------------------------------------------- */

static void add_words(const json_t *array, struct strvec *words)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		strvec_push(words, json_string_value(json_array_get(array, i)) ?: "");
}

/* Of the current generation: as its gate has seen it, or else as it is now. Without one, none. */
static int failed_before(const struct gate *gate, struct gate_ve *ve, struct strvec *failed,
			 struct error *err)
{
	autofree char *file = xasprintf("%s.tar.gz", gate->template->text);
	json_t *note = generation_current_note(gate->draft, NOTE);
	/* Of another vzpkg, it may mean something else. */
	bool known = json_integer_value(json_object_get(note, "schema")) == NOTE_SCHEMA;
	if (known)
		add_words(json_object_get(note, "failed"), failed);
	json_decref(note);
	if (known || !generation_current(gate->app->host.template_dir, gate->template->text, NULL))
		return 0;
	if (gate_ve_destroy(ve, err) < 0)
		return -1;
	AUTO(error_clear) struct error why = ERROR_INIT;
	if (gate_ve_boot(ve, gate->draft->cache, file, failed, &why) == 0 || why.kind == ERROR_GATE)
		return 0; /* one that does not start has nothing to be compared with */
	error_move(err, &why);
	return -1;
}

/* What the first of them has to say, by systemd. */
static char *journal(struct gate_ve *ve, const char *unit)
{
	AUTO(strbuf_release) struct strbuf output = STRBUF_INIT;
	/* A unit's name may hold what a shell takes for its own. */
	if (strspn(unit, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.@") !=
	    strlen(unit))
		return xstrdup("");
	autofree char *command =
		xasprintf("systemctl --no-pager --full --lines=10 status -- %s", unit);
	int status;
	if (gate_ve_ask(ve, command, &output, &status, NULL) < 0)
		return xstrdup("");
	return text_tail(output.text, JOURNAL_LINES);
}

static int check_failed(const struct gate *gate, struct gate_ve *ve, const struct strvec *failed,
			struct error *err)
{
	AUTO(strvec_release) struct strvec before = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf names = STRBUF_INIT;
	const char *first = NULL;
	if (!failed->count)
		return 0;
	autofree char *said = journal(ve, failed->items[0]);
	if (failed_before(gate, ve, &before, err) < 0)
		return -1;
	for (size_t i = 0; i < failed->count; i++) {
		if (strvec_contains(&before, failed->items[i]))
			continue;
		strbuf_addf(&names, "%s%s", first ? ", " : "", failed->items[i]);
		first = first ?: failed->items[i];
	}
	if (!first)
		return 0;
	bool of_first = !strcmp(first, failed->items[0]) && *said;
	return error_set(err, ERROR_GATE, "in a VE made of it, %s failed%s%s", names.text,
			 of_first ? "; systemd says:" : "", of_first ? said : "");
}

static int keep_note(const struct gate *gate, const struct strvec *failed, struct error *err)
{
	json_t *units = json_array();
	for (size_t i = 0; i < failed->count; i++)
		json_array_append_new(units, json_string(failed->items[i]));
	json_t *note = json_pack("{s:i s:o}", "schema", NOTE_SCHEMA, "failed", units);
	int result = generation_note(gate->draft, NOTE, note, err);
	json_decref(note);
	return result;
}

/* ---------------------------------------------------------------------------------------------------------------- */

static int try_ve(const struct gate *gate, struct gate_ve *ve, const struct strvec *failed,
		  struct error *err)
{
	const json_t *packages = json_object_get(gate->manifest, "packages");

	if (gate_audit(ve, gate->template->format, packages, err) < 0 ||
	    check_failed(gate, ve, failed, err) < 0)
		return -1;
	return keep_note(gate, failed, err);
}

static int try_tarball(const struct gate *gate, const struct limits *limits, struct error *err)
{
	AUTO(gate_ve_close) struct gate_ve ve = GATE_VE_INIT;
	AUTO(strvec_release) struct strvec failed = STRVEC_INIT;
	autofree char *file = xasprintf("%s.tar.gz", gate->template->text);

	if (gate_ve_open(&ve, gate->app, gate->workdir, limits->timeout_s, err) < 0 ||
	    gate_ve_boot(&ve, gate->draft->dir, file, &failed, err) < 0)
		return -1;
	return try_ve(gate, &ve, &failed, err);
}

static int try_tree(const struct gate *gate, const struct limits *limits, const char *tree,
		    bool *ret, struct error *err)
{
	AUTO(gate_ve_close) struct gate_ve ve = GATE_VE_INIT;
	AUTO(strvec_release) struct strvec failed = STRVEC_INIT;

	if (gate_ve_open(&ve, gate->app, gate->workdir, limits->timeout_s, err) < 0 ||
	    gate_ve_boot_tree(&ve, gate->template->text, tree, ret, &failed, err) < 0)
		return -1;
	return *ret ? try_ve(gate, &ve, &failed, err) : 0;
}

/* Says what it means that it failed, if it did. */
static int explain(const struct gate *gate, int result, struct error *err)
{
	if (result == 0 || err->kind != ERROR_GATE)
		return result;
	error_hint(
		err,
		"the old cache, if there was one, stays in use. \"vzpkg create-cache --force %s\" "
		"builds without the gate",
		gate->template->text);
	error_subject(err, "%s", gate->template->text);
	return error_wrap(err, "%s is not published: the gate", gate->template->text);
}

int gate_run(const struct gate *gate, struct error *err)
{
	struct limits limits;
	if (read_limits(gate->app, &limits, err) < 0)
		return -1;
	report_phase(gate->app->report, "trying it in a VE", REPORT_ITEMS, 0, 5);
	int result = check_jumps(gate, &limits, err);
	if (result == 0)
		result = try_tarball(gate, &limits, err);
	report_phase_end(gate->app->report);
	return explain(gate, result, err);
}

int gate_try_tree(const struct gate *gate, const char *tree, bool *ret, struct error *err)
{
	struct limits limits;
	if (read_limits(gate->app, &limits, err) < 0)
		return -1;
	report_phase(gate->app->report, "trying it in a VE", REPORT_ITEMS, 0, 5);
	int result = try_tree(gate, &limits, tree, ret, err);
	report_phase_end(gate->app->report);
	return explain(gate, result, err);
}

int gate_compare(const struct gate *gate, struct error *err)
{
	struct limits limits;
	if (read_limits(gate->app, &limits, err) < 0)
		return -1;
	return explain(gate, check_jumps(gate, &limits, err), err);
}

/* The layer that was unpacked of it, named by the digest of what was read. */
static char *layer_folder(const struct gate *gate)
{
	const json_t *image = json_object_get(gate->manifest, "image");
	return gate_ve_layer(gate->workdir,
			     json_string_value(json_object_get(image, "gzip_sha256")));
}

bool gate_has_read_all(const struct gate *gate)
{
	autofree char *folder = layer_folder(gate);
	return access(folder, F_OK) == 0;
}

int gate_keep_layer(const struct gate *gate, struct error *err)
{
	const struct host_config *host = &gate->app->host;
	autofree char *folder = layer_folder(gate);
	autofree char *tarball =
		xasprintf("%s/cache/%s.tar.gz", host->template_dir, gate->template->text);
	if (gate_ve_name_layer(gate->workdir, folder, err) < 0)
		return -1;
	autoclose int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return 0; /* VE_LAYOUT=simfs, or a host that has no overlay */
	/* All of it is on disk before it has a name that promises that. */
	if (syncfs(dir) < 0)
		return error_errno(err, errno, "syncing the layer");
	return layer_adopt(host, folder, tarball, err);
}

unsigned gate_sweep(const struct app *app)
{
	return gate_ve_sweep(app);
}
