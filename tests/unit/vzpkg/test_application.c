#include "tests/unit/vzpkg/world.h"

#include "vzpkg/application.h"
#include "vzpkg/application_host.h"
#include "vzpkg/application_record.h"

#define APP CONFIG "app/"

static int setup(void **state)
{
	struct world *world = world_new();

	put_text(world, CONFIG "package_manager", "deb\n");
	put_text(world, CONFIG "packages", "hello\n-exim\n-tiny\n");
	put_text(world, CONFIG "os/small/packages", "apt\n");
	put_text(world, CONFIG "repositories", "$TOY_MIRROR one main\n");
	put_text(world, APP "web/packages", "nginx\n# with\nssl\n");
	put_text(world, APP "web/summary", "A web server\n");
	*state = world;
	return 0;
}

static struct template *os(const struct world *world)
{
	struct template *template = NULL;
	assert_int_equal(template_load(&world->source, "toy-1", &template, NULL), 0);
	return template;
}

static struct application *loaded(const struct world *world, const char *name)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(template_freep) struct template *template = os(world);
	struct application *application = NULL;
	if (application_load(&world->source, template, name, &application, &err) < 0)
		fail_msg("%s: %s", name, err.message);
	return application;
}

static struct template *merged(const struct world *world, const char *name)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct template *template = NULL;
	if (application_template_load(&world->source, name, &template, &err) < 0)
		fail_msg("%s: %s", name, err.message);
	return template;
}

/* Loading fails with a message that holds `text`; a mistake in a file has its file and line. */
static void refused(const struct world *world, const char *name, enum error_kind kind,
		    const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(template_freep) struct template *template = NULL;

	if (application_template_load(&world->source, name, &template, &err) == 0)
		fail_msg("%s is loaded, and should say \"%s\"", name, text);
	assert_refused(&err, template, kind, text);
}

/* ---- one -------------------------------------------------------------------------------------------------- */

static void everything(void **state)
{
	const struct world *world = *state;

	put_text(world, APP "web/packages", "nginx\n-apache2\n");
	put_text(world, APP "web/description", "One line\nand another.\n");
	put_text(world, APP "web/requires", "base\n");
	put_text(world, APP "web/repositories",
		 "$TOY_MIRROR/web ./\nhttp://b.example one main eol\n");
	put_text(world, APP "web/trust", STABLE "\n");
	put_key(world, "lenny-stable.asc", APP "web/gpgkeys/other.asc");
	put_script(world, APP "web/post-install", "#!/bin/sh\n", 0755);
	put_script(world, APP "web/pre-remove", "#!/bin/sh\n", 0755);
	AUTO(application_freep) struct application *a = loaded(world, ".web");
	assert_string_equal(a->name, "web");
	assert_string_equal(a->summary, "A web server");
	assert_string_equal(a->description, "One line and another.");
	HOLDS(&a->packages, "nginx");
	HOLDS(&a->excluded, "apache2");
	HOLDS(&a->requires, "base");
	assert_int_equal(a->repository_count, 2);
	assert_string_equal(a->repositories[0].url, "http://toy.example/toy/web");
	assert_true(a->repositories[1].end_of_life);
	assert_int_equal(a->trust_count, 1);
	assert_int_equal(a->key_files.count, 1);
	for (size_t i = 0; i < SCRIPT_KINDS; i++) {
		bool is = i == SCRIPT_POST_INSTALL || i == SCRIPT_PRE_REMOVE;
		assert_int_equal(is, a->scripts[i] != NULL);
		assert_null(a->host_scripts[i]);
	}
	assert_non_null(strstr(a->path, "/app/web"));
}

static void most_specific_file(void **state)
{
	const struct world *world = *state;

	put_text(world, "shipped/toy/config/app/web/packages", "too-general\n");
	put_script(world, "shipped/toy/config/app/web/post-install", "#!/bin/sh\n", 0755);
	put_text(world, "own/toy/1/config/app/web/summary", "Mine\n");
	put_text(world, "shipped/toy/1/x86_64/config/app/web/requires", "base\n");
	AUTO(application_freep) struct application *a = loaded(world, "web");
	HOLDS(&a->packages, "nginx", "ssl");
	assert_string_equal(a->summary, "Mine");
	assert_non_null(a->scripts[SCRIPT_POST_INSTALL]);
}

