/*
 * changer OPTIONS CTID CHANGE…: changes the packages of one VE as vzpkg/fleet/apply.h says, for tests/ve/test-apply. What is to be changed is said and not worked out:
 *
 *	add:FILE=NAME=VERSION=ARCH	as asked for; auto:… as a dependency; replace:… of what is there
 *	remove:NAME
 *	pre:NAME=NAME			the first pre-depends on the second
 *	need:NAME=NAME			… depends on
 *	asked:NAME
 *	before:NAME=FILE, after:NAME=FILE	scripts
 *
 * What its package manager and scripts print has "> " in front; then it says what the result says.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/option.h"
#include "runtime/access/visit.h"
#include "vzpkg/fleet/apply.h"
#include "vzpkg/metadata/installed.h"
#include "vzpkg/template_keyring.h"

enum { MOST = 100 };

struct changer {
	struct host_config host;
	struct conf variables;
	struct template *template;
	struct keyring *keyring;
	struct package_keys *keys;
	struct plan plan;
	struct plan_repository repository;
	struct plan_package packages[MOST];
	struct package_change changes[MOST];
	struct difference difference;
	struct application_script before[MOST], after[MOST];
	struct strvec asked;
	struct installed_set expected;
	struct apply_job job;
	int pm;
	struct store *store;
	struct share *share;
};

static struct installed_package *installed_of(struct changer *changer, const char *name)
{
	struct installed *installed = &changer->expected.installed;
	for (size_t i = 0; i < installed->count; i++)
		if (strcmp(installed->packages[i].name, name) == 0)
			return &installed->packages[i];
	fprintf(stderr, "%s is not installed\n", name);
	exit(2);
}

static size_t planned(const struct changer *changer, const char *name)
{
	for (size_t i = 0; i < changer->plan.count; i++)
		if (strcmp(changer->packages[i].name, name) == 0)
			return i;
	fprintf(stderr, "%s is not in the plan\n", name);
	exit(2);
}

/* Into the store, where a download would have put it. */
static int take_file(struct changer *changer, const char *file, struct plan_package *package,
		     struct error *err)
{
	char hex[DIGEST_MAX * 2 + 1];
	struct stat st;
	autoclose int from = open(file, O_RDONLY | O_CLOEXEC);

	if (from < 0 || fstat(from, &st) < 0 ||
	    digest_fd(DIGEST_SHA256, from, file, &package->digest, err) < 0)
		return error_errno(err, errno, "%s", file);
	package->size = (uint64_t)st.st_size;
	digest_hex(&package->digest, hex);
	autofree char *path = xasprintf("packages/sha256/%.2s/%s%s", hex, hex, strrchr(file, '.'));
	if (faccessat(changer->pm, path, F_OK, 0) == 0)
		return 0;
	return file_link_or_copy(AT_FDCWD, file, changer->pm, path, err);
}

/* FILE=NAME=VERSION=ARCH */
static int add_package(struct changer *changer, char *text, enum change_kind kind, bool automatic,
		       struct error *err)
{
	struct plan_package *package = &changer->packages[changer->plan.count];
	struct package_change *change = &changer->changes[changer->difference.count++];
	char *save, *file = strtok_r(text, "=", &save);

	package->location = xstrdup(file);
	package->name = xstrdup(strtok_r(NULL, "=", &save));
	package->version = xstrdup(strtok_r(NULL, "=", &save));
	package->arch = xstrdup(strtok_r(NULL, "=", &save));
	package->automatic = automatic;
	change->kind = kind;
	change->package = changer->plan.count++;
	if (kind == CHANGE_REPLACE) {
		change->before = installed_of(changer, package->name);
		package->automatic = change->before->automatic;
	}
	return take_file(changer, file, package, err);
}

static void push(size_t **list, size_t *count, size_t item)
{
	*list = xreallocarray(*list, *count + 1, sizeof(**list));
	(*list)[(*count)++] = item;
}

/* Of a word like "pre:hello=base" the two behind ":". */
static void pair(char *text, char **first, char **second)
{
	*first = text;
	*second = strchr(text, '=');
	*(*second)++ = '\0';
}

static int take_word(struct changer *changer, const char *word, struct error *err)
{
	autofree char *text = xstrdup(strchr(word, ':') + 1);
	char *first, *second;

	if (strncmp(word, "add:", 4) == 0)
		return add_package(changer, text, CHANGE_ADD, false, err);
	if (strncmp(word, "auto:", 5) == 0)
		return add_package(changer, text, CHANGE_ADD, true, err);
	if (strncmp(word, "replace:", 8) == 0)
		return add_package(changer, text, CHANGE_REPLACE, false, err);
	if (strncmp(word, "remove:", 7) == 0) {
		changer->changes[changer->difference.count++] = (struct package_change){
			.kind = CHANGE_REMOVE,
			.before = installed_of(changer, text),
		};
		return 0;
	}
	if (strncmp(word, "asked:", 6) == 0) {
		strvec_push(&changer->asked, text);
		return 0;
	}
	pair(text, &first, &second);
	struct application_script script = { .name = first, .path = second };
	if (strncmp(word, "before:", 7) == 0 || strncmp(word, "after:", 6) == 0) {
		bool early = word[0] == 'b';
		script.name = xstrdup(first);
		script.path = xstrdup(second);
		(early ? changer->before : changer->after)[early ? changer->job.before_count++
								 : changer->job.after_count++] =
			script;
		return 0;
	}
	struct plan_package *package = &changer->packages[planned(changer, first)];
	if (strncmp(word, "pre:", 4) == 0)
		push(&package->pre_depends, &package->pre_depend_count, planned(changer, second));
	else
		push(&package->depends, &package->depend_count, planned(changer, second));
	return 0;
}

