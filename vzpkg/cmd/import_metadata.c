/*
 * vzpkg import-metadata: a template of OpenVZ's or Virtuozzo's tools becomes one of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "vzpkg/cache/workdir.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/finding.h"
#include "vzpkg/cmd/import_publish.h"
#include "vzpkg/import/import.h"

static const char *name, *output;
static struct strvec keys;
static bool dry_run, force;

static const struct option_row options[] = {
	{ "name", 0, OPTION_STRING, &name, "OS-RELEASE",
	  "what it is called, if the tree does not tell" },
	{ "key", 0, OPTION_LIST, &keys, "FILE",
	  "trust the OpenPGP keys in FILE, too; may be repeated" },
	{ "output", 0, OPTION_STRING, &output, "DIR", "write below DIR instead of TEMPLATE" },
	{ "dry-run", 'n', OPTION_FLAG, &dry_run, NULL, "write nothing, say what would be written" },
	{ "force", 'f', OPTION_FLAG, &force, NULL,
	  "replace a template that is there; it is kept as config.old" },
	{ NULL },
};

/* ---- what is said ----------------------------------------------------------------------------------------- */

static void note_text(const struct import_note *note, struct strbuf *text)
{
	if (*note->file && note->line)
		strbuf_addf(text, "%s:%u: ", note->file, note->line);
	else if (*note->file)
		strbuf_addf(text, "%s: ", note->file);
	strbuf_addf(text, "%s: %s", note->taken ? "taken" : "left", note->what);
	if (note->why)
		strbuf_addf(text, note->taken ? " (%s)" : ": %s", note->why);
	strbuf_addc(text, '\n');
}

static json_t *notes_json(const struct import *import)
{
	json_t *array = json_array();
	for (size_t i = 0; i < import->note_count; i++) {
		const struct import_note *note = &import->notes[i];
		json_array_append_new(array,
				      json_pack("{s:s s:I s:b s:s s:s?}", "file", note->file,
						"line", (json_int_t)note->line, "taken",
						note->taken, "what", note->what, "why", note->why));
	}
	return array;
}

static void say(const struct import *import, struct command_result *ret)
{
	json_t *sets = json_array();

	for (size_t i = 0; i < import->note_count; i++)
		note_text(&import->notes[i], &ret->text);
	for (size_t i = 0; i < import->sets.count; i++)
		json_array_append_new(sets, json_string(import->sets.items[i]));
	ret->json = json_pack("{s:o s:s s:o s:o s:[] s:b s:n s:[]}", "template",
			      json_sprintf("%s-%s", import->os, import->release), "kind",
			      import->kind == IMPORT_EZ ? "ez" : "openvz", "sets", sets, "notes",
			      notes_json(import), "findings", "written", false, "path", "kept");
}

/* ---- what lint says ------------------------------------------------------------------------------------------ */

struct linted {
	const char *folder, *root; /* where it is, where it will be */
	struct command_result *ret;
};

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	struct linted *linted = data;
	size_t length = strlen(linted->folder);
	bool inside = strncmp(file, linted->folder, length) == 0 && file[length] == '/';
	autofree char *path =
		inside ? xasprintf("%s%s", linted->root, file + length) : xstrdup(file);

	finding_add(is_error, path, line, text, &linted->ret->text,
		    json_object_get(linted->ret->json, "findings"));
}

static int lint(struct app *app, const struct import *import, const struct import_place *place,
		const char *folder, struct command_result *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec roots = STRVEC_INIT;
	struct template_source source = app_template_source(app);
	struct linted linted = { .folder = folder, .root = place->root, .ret = ret };
	bool is_default = strcmp(import->sets.items[0], "default") == 0;
	autofree char *text =
		xasprintf("%s-%s-%s%s%s", import->os, import->release, import->arch ?: arch_host(),
			  is_default ? "" : "-", is_default ? "" : import->sets.items[0]);

	strvec_push(&roots, folder);
	strvec_push(&roots, app->host.data_dir);
	source.roots = roots;
	int errors = template_lint(&source, text, found, &linted, err);
	if (errors <= 0)
		return errors;
	error_set(err, ERROR_BAD_TEMPLATE,
		  "%s-%s: what came out has %d mistake%s, and is not written", import->os,
		  import->release, errors, errors == 1 ? "" : "s");
	error_subject(err, "%s-%s", import->os, import->release);
	return error_hint(err,
			  "give what the tree lacks: --key FILE for keys, --repository LINE for "
			  "repositories");
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static int try(struct app *app, const struct import *import, const struct import_place *place,
	       struct command_result *ret, struct error *err)
{
	const char *top = getenv("TMPDIR");
	autofree char *folder = xasprintf("%s/vzpkg-import.XXXXXX", top && *top ? top : "/tmp");

	if (!mkdtemp(folder))
		return error_errno(err, errno, "creating %s", folder);
	int status = import_stage(import, place, folder, err);
	if (status == 0)
		status = lint(app, import, place, folder, ret, err);
	tree_remove(AT_FDCWD, folder, NULL);
	return status;
}

static void say_kept(const struct strvec *kept, struct app *app, struct command_result *ret)
{
	for (size_t i = 0; i < kept->count; i++) {
		report_info(app->report, "what was there is kept as %s", kept->items[i]);
		json_array_append_new(json_object_get(ret->json, "kept"),
				      json_string(kept->items[i]));
	}
}

static int put(struct app *app, const struct import *import, const struct import_place *place,
	       struct command_result *ret, struct error *err)
{
	AUTO(workdir_remove) struct workdir work = WORKDIR_INIT;
	AUTO(strvec_release) struct strvec kept = STRVEC_INIT;
	autofree char *text = xasprintf("import-%s-%s", import->os, import->release);

	if (workdir_create(&work, place->root, text, err) < 0 ||
	    import_stage(import, place, work.path, err) < 0 ||
	    lint(app, import, place, work.path, ret, err) < 0 || interrupt_check(err) < 0 ||
	    import_publish(import, place, &work, &kept, err) < 0)
		return -1;
	say_kept(&kept, app, ret);
	json_object_set_new(ret->json, "written", json_true());
	report_info(app->report, "%s-%s is in %s", import->os, import->release, place->config);
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(import_freep) struct import *import = NULL;
	AUTO(import_place_release) struct import_place place = IMPORT_PLACE_INIT;
	const char *dir = operands->items[0], *root = output ?: app->host.template_dir;
	struct import_request request = {
		.dir = dir,
		.name = name,
		.key_files = &keys,
		.variables = &app->variables,
		.repositories = &app->options.repositories,
	};

	if (import_read(&request, &import, err) < 0 || interrupt_check(err) < 0)
		return -1;
	say(import, ret);
	if (import_place_find(root, dir, import, force, &place, err) < 0)
		return -1;
	json_object_set_new(ret->json, "path", json_string(place.config));
	if (dry_run)
		return try(app, import, &place, ret, err);
	workdir_sweep(place.root);
	int status = put(app, import, &place, ret, err);
	if (output) {
		/* A folder of somebody's own: no work folder stays in it, unless another run has one. */
		autofree char *tmp = xasprintf("%s/tmp", place.root);
		rmdir(tmp);
	}
	return status;
}

const struct command command_import_metadata = {
	.name = "import-metadata",
	.operands = "DIR",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Makes a template of one of OpenVZ's or Virtuozzo's",
	.options = options,
	.run = run,
};