static void host_scripts(void **state)
{
	struct world *world = *state;

	put_script(world, APP "web/post-install-hn", "#!/bin/sh\n", 0755);
	AUTO(application_freep) struct application *denied = loaded(world, "web");
	assert_null(denied->host_scripts[SCRIPT_POST_INSTALL]);
	assert_true(denied->host_scripts_ignored);
	conf_set(&world->variables, "ALLOW_HOST_SCRIPTS", "yes");
	AUTO(application_freep) struct application *allowed = loaded(world, "web");
	assert_non_null(strstr(allowed->host_scripts[SCRIPT_POST_INSTALL], "post-install-hn"));
	assert_null(allowed->scripts[SCRIPT_POST_INSTALL]);
	assert_false(allowed->host_scripts_ignored);
	conf_set(&world->variables, "ALLOW_HOST_SCRIPTS", "true"); /* only "yes" is */
	AUTO(application_freep) struct application *other = loaded(world, "web");
	assert_true(other->host_scripts_ignored);
}

static void host_script_runs(void **state)
{
	struct world *world = *state;
	AUTO(strbuf_release) struct strbuf out = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;

	put_script(world, APP "web/pre-install-hn",
		   "#!/bin/sh\necho \"$VEID $NAME $(pwd)\"\nenv | cut -d= -f1 | sort | xargs\n",
		   0755);
	put_script(world, APP "web/post-install-hn", "#!/bin/sh\necho oh no >&2\nexit 3\n", 0755);
	conf_set(&world->variables, "ALLOW_HOST_SCRIPTS", "yes");
	AUTO(application_freep) struct application *a = loaded(world, "web");
	struct application_host_run run = { a, SCRIPT_PRE_INSTALL, 101, "one", 0 };
	assert_int_equal(application_host_run(&run, &out, &err), 0);
	assert_string_equal(out.text, "101 one /\nNAME PATH PWD VEID\n"); /* PWD is sh's own */
	run.kind = SCRIPT_POST_INSTALL;
	assert_int_equal(application_host_run(&run, &out, &err), -1);
	assert_int_equal(err.kind, ERROR_INSTALL);
	assert_non_null(strstr(err.message, "post-install-hn on the host: ended with status 3"));
	assert_non_null(strstr(err.message, "oh no"));
	run.kind = SCRIPT_PRE_REMOVE; /* it has none */
	assert_int_equal(application_host_run(&run, &out, &err), 0);
}

static void digests(void **state)
{
	const struct world *world = *state;
	AUTO(application_freep) struct application *first = loaded(world, "web");
	AUTO(template_freep) struct template *whole = merged(world, "toy-1+web");
	AUTO(template_freep) struct template *plain = os(world);

	assert_false(digest_equal(&whole->digest, &plain->digest));
	put_text(world, APP "web/summary", "Another text\n"); /* changes no tree */
	AUTO(application_freep) struct application *same = loaded(world, "web");
	assert_true(digest_equal(&first->digest, &same->digest));
	put_script(world, APP "web/pre-install", "#!/bin/sh\n", 0755);
	AUTO(application_freep) struct application *other = loaded(world, "web");
	assert_false(digest_equal(&first->digest, &other->digest));
	AUTO(template_freep) struct template *changed = merged(world, "toy-1+web");
	assert_false(digest_equal(&whole->digest, &changed->digest));
}

static void names(void **state)
{
	const struct world *world = *state;
	AUTO(template_freep) struct template *template = os(world);
	AUTO(strvec_release) struct strvec list = STRVEC_INIT;

	put_text(world, "own/toy/config/app/mail/packages", "exim\n");
	put_text(world, APP "a+b/packages", "x\n");
	application_list(&world->source, template, &list);
	HOLDS(&list, "mail", "web");
	refused(world, "toy-1+wbe", ERROR_NO_TEMPLATE, "\"wbe\"");
	refused(world, "toy-1+", ERROR_NO_TEMPLATE, "\"\"");
	refused(world, "toy-1+web+", ERROR_NO_TEMPLATE, "\"\"");
	refused(world, "toy-1+..", ERROR_NO_TEMPLATE, "\".\"");
	refused(world, "toy-1+../app/web", ERROR_NO_TEMPLATE, "./app/web");
	refused(world, "toy-2+web", ERROR_NO_TEMPLATE, "toy-2");
}