/* What a class would have been made of. */
static int read_expected(struct changer *changer, struct error *err)
{
	AUTO(visit_freep) struct visit *visit = NULL;
	struct visit_spec spec = {
		.host = &changer->host,
		.ctid = changer->job.ctid,
		.timeout_s = changer->job.lock_timeout_s,
		.skip_lock = changer->job.skip_lock,
	};
	if (visit_open(&spec, &visit, err) < 0)
		return -1;
	int tree = visit_tree(visit, err);
	return tree < 0 ? -1
			: installed_read(tree, changer->template->format, &changer->expected, err);
}

static void print_line(const char *line, void *data)
{
	(void)data;
	printf("> %s\n", line);
	fflush(stdout);
}

static void print_list(const char *what, const struct strvec *list)
{
	for (size_t i = 0; i < list->count; i++)
		printf("%s: %s\n", what, list->items[i]);
}

/* Waits until there is a file of that name: what the test does meanwhile. */
static void wait_for(const char *file)
{
	while (file && access(file, F_OK) < 0)
		usleep(10000);
}

static int load_template(struct changer *changer, const char *name, struct error *err)
{
	struct template_source source = { .variables = &changer->variables };

	strvec_push(&source.roots, changer->host.template_dir);
	int ret = template_load(&source, name, &changer->template, err);
	strvec_release(&source.roots);
	if (ret < 0 || changer->template->format == PACKAGE_DEB)
		return ret;
	changer->repository.packages_signed = true;
	if (template_keyring_open(changer->template, changer->pm, &changer->keyring, err) < 0)
		return -1;
	return package_keys_open(changer->keyring, &changer->template->key_files, &changer->keys,
				 err);
}

static int run(struct changer *changer, const struct strvec *words, const char *work,
	       const char *until, struct error *err)
{
	struct share_spec spec = { .work_dir = work, .jobs = 2 };
	struct apply_result result = APPLY_RESULT_INIT;

	changer->job.template = changer->template;
	if (store_open(changer->pm, &changer->store, err) < 0 || read_expected(changer, err) < 0)
		return -1;
	for (size_t i = 1; i < words->count; i++)
		if (take_word(changer, words->items[i], err) < 0)
			return -1;
	spec.store = changer->store;
	if (share_open(&spec, &changer->share, err) < 0 ||
	    share_add(changer->share, &changer->plan, changer->template->format, changer->keys,
		      err) < 0)
		return -1;
	changer->job.share = changer->share;
	wait_for(until);
	int ret = apply_change(&changer->job, &result, err);
	printf("%s, %s, %u commands\n", result.ran ? "it ran" : "it did not run",
	       result.changed ? "changed" : "not changed", result.commands);
	print_list("restart", &result.restart);
	print_list("unfinished", &result.unfinished);
	apply_result_release(&result);
	return ret;
}

int main(int argc, char **argv)
{
	static struct changer changer;
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	const char *conf = NULL, *libexec = NULL, *work = NULL, *until = NULL, *name = NULL;
	struct apply_job *job = &changer.job;
	struct option_row rows[] = {
		{ "conf", 0, OPTION_STRING, &conf, "FILE", "" },
		{ "libexec", 0, OPTION_STRING, &libexec, "DIR", "" },
		{ "work", 0, OPTION_STRING, &work, "DIR", "" },
		{ "until", 0, OPTION_STRING, &until, "FILE", "" },
		{ "template", 0, OPTION_STRING, &name, "NAME", "" },
		{ "purge", 0, OPTION_FLAG, &job->erase_config, NULL, "" },
		{ "limit", 0, OPTION_NUMBER, &job->time_limit_s, "S", "" },
		{ "wait", 0, OPTION_NUMBER, &job->lock_timeout_s, "S", "" },
		{ NULL },
	};
	interrupt_setup();
	changer.host = HOST_CONFIG_INIT;
	if (options_parse(rows, NULL, argc - 1, argv + 1, &words, &err) < 0 ||
	    host_config_load(&changer.host, conf, &err) < 0 || !words.count) {
		fprintf(stderr, "%s\n", err.message ?: "usage");
		return 2;
	}
	free(changer.host.libexec_dir);
	changer.host.libexec_dir = xstrdup(libexec ?: "");
	changer.plan.packages = changer.packages;
	changer.plan.repositories = &changer.repository;
	changer.plan.repository_count = 1;
	changer.difference.changes = changer.changes;
	changer.pm = dir_open(AT_FDCWD, work, true, 0755, &err);
	job->host = &changer.host;
	job->ctid = (unsigned)strtoul(words.items[0], NULL, 10);
	job->plan = &changer.plan;
	job->difference = &changer.difference;
	job->expected = &changer.expected;
	job->asked = &changer.asked;
	job->before = changer.before;
	job->after = changer.after;
	job->line = print_line;
	int ret = changer.pm < 0 || load_template(&changer, name, &err) < 0
			  ? -1
			  : run(&changer, &words, work, until, &err);
	share_freep(&changer.share);
	store_freep(&changer.store);
	package_keys_freep(&changer.keys);
	if (ret < 0) {
		printf("%s: %s\n", error_kind_name(err.kind), err.message);
		printf("subject: %s\nhint: %s\n", err.subject ?: "", err.hint ?: "");
	}
	if (interrupt_pending())
		interrupt_die();
	return ret < 0;
}
