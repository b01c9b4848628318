#include "vzpkg/install/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

enum { TIME_LIMIT_S = 1800, OUTPUT_LINES = 15 };

/* ---- starting ----------------------------------------------------------------------------------------- */

static void set_env(struct strvec *env, const struct template *template, int64_t epoch)
{
	strvec_push(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	strvec_push(env, "HOME=/root");
	strvec_push(env, "TERM=dumb");
	if (template->format == PACKAGE_DEB) {
		strvec_push(env, "DEBIAN_FRONTEND=noninteractive");
		strvec_push(env, "DEBCONF_NONINTERACTIVE_SEEN=true");
	}
	if (epoch)
		strvec_pushf(env, "SOURCE_DATE_EPOCH=%lld", (long long)epoch);
	for (size_t i = 0; i < template->environment.count; i++)
		strvec_push(env, template->environment.items[i]);
}

static int start(struct session *session, struct ve_spec *spec, struct error *err)
{
	const struct install_job *job = session->job;
	autofree char *name = xasprintf("%s.%d", job->template->text, (int)getpid());
	autofree char *init = xasprintf("%s/vzinit", job->host->libexec_dir);

	spec->name = name;
	spec->tree = job->tree;
	spec->arch = job->template->name.arch;
	spec->init = init;
	spec->lock_dir = job->host->lock_dir;
	spec->no_sync = true;
	spec->fixed_addresses = true;
	spec->pids_max = job->processes_max;
	spec->memory_max = job->memory_max;
	return ve_start(spec, &session->ve, err);
}

int session_start(struct session *session, const struct install_job *job, int64_t epoch,
		  struct error *err)
{
	/* No service is started while a template is built. (rpm packages start none by themselves.) */
	autofree char *policy = xasprintf("%s/policy-rc.d", job->host->libexec_dir);
	struct ve_bind binds[2];
	struct ve_spec spec = { .root_kind = VE_ROOT_TREE, .binds = binds };

	if (job->template->format == PACKAGE_DEB)
		binds[spec.bind_count++] = (struct ve_bind){
			.source = policy,
			.target = "/usr/sbin/policy-rc.d",
		};
	if (job->packages)
		binds[spec.bind_count++] = (struct ve_bind){
			.source = job->packages,
			.target = CHANGE_PACKAGES_TARGET,
		};

	session->job = job;
	set_env(&session->env, job->template, epoch);
	return start(session, &spec, err);
}

int session_close(struct session *session, struct error *err)
{
	return session->ve ? ve_end(session->ve, err) : 0;
}

void session_end(struct session *session)
{
	ve_freep(&session->ve);
	strvec_release(&session->env);
}

/* ---- running ------------------------------------------------------------------------------------------ */

static int ended_badly(const struct session *session, const struct program *program,
		       const struct ve_result *result, struct error *err)
{
	autofree char *printed = text_tail(result->output ?: "", OUTPUT_LINES);
	const char *said = *printed ? "; it printed:" : " and printed nothing";
	bool full = space_used_up(session->job->tree);
	enum error_kind kind = full ? ERROR_NO_SPACE : ERROR_INSTALL;

	if (WIFSIGNALED(result->status))
		error_set(err, kind, "%s: died by SIG%s%s%s", program->what,
			  sigabbrev_np(WTERMSIG(result->status)) ?: "?", said, printed);
	else
		error_set(err, kind, "%s: ended with status %d%s%s", program->what,
			  WEXITSTATUS(result->status), said, printed);
	return full ? error_hint(err, HINT_DISK_FULL) : -1;
}

static const char *const *join_env(const struct session *session, const struct strvec *more,
				   const char ***ret_array)
{
	size_t count = session->env.count, extra = more ? more->count : 0;
	const char **array = xcalloc(count + extra + 1, sizeof(const char *));

	for (size_t i = 0; i < count; i++)
		array[i] = session->env.items[i];
	for (size_t i = 0; i < extra; i++)
		array[count + i] = more->items[i];
	*ret_array = array;
	return array;
}

int session_run(struct session *session, const struct program *program, struct error *err)
{
	const char **env = NULL;
	struct ve_result result = { 0 };
	struct ve_command command = {
		.argv = program->argv,
		.env = join_env(session, program->env, &env),
		.script = program->script,
		.input = program->input,
		.time_limit_s = session->job->time_limit_s ?: TIME_LIMIT_S,
		.line = program->line,
		.data = program->data,
	};
	int ret = ve_run(session->ve, &command, &result, err);

	free(env);
	if (ret < 0)
		error_wrap(err, "%s", program->what);
	else if (result.status != 0)
		ret = ended_badly(session, program, &result, err);
	free(result.output);
	return ret;
}

/* ---- the template's scripts ----------------------------------------------------------------------------- */

static void script_line(const char *line, void *data)
{
	const struct install_job *job = data;
	report_detail(job->report, "%s", line);
}

static int run_script(struct session *session, const char *path, const char *name,
		      struct error *err)
{
	autoclose int script = open(path, O_RDONLY | O_CLOEXEC);
	autofree char *what = xasprintf("running the template's script %s", path);
	const char *argv[] = { name, NULL };
	struct program program = {
		.what = what,
		.argv = argv,
		.script = script,
		.input = -1,
		.line = script_line,
		.data = (void *)session->job,
	};
	if (script < 0)
		return error_errno(err, errno, "opening %s", path);
	if (session_run(session, &program, err) < 0)
		return error_subject(err, "%s", path);
	return 0;
}

/* With the host's programs, the tree at the place where VEs are shown. */
static int run_on_host(const struct install_job *job, const char *path, const char *name,
		       struct error *err)
{
	AUTO(session_end) struct session session = { .job = job };
	struct ve_spec spec = {
		.root_kind = VE_ROOT_HOST_TOOLS,
		.tree_target = "/vz/root/1",
	};
	set_env(&session.env, job->template, 0);
	strvec_push(&session.env, "VE_ROOT=/vz/root/1");
	if (start(&session, &spec, err) < 0)
		return -1;
	return run_script(&session, path, name, err);
}

int template_script_run(struct session *session, const struct install_job *job,
			enum template_script kind, struct error *err)
{
	const struct template *template = job->template;
	const char *path = template->scripts[kind];
	const char *name = template_script_name(kind);

	if (path && !session)
		return run_on_host(job, path, name, err);
	if (path && run_script(session, path, name, err) < 0)
		return -1;
	for (size_t i = 0; session && i < template->part_count; i++)
		if (template->parts[i].scripts[kind] &&
		    run_script(session, template->parts[i].scripts[kind], name, err) < 0)
			return -1;
	return 0;
}

static int run_after_update(struct session *session, char *const *scripts, struct error *err)
{
	enum template_script kind =
		scripts[SCRIPT_POST_UPDATE] ? SCRIPT_POST_UPDATE : SCRIPT_POST_INSTALL;

	return scripts[kind] ? run_script(session, scripts[kind], template_script_name(kind), err)
			     : 0;
}

int template_script_run_after_update(struct session *session, const struct install_job *job,
				     struct error *err)
{
	const struct template *template = job->template;

	if (run_after_update(session, template->scripts, err) < 0)
		return -1;
	for (size_t i = 0; i < template->part_count; i++)
		if (run_after_update(session, template->parts[i].scripts, err) < 0)
			return -1;
	return 0;
}