static void mistakes(void **state)
{
	const struct world *world = *state;

	put_text(world, APP "bad/packages", "good\n\nno/name\n");
	refused(world, "toy-1+bad", ERROR_BAD_TEMPLATE, "app/bad/packages:3: ");
	put_text(world, APP "bad/packages", "# nothing\n");
	refused(world, "toy-1+bad", ERROR_BAD_TEMPLATE, "app/bad/packages: the list");
	put_text(world, APP "bad/packages", "good\n");
	put_text(world, APP "bad/repositories", "gopher://x one main\n");
	refused(world, "toy-1+bad", ERROR_BAD_TEMPLATE, "app/bad/repositories:1: ");
	put_text(world, APP "bad/repositories", "\n$NO_SUCH one main\n");
	refused(world, "toy-1+bad", ERROR_BAD_TEMPLATE, "app/bad/repositories:2: ");
	put_text(world, APP "bad/repositories", "http://x.example one main\n");
	put_text(world, APP "bad/trust", "ABCDEF\n");
	refused(world, "toy-1+bad", ERROR_BAD_TEMPLATE, "app/bad/trust:1: ");
	put_text(world, APP "bad/trust", "# none\n");
	put_text(world, APP "bad/requires", "web\nnot/good\n");
	refused(world, "toy-1+bad", ERROR_BAD_TEMPLATE, "app/bad/requires:2: ");
	put_text(world, APP "empty/summary", "Nothing\n");
	refused(world, "toy-1+empty", ERROR_BAD_TEMPLATE, "neither a file packages");
}

/* ---- several ---------------------------------------------------------------------------------------------- */

static void set_of(const struct application_set *set, const char *const *wanted)
{
	size_t count = 0;
	for (; wanted[count]; count++) {
		assert_true(count < set->count);
		assert_string_equal(set->items[count]->name, wanted[count]);
	}
	assert_int_equal(set->count, count);
}
#define SET(set, ...) set_of(set, (const char *const[]){ __VA_ARGS__, NULL })

static void required_first(void **state)
{
	const struct world *world = *state;
	AUTO(template_freep) struct template *template = os(world);
	AUTO(application_set_release) struct application_set set = APPLICATION_SET_INIT;
	AUTO(strvec_release) struct strvec wanted = STRVEC_INIT, wishes = STRVEC_INIT;

	put_text(world, APP "lamp/requires", "php\nmysql\n");
	put_text(world, APP "lamp/summary", "All of it\n");
	put_text(world, APP "php/packages", "php\nssl\n");
	put_text(world, APP "php/requires", "web\n");
	put_text(world, APP "mysql/packages", "mysqld\n");
	strvec_push(&wanted, "mysql");
	strvec_push(&wanted, ".lamp");
	strvec_push(&wanted, "web");
	assert_int_equal(application_set_load(&world->source, template, &wanted, &set, NULL), 0);
	SET(&set, "mysql", "web", "php", "lamp");
	application_wishes(&set, &wishes);
	HOLDS(&wishes, "mysqld", "nginx", "ssl", "php");
}

static void circles(void **state)
{
	const struct world *world = *state;

	put_text(world, APP "web/requires", "# needs\nphp\n");
	put_text(world, APP "php/packages", "php\n");
	put_text(world, APP "php/requires", "cms\n");
	put_text(world, APP "cms/requires", "\n\nweb\n");
	refused(world, "toy-1+web", ERROR_BAD_TEMPLATE,
		"app/cms/requires:3: a circle: web requires "
		"php requires cms requires web");
	put_text(world, APP "cms/requires", "cms\n");
	refused(world, "toy-1+web", ERROR_BAD_TEMPLATE,
		"app/cms/requires:1: a circle: cms requires "
		"cms");
	put_text(world, APP "cms/requires", "gone\n");
	refused(world, "toy-1+web", ERROR_BAD_TEMPLATE, "app/cms/requires:1: ");
}

/* Each requires the two before it: as many ways through them as there are Fibonacci numbers. */
static void many_ways(void **state)
{
	const struct world *world = *state;

	put_text(world, APP "a0/packages", "x\n");
	put_text(world, APP "a1/packages", "x\n");
	for (int i = 2; i < 60; i++) {
		autofree char *file = xasprintf(APP "a%d/requires", i);
		autofree char *text = xasprintf("a%d\na%d\n", i - 1, i - 2);
		put_text(world, file, text);
	}
	AUTO(template_freep) struct template *template = merged(world, "toy-1+a59");
	assert_int_equal(template->part_count, 60);
}

