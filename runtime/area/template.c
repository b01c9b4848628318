#include "runtime/area/template.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "image/name.h"

static const char *const endings[] = { ".tar.gz", ".tar.zst", ".tar.xz", ".tar.bz2", ".tar" };

enum { MANIFEST_LIMIT = 64 << 20 };

static bool try_name(const struct host_config *host, const char *word, struct template_found *ret)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		autofree char *path =
			xasprintf("%s/cache/%s%s", host->template_dir, word, endings[i]);
		if (access(path, F_OK) == 0) {
			ret->tarball = steal_ptr(path);
			ret->ostemplate = xstrdup(word);
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

/* The OS template as its user calls it, with these applications. */
static bool try_with(const struct host_config *host, const char *os,
		     const struct strvec *applications, struct template_found *ret)
{
	autofree char *word = template_name_join(os, applications);
	return try_name(host, word, ret);
}

static bool find_file(const struct host_config *host, const char *template,
		      struct template_found *ret)
{
	AUTO(strvec_release) struct strvec applications = STRVEC_INIT;
	autofree char *os = template_name_split(template, &applications);
	autofree char *with_arch = xasprintf("%s-%s", os, arch_host());
	autofree char *with_default = xasprintf("%s-default", with_arch);

	if (try_name(host, template, ret) || try_with(host, os, &applications, ret) ||
	    try_with(host, with_arch, &applications, ret) ||
	    try_with(host, with_default, &applications, ret))
		return true;
	autofree char *full = full_name(host, os);
	return full && try_with(host, full, &applications, ret);
}

/* What a file with a "+" in its name is, only its manifest knows: somebody else's may be called so, too. */
static void read_manifest(const struct host_config *host, struct template_found *found)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(strvec_release) struct strvec ignored = STRVEC_INIT;
	autofree char *path =
		xasprintf("%s/cache/%s.manifest.json", host->template_dir, found->ostemplate);

	if (!strchr(found->ostemplate, '+') ||
	    file_read(AT_FDCWD, path, MANIFEST_LIMIT, &text, NULL) < 0)
		return;
	json_t *manifest = json_loadb(text.text, text.length, 0, NULL);
	json_t *template = json_object_get(manifest, "template");
	json_t *applications = json_object_get(template, "applications");
	const char *name = json_string_value(json_object_get(template, "name"));
	for (size_t i = 0; name && i < json_array_size(applications); i++)
		strvec_push(&found->applications,
			    json_string_value(json_array_get(applications, i)) ?: "");
	if (found->applications.count) {
		free(found->ostemplate);
		found->ostemplate = template_name_split(name, &ignored);
	}
	json_decref(manifest);
}

static bool find(const struct host_config *host, const char *template, struct template_found *ret)
{
	if (!find_file(host, template, ret))
		return false;
	read_manifest(host, ret);
	return true;
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
		  struct report *report, struct template_found *ret, struct error *err)
{
	if (check_word(template, err) < 0)
		return -1;
	if (find(host, template, ret))
		return 0;
	if (!build)
		return not_found(host, template, err);
	report_info(report, "the template %s has no cache yet; building it", template);
	if (build_cache(host, template, err) < 0)
		return -1;
	return find(host, template, ret) ? 0 : not_found(host, template, err);
}

void template_found_release(struct template_found *found)
{
	free(found->tarball);
	free(found->ostemplate);
	strvec_release(&found->applications);
	*found = TEMPLATE_FOUND_INIT;
}
