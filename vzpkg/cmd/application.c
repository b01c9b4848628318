#include "vzpkg/cmd/application.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "image/name.h"
#include "runtime/config/ve_config.h"
#include "vzpkg/application.h"
#include "vzpkg/application_record.h"
#include "vzpkg/cache/generation.h"

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
	struct template_source source = app_template_source(app);

	if (read_sample(request, app, &sample, err) < 0)
		return -1;
	const char *name = request->os_template ?: conf_get(&sample, "OSTEMPLATE");
	if (!name)
		name = conf_get(&app->host.conf, "DEF_OSTEMPLATE");
	if (!name || !*name) {
		error_set(err, ERROR_USAGE, "no OS template is named");
		return error_hint(err, "use --ostemplate, or set DEF_OSTEMPLATE in vz.conf");
	}
	autofree char *os = template_name_split(name + (*name == '.'), applications);
	if (request->applications)
		application_names(request->applications, applications);
	else if (!applications->count)
		application_recorded(&sample, applications);
	return template_load(&source, os, ret, err);
}

int application_caches(const struct app *app, const struct template *template, struct strvec *names,
		       struct error *err)
{
	AUTO(strvec_release) struct strvec all = STRVEC_INIT;
	size_t length = template ? strlen(template->text) : 0;

	if (generation_names(app->host.template_dir, &all, err) < 0)
		return -1;
	for (size_t i = 0; i < all.count; i++) {
		const char *name = all.items[i], *plus = strchr(name, '+');
		bool of_it = !template ||
			     (strncmp(name, template->text, length) == 0 && name[length] == '+');
		if (plus && of_it && generation_is_ours(app->host.template_dir, name))
			strvec_push(names, name);
	}
	return 0;
}

int application_check(const struct app *app, const struct template *template,
		      const struct strvec *names, struct error *err)
{
	AUTO(application_set_release) struct application_set set = APPLICATION_SET_INIT;
	struct template_source source = app_template_source(app);

	if (application_set_load(&source, template, names, &set, err) < 0)
		return -1;
	if (!set.count)
		return 0;
	error_set(err, ERROR_UNSUPPORTED,
		  "this version does not install application templates (%s)", names->items[0]);
	return error_hint(err, "\"vzctl exec\" runs the VE's own package manager");
}