static void as_one_template(void **state)
{
	const struct world *world = *state;

	put_text(world, APP "web/repositories",
		 "http://web.example one main\n$TOY_MIRROR one main\n");
	put_text(world, APP "web/trust", STABLE " weak\n" LENNY " sha1 expired\n");
	put_key(world, "lenny-stable.asc", APP "web/gpgkeys/other.asc");
	put_script(world, APP "web/post-install", "#!/bin/sh\n", 0755);
	put_text(world, APP "mail/packages", "exim\nhello\n");
	put_text(world, APP "mail/requires", "web\n");
	put_script(world, CONFIG "post-install", "#!/bin/sh\n", 0755);
	put_text(world, CONFIG "environment", "A=b\n");
	put_text(world, CONFIG "guest-repositories", "deb http://toy.example one main\n");
	AUTO(template_freep) struct template *t = merged(world, "toy-1-amd64+web+mail+web");
	AUTO(template_freep) struct template *again = merged(world, "toy-1-amd64+mail+web");
	AUTO(template_freep) struct template *only = merged(world, "toy-1-amd64+mail");
	assert_string_equal(t->text, "toy-1-x86_64+mail+web");
	assert_string_equal(only->text, "toy-1-x86_64+mail");
	assert_true(digest_equal(&t->digest, &again->digest));
	assert_string_equal(t->arch_word, "amd64");
	assert_string_equal(t->summary, "A toy, with web, mail");
	HOLDS(&t->packages, "hello", "nginx", "ssl", "exim");
	HOLDS(&t->excluded, "tiny");
	HOLDS(&t->environment, "A=b");
	assert_int_equal(t->guest_repositories.count, 1);
	assert_int_equal(t->repository_count, 2);
	assert_string_equal(t->repositories[1].url, "http://web.example");
	assert_string_equal(t->repositories[1].components.items[0], "main");
	assert_int_equal(t->trust_count, 2);
	assert_int_equal(t->key_files.count, 2);
	assert_non_null(t->scripts[SCRIPT_POST_INSTALL]);
	assert_int_equal(t->part_count, 2);
	assert_string_equal(t->parts[0].name, "web");
	assert_non_null(t->parts[0].scripts[SCRIPT_POST_INSTALL]);
	assert_string_equal(t->parts[1].name, "mail");
	assert_null(t->parts[1].scripts[SCRIPT_POST_INSTALL]);
}

static void what_does_not_fit(void **state)
{
	const struct world *world = *state;

	put_text(world, APP "web/trust", "\n" LENNY " weak\n");
	refused(world, "toy-1+web", ERROR_BAD_TEMPLATE, "app/web/trust:2: ");
	put_text(world, APP "web/trust", "# none\n");
	put_text(world, APP "other/packages", "apache2\n-nginx\n");
	AUTO(template_freep) struct template *alone = merged(world, "toy-1+other");
	HOLDS(&alone->excluded, "exim", "tiny", "nginx");
	refused(world, "toy-1+web+other", ERROR_BAD_TEMPLATE, "app/other/packages: ");
	put_text(world, APP "other/packages", "apache2\n-hello\n");
	refused(world, "toy-1+other", ERROR_BAD_TEMPLATE, "hello");
	AUTO(template_freep) struct template *small = merged(world, "toy-1-small+other");
	assert_string_equal(small->name.set, "small");
}

/* --repository replaces those of applications, too. */
static void given_repositories(void **state)
{
	struct world *world = *state;

	put_text(world, APP "web/repositories", "$NO_SUCH one main\n");
	strvec_push(&world->given, "http://given.example one main");
	world->source.repositories = &world->given;
	AUTO(template_freep) struct template *template = merged(world, "toy-1+web");
	assert_int_equal(template->repository_count, 1);
	assert_string_equal(template->repositories[0].url, "http://given.example");
}

/* ---- lint ------------------------------------------------------------------------------------------------- */

struct findings {
	struct strvec lines;
};

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	struct findings *findings = data;
	const char *app = strstr(file, "/app/");
	strvec_pushf(&findings->lines, "%s%s:%u: %s", is_error ? "" : "warning ", app ? app : file,
		     line, text);
}

static void lint_finds(const struct world *world, int errors, const char *const *wanted)
{
	struct findings findings = { STRVEC_INIT };

	assert_int_equal(template_lint(&world->source, "toy-1", found, &findings, NULL), errors);
	for (size_t i = 0; wanted[i]; i++) {
		bool is_there = false;
		for (size_t l = 0; l < findings.lines.count; l++)
			is_there |= strstr(findings.lines.items[l], wanted[i]) != NULL;
		if (!is_there)
			fail_msg("lint does not say \"%s\"", wanted[i]);
	}
	size_t count = 0;
	while (wanted[count])
		count++;
	assert_int_equal(findings.lines.count, count);
	strvec_release(&findings.lines);
}
#define LINT(world, errors, ...) \
	lint_finds(world, errors, (const char *const[]){ __VA_ARGS__, NULL })

