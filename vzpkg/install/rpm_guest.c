#include "vzpkg/install/rpm_guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

const char *rpm_setting(const struct template *template, const char *key)
{
	size_t length = strlen(key);

	for (size_t i = 0; i < template->environment.count; i++) {
		const char *item = template->environment.items[i];
		if (strncmp(item, key, length) == 0 && item[length] == '=' && item[length + 1])
			return item + length + 1;
	}
	return NULL;
}

bool rpm_guest_without_docs(const struct template *template)
{
	const char *no_docs = rpm_setting(template, "RPM_EXCLUDE_DOCS");
	return no_docs && strcmp(no_docs, "yes") == 0;
}

int rpm_guest_run(struct session *session, const char *const *argv, int input, const char *what,
		  void (*line)(const char *line, void *data), void *data, struct error *err)
{
	struct program program = {
		.what = what,
		.argv = argv,
		.script = -1,
		.input = input,
		.line = line,
		.data = data,
	};
	return session_run(session, &program, err);
}

struct listing {
	const struct plan *plan;
	bool *listed; /* of each package */
	struct strbuf strange;
};

static void listed_line(const char *line, void *data)
{
	struct listing *listing = data;

	if (strncmp(line, "gpg-pubkey ", 11) == 0)
		return;
	for (size_t i = 0; i < listing->plan->count; i++) {
		const struct plan_package *package = &listing->plan->packages[i];
		size_t length = strlen(package->name);
		if (strncmp(package->name, line, length) != 0 || line[length] != ' ')
			continue;
		autofree char *text =
			xasprintf("%s %s %s", package->name, package->version, package->arch);
		if (strcmp(text, line) == 0 && !listing->listed[i]) {
			listing->listed[i] = true;
			return;
		}
	}
	if (listing->strange.length < 2000)
		strbuf_addf(&listing->strange, "%s%s", listing->strange.length ? ", " : "", line);
}

int rpm_guest_check(struct session *session, struct error *err)
{
	static const char *const argv[] = {
		"rpm", "-qa", "--qf",
		"%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE} %{ARCH}\\n", NULL
	};
	const struct plan *plan = session->job->plan;
	autofree bool *listed = xcalloc(plan->count + 1, sizeof(*listed));
	struct listing listing = { .plan = plan, .listed = listed, .strange = STRBUF_INIT };
	AUTO(strbuf_release) struct strbuf missing = STRBUF_INIT;

	int ret =
		rpm_guest_run(session, argv, -1, "the guest's rpm -qa", listed_line, &listing, err);
	for (size_t i = 0; ret == 0 && i < plan->count; i++)
		if (!listed[i] && missing.length < 2000)
			strbuf_addf(&missing, "%s%s", missing.length ? ", " : "",
				    plan->packages[i].name);
	if (ret == 0 && (missing.length || listing.strange.length)) {
		ret = error_set(
			err, ERROR_INSTALL,
			"the guest's rpm does not list what was installed: missing: %s; more: %s",
			missing.length ? missing.text : "nothing",
			listing.strange.length ? listing.strange.text : "nothing");
		error_hint(err,
			   "set RPM_DB_FORMAT in the template's environment to what its rpm reads");
	}
	strbuf_release(&listing.strange);
	return ret;
}
