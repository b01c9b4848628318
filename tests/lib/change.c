/*
 * change --conf FILE TEMPLATE TREE VERB [OPTION…] [NAME…]: what vzpkg/resolve/change.h says of what is installed in a tree, for tests that compare
 * it with what others say.
 *
 *	install|update|erase	a line "+ NAME VERSION ARCH", "~ NAME VERSION ARCH BEFORE" or "- NAME VERSION ARCH" for each change, "= NAME: WHY" for what
 *				stays, "! NAME" for what is to be marked; "a" after the line of what is automatic
 *	list			"NAME VERSION ARCH", with the marks "automatic", "held" and "essential"
 *	why			a line for each chain
 *
 * Options: --recommends, --dependants, --unneeded, --only-if-installed, --online: metadata is fetched, and not what is there. The exit status is 0, or 1 with the error on standard error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/app.h"
#include "vzpkg/resolve/change.h"
#include "vzpkg/resolve/why.h"

static struct app app = APP_INIT;

static void print_change(const struct plan *plan, const struct package_change *change)
{
	const struct plan_package *package = NULL;

	if (change->kind == CHANGE_REMOVE) {
		printf("- %s %s %s\n", change->before->name, change->before->version,
		       change->before->arch);
		return;
	}
	package = &plan->packages[change->package];
	printf("%c %s %s %s", change->kind == CHANGE_ADD ? '+' : '~', package->name,
	       package->version, package->arch);
	if (change->before)
		printf(" %s", change->before->version);
	printf("%s\n", package->automatic ? " a" : "");
}

static int change(struct package_pool *pool, const struct installed_set *set,
		  const struct change_request *request, struct error *err)
{
	AUTO(plan_freep) struct plan *plan = NULL;
	AUTO(difference_release) struct difference difference = DIFFERENCE_INIT;
	AUTO(change_notes_release) struct change_notes notes = CHANGE_NOTES_INIT;

	if (resolve_change(pool, set, request, &plan, &difference, &notes, err) < 0)
		return -1;
	for (size_t i = 0; i < difference.count; i++)
		print_change(plan, &difference.changes[i]);
	for (size_t i = 0; i < notes.kept.count; i++)
		printf("= %s\n", notes.kept.items[i]);
	for (size_t i = 0; i < notes.asked.count; i++)
		printf("! %s\n", notes.asked.items[i]);
	return 0;
}

static void list(const struct installed_set *set)
{
	for (size_t i = 0; i < set->installed.count; i++) {
		const struct installed_package *package = &set->installed.packages[i];
		printf("%s %s %s%s%s%s\n", package->name, package->version, package->arch,
		       package->automatic ? " automatic" : "", package->held ? " held" : "",
		       package->essential ? " essential" : "");
	}
}

static int why(const struct installed_set *set, const char *name, struct error *err)
{
	AUTO(why_release) struct why found = WHY_INIT;

	if (why_find(set, name, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		const struct why_chain *chain = &found.chains[i];
		for (size_t l = 0; l < chain->count; l++)
			printf("%s%s", l ? " <- " : "", chain->links[l].package->name);
		printf(" (%s)\n", why_reason_name(chain->reason));
	}
	return 0;
}

static bool take_option(struct change_request *request, const char *word)
{
	if (strcmp(word, "--recommends") == 0)
		request->recommends = true;
	else if (strcmp(word, "--dependants") == 0)
		request->dependants = true;
	else if (strcmp(word, "--unneeded") == 0)
		request->unneeded = true;
	else if (strcmp(word, "--only-if-installed") == 0)
		request->only_if_installed = true;
	else if (strcmp(word, "--online") == 0)
		app.options.offline = false;
	else
		return false;
	return true;
}

static int solve(const struct template *template, const struct installed_set *set,
		 struct change_request *request, struct error *err)
{
	AUTO(metadata_freep) struct metadata *metadata = NULL;
	AUTO(package_pool_freep) struct package_pool *pool = NULL;

	if (app_metadata(&app, template, &metadata, err) < 0 ||
	    metadata_load(metadata, app.report, &pool, err) < 0)
		return -1;
	/* Twice: the pool is as it was. */
	if (change(pool, set, request, err) < 0)
		return -1;
	printf("\n");
	return change(pool, set, request, err);
}

static int run(const char *name, const char *path, const char *verb, char **words,
	       struct error *err)
{
	AUTO(template_freep) struct template *template = NULL;
	AUTO(installed_set_release) struct installed_set set = INSTALLED_SET_INIT;
	AUTO(strvec_release) struct strvec wishes = STRVEC_INIT;
	struct change_request request = { .wishes = &wishes, .verb = CHANGE_INSTALL };

	for (; *words; words++)
		if (!take_option(&request, *words))
			strvec_push(&wishes, *words);
	if (app_open(&app, err) < 0 || app_template(&app, name, &template, err) < 0)
		return -1;
	autoclose int tree = dir_open(AT_FDCWD, path, false, 0, err);
	if (tree < 0 || installed_read(tree, template->format, &set, err) < 0)
		return -1;
	if (strcmp(verb, "list") == 0)
		list(&set);
	else if (strcmp(verb, "why") == 0)
		return why(&set, wishes.items[0], err);
	else {
		request.verb = strcmp(verb, "update") == 0  ? CHANGE_UPDATE
			       : strcmp(verb, "erase") == 0 ? CHANGE_ERASE
							    : CHANGE_INSTALL;
		return solve(template, &set, &request, err);
	}
	return 0;
}

int main(int argc, char **argv)
{
	AUTO(error_clear) struct error err = ERROR_INIT;

	if (argc < 6 || strcmp(argv[1], "--conf") != 0)
		return 2;
	app.options.conf = argv[2];
	app.options.offline = true;
	app.report = report_new(&(struct report_options){ .program = "change", .quiet = true });
	int status = run(argv[3], argv[4], argv[5], argv + 6, &err);
	if (status < 0)
		fprintf(stderr, "%s: %s\n%s%s", error_kind_name(err.kind), err.message,
			err.hint ?: "", err.hint ? "\n" : "");
	app_release(&app);
	return status < 0;
}
