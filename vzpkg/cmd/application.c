#include "vzpkg/cmd/application.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/config/ve_config.h"

void application_names(const char *text, struct strvec *names)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	autofree char *blanks = xstrdup(text);
	for (char *c = blanks; *c; c++)
		if (*c == ',')
			*c = ' ';
	strvec_split(&words, blanks);
	for (size_t i = 0; i < words.count; i++)
		strvec_push(names, words.items[i] + (words.items[i][0] == '.'));
}

static int read_sample(const struct os_request *request, const struct app *app, struct conf *ret,
		       struct error *err)
{
	autofree char *text = NULL;
	if (!request->sample)
		return 0;
	if (ve_config_sample(&app->host, request->sample, &text, err) < 0)
		return -1;
	return conf_parse(ret, request->sample, text, strlen(text), err);
}

int os_request_load(const struct os_request *request, const struct app *app, struct template **ret,
		    struct strvec *applications, struct error *err)
{
	AUTO(conf_release) struct conf sample = CONF_INIT;
	if (read_sample(request, app, &sample, err) < 0)
		return -1;
	const char *name = request->os_template ?: conf_get(&sample, "OSTEMPLATE");
	if (!name)
		name = conf_get(&app->host.conf, "DEF_OSTEMPLATE");
	if (!name || !*name) {
		error_set(err, ERROR_USAGE, "no OS template is named");
		return error_hint(err, "use --ostemplate, or set DEF_OSTEMPLATE in vz.conf");
	}
	application_names(request->applications ?: conf_get_default(&sample, "TEMPLATES", ""),
			  applications);
	return app_template(app, name + (*name == '.'), ret, err);
}

int application_check(const struct template *template, const struct strvec *names,
		      struct error *err)
{
	if (!names->count)
		return 0;
	const char *name = names->items[0];
	autofree char *path = xasprintf("%s/app/%s", template->config_path, name);
	error_subject(err, "%s", name);
	if (!*name || strchr(name, '/') || access(path, F_OK) < 0) {
		error_set(err, ERROR_NO_TEMPLATE, "%s has no application template \"%s\"",
			  template->text, name);
		return error_hint(err, "application templates are folders in %s/app",
				  template->config_path);
	}
	error_set(err, ERROR_UNSUPPORTED,
		  "this version does not install application templates (%s)", name);
	return error_hint(err, "\"vzctl exec\" runs the VE's own package manager");
}
