/*
 * vzpkg lock: writes down which packages a template is built of at present, so that it is built of the same ones later.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/worker.h"
#include "vzpkg/cmd/command.h"
#include "vzpkg/cmd/packages.h"

static const char *output;
static bool removing;

static const struct option_row options[] = {
	{ "output", 'o', OPTION_STRING, &output, "FILE",
	  "write FILE, for --locked, and not the template's own lock file" },
	{ "remove", 0, OPTION_FLAG, &removing, NULL, "remove the template's own lock file" },
	{ NULL },
};

static int write_file(const char *path, const json_t *lock, struct error *err)
{
	const char *slash = strrchr(path, '/');
	autofree char *folder = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	/* Only the folder of the template's own is made: a name that was mistyped is not to become one. */
	autoclose int dir = dir_open(AT_FDCWD, folder, !output, 0755, err);
	autofree char *text = json_dumps(lock, JSON_INDENT(1));

	if (dir < 0)
		return -1;
	AUTO(strbuf_release) struct strbuf content = STRBUF_INIT;
	strbuf_addf(&content, "%s\n", text);
	return file_write_atomic(dir, slash ? slash + 1 : path, 0644, content.text, content.length,
				 err);
}

static int remove_file(struct app *app, const struct template *template, const char *path,
		       struct command_result *ret, struct error *err)
{
	if (unlink(path) < 0) {
		if (errno != ENOENT)
			return error_errno(err, errno, "removing %s", path);
		error_set(err, ERROR_NO_FILE, "%s has no lock file", template->text);
		return error_subject(err, "%s", path);
	}
	report_info(app->report, "removed %s", path);
	ret->json = json_pack("{s:s s:s s:s}", "template", template->text, "status", "removed",
			      "path", path);
	return 0;
}

static int write_lock(struct app *app, const struct template *template, const char *path,
		      struct command_result *ret, struct error *err)
{
	AUTO(app_plan_release) struct app_plan solved = APP_PLAN_INIT;
	AUTO(packages_release) struct packages packages = PACKAGES_INIT;

	/* The packages too: who signed them is known when they are there, and who locks them will want them. */
	app->unlocked = true;
	if (app_plan(app, template, NULL, &solved, err) < 0 ||
	    packages_fill_verified(app, template, &solved, cpu_count(), &packages, err) < 0)
		return -1;
	report_phase_end(app->report);
	json_t *lock = lockfile_make(template, solved.metadata, solved.plan);
	int result = write_file(path, lock, err);
	json_decref(lock);
	if (result < 0)
		return -1;
	strbuf_addf(&ret->text, "%s\n", path);
	ret->json = json_pack("{s:s s:s s:s s:I}", "template", template->text, "status", "locked",
			      "path", path, "packages", (json_int_t)solved.plan->count);
	return 0;
}

static int run(struct app *app, const struct strvec *operands, struct command_result *ret,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;

	if (output && removing)
		return error_set(err, ERROR_USAGE, "--output writes, and --remove removes");
	if (app_template(app, operands->items[0], &template, err) < 0)
		return -1;
	autofree char *path =
		output ? xstrdup(output) : lockfile_path(app->host.template_dir, template->text);
	return removing ? remove_file(app, template, path, ret, err)
			: write_lock(app, template, path, ret, err);
}

const struct command command_lock = {
	.name = "lock",
	.operands = "TEMPLATE",
	.operands_min = 1,
	.operands_max = 1,
	.summary = "Pins a template to the packages that it would get at present",
	.options = options,
	.run = run,
};