static void lint(void **state)
{
	const struct world *world = *state;

	LINT(world, 0, NULL);
	put_text(world, APP "web/requires", "web\n");
	put_text(world, APP "php/packages", "x\n");
	put_text(world, APP "key/requires", "gone\n");
	put_text(world, APP "php/repositories", "x\n");
	put_script(world, APP "php/post-install-hn", "echo\n", 0755);
	put_script(world, APP "php/pre-cache", "#!/bin/sh\n", 0755);
	put_text(world, "shipped/toy/config/app/web/packages", "a b\n");
	put_text(world, APP "a+b/packages", "x\n");
	put_text(world, APP "key/packages", "x\n");
	put_text(world, APP "key/summary", "x\n");
	put_text(world, APP "key/trust", STABLE "\n");
	put_text(world, APP "other/packages", "x\n");
	put_text(world, APP "other/summary", "x\n");
	put_text(world, APP "other/trust", LENNY "\n");
	put_key(world, "lenny-automatic.asc", APP "other/gpgkeys/lenny.asc");
	LINT(world, 8, "/app/web/requires:1: a circle",
	     "/app/key/requires:1: ", "/app/php/repositories:1: ", "/app/php/post-install-hn:1: ",
	     "warning /app/php/pre-cache:0: nothing reads", "/app/web/packages:1: \"a b\"",
	     "/app/a+b:0: ", "/app/key/trust:1: no file in gpgkeys/",
	     "/app/other/trust:1: the key is trusted by other rules",
	     "warning /app/php:0: there is no file summary");
}

/* ---- what a VE has ------------------------------------------------------------------------------------------ */

static void recorded(const struct host_config *host, const char *const *wanted)
{
	AUTO(conf_release) struct conf conf = CONF_INIT;
	AUTO(strvec_release) struct strvec list = STRVEC_INIT;
	autofree char *path = xasprintf("%s/101.conf", host->ve_confdir);
	assert_int_equal(conf_read(&conf, AT_FDCWD, path, false, NULL), 0);
	application_recorded(&conf, &list);
	holds(&list, wanted);
	assert_string_equal(conf_get(&conf, "NAME"), "one"); /* the rest stays */
}
#define RECORDED(host, ...) recorded(host, (const char *const[]){ __VA_ARGS__, NULL })

static void record(void **state)
{
	const struct world *world = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strvec_release) struct strvec add = STRVEC_INIT, away = STRVEC_INIT;
	struct host_config host = { .ve_confdir = xasprintf("%s/conf", world->path) };
	autofree char *path = xasprintf("%s/101.conf", host.ve_confdir);
	struct stat before, after;

	put_text(world, "conf/101.conf", "# mine\nTEMPLATES=\".mysql, php php\"\nNAME=\"one\"\n");
	RECORDED(&host, "mysql", "php");
	strvec_push(&add, "php");
	strvec_push(&add, "nginx");
	strvec_push(&away, "mysql");
	assert_int_equal(application_record(&host, 101, &add, &away, &err), 0);
	RECORDED(&host, "php", "nginx");
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	assert_int_equal(file_read(AT_FDCWD, path, 4096, &text, NULL), 0);
	assert_non_null(strstr(text.text, "# mine\n"));
	assert_non_null(strstr(text.text, "TEMPLATES=\".php .nginx\"\n"));
	/* Without a change the file is the same one. */
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(application_record(&host, 101, &add, NULL, &err), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(application_record(&host, 101, NULL, &add, &err), 0);
	RECORDED(&host, NULL);
	assert_int_equal(application_record(&host, 102, &add, NULL, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_FILE);
	free(host.ve_confdir);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_free)
	const struct CMUnitTest tests[] = {
		TEST(everything),
		TEST(most_specific_file),
		TEST(host_scripts),
		TEST(host_script_runs),
		TEST(digests),
		TEST(names),
		TEST(mistakes),
		TEST(required_first),
		TEST(circles),
		TEST(many_ways),
		TEST(as_one_template),
		TEST(what_does_not_fit),
		TEST(given_repositories),
		TEST(lint),
		TEST(record),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
