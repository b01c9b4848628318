#include "runtime/area/template.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/strvec.h"
#include "image/name.h"

static const char *const endings[] = { ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tar" };

static bool try_name(const struct host_config *host, const char *word, char **ret, char **name)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		autofree char *path =
			xasprintf("%s/cache/%s%s", host->template_dir, word, endings[i]);
		if (access(path, F_OK) == 0) {
			*ret = steal_ptr(path);
			*name = xstrdup(word);
			return true;
		}
	}
	return false;
}

/* As metadata would call it: debian-12-minimal is debian-12-x86_64-minimal. */
static char *full_name(const struct host_config *host, const char *template)
{
	AUTO(template_name_release) struct template_name name = TEMPLATE_NAME_INIT;
	AUTO(strvec_release) struct strvec roots = STRVEC_INIT;
	strvec_push(&roots, host->template_dir);
	strvec_push(&roots, host->data_dir);
	return template_name_resolve(&name, template, &roots, NULL) < 0 ? NULL
									: template_name_text(&name);
}

static bool find(const struct host_config *host, const char *template, char **ret, char **name)
{
	autofree char *with_arch = xasprintf("%s-%s", template, arch_host());
	autofree char *with_default = xasprintf("%s-default", with_arch);
	if (try_name(host, template, ret, name) || try_name(host, with_arch, ret, name) ||
	    try_name(host, with_default, ret, name))
		return true;
	autofree char *full = full_name(host, template);
	return full && try_name(host, full, ret, name);
}

static int check_word(const char *template, struct error *err)
{
	if (*template && *template != '.' && !strchr(template, '/') && strlen(template) < 200)
		return 0;
	error_set(err, ERROR_VALUE, "\"%s\" cannot be the name of a template", template);
	return error_hint(err, "\"vzpkg list\" shows which there are");
}

static int not_found(const struct host_config *host, const char *template, struct error *err)
{
	error_set(err, ERROR_NO_BUILD, "the template %s is not in %s/cache", template,
		  host->template_dir);
	return error_hint(err,
			  "\"vzpkg list\" shows which there are, \"vzpkg create-cache %s\" "
			  "builds it",
			  template);
}

static char *vzpkg_path(void)
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[length > 0 ? length : 0] = 0;
	char *slash = strrchr(program, '/');
	return xasprintf("%.*s/vzpkg", slash ? (int)(slash - program) : 0, program);
}

static int build_cache(const struct host_config *host, const char *template, struct error *err)
{
	autofree char *program = vzpkg_path();
	const char *argv[] = { program, "create-cache", template, NULL, NULL, NULL };
	int status;
	if (host->conf.path) {
		argv[3] = "--conf";
		argv[4] = host->conf.path;
	}
	pid_t child = fork();
	if (child == 0) {
		interrupt_reset_child();
		/* Its result, the path, is no result of ours. */
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv(program, (char *const *)argv);
		_exit(127);
	}
	if (child < 0)
		return error_errno(err, errno, "starting %s", program);
	while (waitpid(child, &status, 0) < 0)
		if (interrupt_pending())
			kill(child, interrupt_pending());
	if (interrupt_check(err) < 0)
		return -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error_set(err, ERROR_EXEC, "%s cannot be started", program);
	error_set(err, ERROR_NO_TEMPLATE, "the template %s could not be built", template);
	return error_hint(err, "vzpkg said above why");
}

int template_find(const struct host_config *host, const char *template, bool build,
		  struct report *report, char **ret, char **name, struct error *err)
{
	if (check_word(template, err) < 0)
		return -1;
	if (find(host, template, ret, name))
		return 0;
	if (!build)
		return not_found(host, template, err);
	report_info(report, "the template %s has no cache yet; building it", template);
	if (build_cache(host, template, err) < 0)
		return -1;
	return find(host, template, ret, name) ? 0 : not_found(host, template, err);
}
