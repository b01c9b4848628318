#include "tests/unit/vzpkg/world.h"

static void take_away(const struct world *world, const char *name)
{
	autofree char *path = xasprintf("%s/%s", world->path, name);
	assert_int_equal(tree_remove(AT_FDCWD, path, NULL), 0);
}

static int setup(void **state)
{
	struct world *world = world_new();

	put_text(world, "shipped/toy/config/package_manager", "deb\n");
	put_text(world, CONFIG "packages", "# a list\n\nhello # and why\n\tworld  \n");
	put_text(world, CONFIG "os/minimal/packages", "hello\n");
	put_text(world, CONFIG "repositories", "$TOY_MIRROR/ one main extra\n");
	*state = world;
	return 0;
}

/* ---- loading ----------------------------------------------------------------------------------------------- */

static struct template *loaded(const struct world *world, const char *name)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct template *template = NULL;
	if (template_load(&world->source, name, &template, &err) < 0)
		fail_msg("%s: %s", name, err.message);
	return template;
}

/* Loading fails with a message that holds `text`, and a mistake in a file has its file and line. */
static void refused(const struct world *world, const char *name, enum error_kind kind,
		    const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(template_freep) struct template *template = NULL;

	if (template_load(&world->source, name, &template, &err) == 0)
		fail_msg("%s is loaded, and should say \"%s\"", name, text);
	assert_refused(&err, template, kind, text);
}

static void everything(void **state)
{
	const struct world *world = *state;

	put_text(world, CONFIG "guest-repositories",
		 "deb http://toy.example/toy one main\nhttp://toy.example/$arch two main\n"
		 "deb [trusted=yes arch=$arch] https://toy.example/toy three main\n");
	put_text(world, CONFIG "description", "One line\nand another. # not this\n");
	put_text(world, CONFIG "distribution", "toys\n");
	put_text(world, CONFIG "osrelease", "2.6.32\n");
	put_text(world, CONFIG "upgradable_versions", "0.8 0.9\n");
	put_script(world, CONFIG "post-install", "#!/bin/sh\n", 0755);
	AUTO(template_freep) struct template *t = loaded(world, "toy-1-amd64");

	assert_string_equal(t->text, "toy-1-x86_64");
	assert_string_equal(t->arch_word, "amd64");
	assert_int_equal(t->format, PACKAGE_DEB);
	HOLDS(&t->packages, "hello", "world");
	assert_int_equal(t->repository_count, 1);
	assert_string_equal(t->repositories[0].text, "$TOY_MIRROR/ one main extra");
	assert_string_equal(t->repositories[0].url, "http://toy.example/toy");
	assert_string_equal(t->repositories[0].suite, "one");
	HOLDS(&t->repositories[0].components, "main", "extra");
	assert_false(t->repositories[0].unsigned_ok || t->repositories[0].end_of_life);
	assert_int_equal(t->repositories[0].line, 1);
	assert_int_equal(t->key_files.count, 1);
	assert_int_equal(t->trust_count, 1);
	assert_string_equal(t->trust[0].fingerprint, LENNY);
	assert_true(t->trust[0].expired_ok && t->trust[0].sha1_ok && !t->trust[0].weak_ok);
	HOLDS(&t->guest_repositories, "deb http://toy.example/toy one main",
	      "deb http://toy.example/amd64 two main",
	      "deb [trusted=yes arch=amd64] https://toy.example/toy three main");
	assert_string_equal(t->summary, "A toy");
	assert_string_equal(t->description, "One line and another.");
	assert_string_equal(t->distribution, "toys");
	assert_string_equal(t->osrelease, "2.6.32");
	HOLDS(&t->upgradable_versions, "0.8", "0.9");
	assert_non_null(t->scripts[SCRIPT_POST_INSTALL]);
	assert_null(t->scripts[SCRIPT_PRE_CACHE]);
	assert_non_null(strstr(t->config_path, "/shipped/toy/1/config"));
}

static void inherited(void **state)
{
	const struct world *world = *state;

	put_text(world, "shipped/toy/config/environment", "A=os\nB=os\nC=os\n");
	put_text(world, CONFIG "environment", "B=release\nC=\"of the release\"\n");
	put_text(world, "shipped/toy/1/i386/config/environment", "C='of the architecture'\n");
	put_text(world, "shipped/toy/1/i386/config/packages", "small\n");
	put_text(world, "shipped/toy/config/distribution", "os\n");
	put_text(world, "own/toy/1/config/distribution", "own\n");
	AUTO(template_freep) struct template *here = loaded(world, "toy-1-x86_64");
	AUTO(template_freep) struct template *old = loaded(world, "toy-1-i386");

	HOLDS(&here->environment, "A=os", "B=release", "C=of the release");
	HOLDS(&old->environment, "A=os", "B=release", "C=of the architecture");
	HOLDS(&here->packages, "hello", "world");
	HOLDS(&old->packages, "small");
	assert_string_equal(here->distribution, "own");
	assert_string_equal(old->repositories[0].suite, "one");
	assert_non_null(strstr(here->config_path, "/own/toy/1/config"));
	assert_non_null(strstr(old->config_path, "/shipped/toy/1/i386/config"));
}

static void sets(void **state)
{
	const struct world *world = *state;
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;

	put_text(world, CONFIG "small.list", "# OpenVZ's form\nhello\nworld-\n-sendmail\n");
	put_text(world, "own/toy/1/config/os/web-server/packages", "apache2\n");
	put_text(world, "own/toy/2/config/default.list", "hello\n");
	AUTO(template_freep) struct template *minimal = loaded(world, "toy-1-minimal");
	AUTO(template_freep) struct template *small = loaded(world, "toy-1-small");
	AUTO(template_freep) struct template *web = loaded(world, "toy-1-web-server");

	HOLDS(&minimal->packages, "hello");
	HOLDS(&small->packages, "hello");
	HOLDS(&small->excluded, "world", "sendmail");
	HOLDS(&web->packages, "apache2");
	assert_int_equal(template_list(&world->source, &names, NULL), 0);
	HOLDS(&names, "toy-1", "toy-1-minimal", "toy-1-small", "toy-1-web-server", "toy-2");
	refused(world, "toy-1-large", ERROR_NO_TEMPLATE, "toy-1 has no package set \"large\"");
	refused(world, "toy-3", ERROR_NO_TEMPLATE, "no template toy-3");
}

static void package_managers(void **state)
{
	static const struct {
		const char *word;
		int format; /* -1: not known */
	} words[] = {
		{ "deb", PACKAGE_DEB },
		{ "dpkg", PACKAGE_DEB },
		{ "dpkgx64", PACKAGE_DEB },
		{ "rpm", PACKAGE_RPM },
		{ "rpm410x64", PACKAGE_RPM },
		{ "rpm49db5x64", PACKAGE_RPM },
		{ "rpmzypp43x64", PACKAGE_RPM },
		{ "rpmish", -1 },
		{ "debian", -1 },
		{ "rpm44 x64", -1 },
		{ "portage", -1 },
	};
	const struct world *world = *state;

	take_away(world, CONFIG "repositories");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		put_text(world, CONFIG "package_manager", words[i].word);
		put_text(world, CONFIG "repositories",
			 words[i].format == PACKAGE_RPM ? "$TOY_MIRROR/$arch\n"
							: "$TOY_MIRROR one main\n");
		if (words[i].format < 0) {
			refused(world, "toy-1", ERROR_PACKAGE_MANAGER, "package_manager:1: ");
			continue;
		}
		AUTO(template_freep) struct template *t = loaded(world, "toy-1-x86_64");
		assert_int_equal(t->format, words[i].format);
		assert_string_equal(t->arch_word, t->format == PACKAGE_RPM ? "x86_64" : "amd64");
	}
}

static void rpm_repositories(void **state)
{
	const struct world *world = *state;

	put_text(world, CONFIG "package_manager", "rpm\n");
	put_text(world, CONFIG "repositories",
		 "$TOY_MIRROR/$release/$basearch/os/\n${TOY_MIRROR}/more unsigned\n");
	put_text(world, CONFIG "mirrorlist",
		 "http://a.example/$arch http://b.example/?repo=toy-$releasever\n");
	AUTO(template_freep) struct template *t = loaded(world, "toy-1-i386");

	assert_int_equal(t->repository_count, 3);
	assert_null(t->repositories[0].url);
	HOLDS(&t->repositories[0].lists, "http://a.example/i386", "http://b.example/?repo=toy-1");
	assert_string_equal(t->repositories[1].url, "http://toy.example/toy/1/i386/os");
	assert_null(t->repositories[1].suite);
	assert_false(t->repositories[1].unsigned_ok);
	assert_true(t->repositories[2].unsigned_ok);
	put_text(world, CONFIG "repositories", "$TOY_MIRROR one main\n");
	refused(world, "toy-1", ERROR_BAD_TEMPLATE, "repositories:1: there is more than a URL");
	take_away(world, CONFIG "repositories");
	AUTO(template_freep) struct template *lists = loaded(world, "toy-1");
	assert_int_equal(lists->repository_count, 1);
}

static void given_repositories(void **state)
{
	struct world *world = *state;

	put_text(world, CONFIG "repositories", "this is $BROKEN\n");
	strvec_push(&world->given, "deb http://given.example/x/ two/ unsigned eol");
	strvec_push(&world->given, "file:///srv/x three main");
	world->source.repositories = &world->given;
	AUTO(template_freep) struct template *t = loaded(world, "toy-1");
	assert_int_equal(t->repository_count, 2);
	assert_string_equal(t->repositories[0].url, "http://given.example/x");
	assert_string_equal(t->repositories[0].suite, "two/");
	assert_true(t->repositories[0].unsigned_ok && t->repositories[0].end_of_life);
	assert_string_equal(t->repositories[1].file, "--repository");
	strvec_push(&world->given, "");
	refused(world, "toy-1", ERROR_BAD_TEMPLATE, "--repository:3: the repository is empty");
}

/* ---- mistakes ---------------------------------------------------------------------------------------------- */

struct bad {
	const char *file, *text, *message;
};

static const struct bad bad_files[] = {
	{ "packages", "a\n\nb c\n", "packages:3: \"b c\" is not a package" },
	{ "packages", "../x\n", "packages:1:" },
	{ "packages", "--force\n", "packages:1:" },
	{ "packages", "@\n", "packages:1:" },
	{ "packages", "-\n", "packages:1:" },
	{ "packages", "a;b\n", "packages:1:" },
	{ "packages", "a/b\n", "packages:1:" },
	{ "packages", "b\303\244r\n", "packages:1:" },
	{ "packages", "a\n-a\n", "packages:2: a is both wanted and excluded" },
	{ "packages", "a\nb\033[2J\n", "packages:2: the line holds a control character" },
	{ "packages", "# nothing\n", "the list of packages is empty" },
	{ "repositories", "", "there are no repositories" },
	{ "repositories", "$TOY_MIRROR\n", "repositories:1: the suite is missing" },
	{ "repositories", "$TOY_MIRROR one\n", "repositories:1: the component is missing" },
	{ "repositories", "$TOY_MIRROR one/ main\n", "repositories:1: a path that ends in" },
	{ "repositories", "\n$NONE one main\n", "repositories:2: the variable $NONE is not set" },
	{ "repositories", "${TOY_MIRROR one main\n", "repositories:1: the variable" },
	{ "repositories", "$ one main\n", "repositories:1: the variable" },
	{ "repositories", "gopher://x one main\n", "repositories:1: \"gopher://x\" is not" },
	{ "repositories", "http:// one main\n", "repositories:1:" },
	{ "repositories", "-o one main\n", "repositories:1:" },
	{ "repositories", "http://a\"b one main\n", "repositories:1:" },
	{ "repositories", "$TOY_MIRROR -one main\n", "repositories:1: \"-one\" is not a suite" },
	{ "repositories", "$TOY_MIRROR ../one main\n", "repositories:1: \"../one\"" },
	{ "repositories", "$TOY_MIRROR one /main\n", "repositories:1: \"/main\"" },
	{ "repositories", "$TOY_MIRROR one ma?n\n", "repositories:1: \"ma?n\"" },
	{ "repositories", "unsigned\n", "repositories:1:" },
	{ "mirrorlist", "\nhttp://a.example/\n", "mirrorlist:2: only rpm repositories" },
	{ "guest-repositories", "deb $TOY_MIRROR one main\n",
	  "guest-repositories:1: the variable" },
	{ "guest-repositories", "deb file:///x one main\n", "guest-repositories:1:" },
	{ "guest-repositories", "deb http://a.example\n", "guest-repositories:1:" },
	{ "guest-repositories", "deb [never=closed\n", "guest-repositories:1:" },
	{ "guest-repositories", "deb\n", "guest-repositories:1:" },
	{ "trust", "ABCDEF sha1\n", "trust:1: \"ABCDEF\" is not a fingerprint" },
	{ "trust", "# x\n" LENNY "0\n", "trust:2:" },
	{ "trust", LENNY " rot13\n", "trust:1: \"rot13\" is not a waiver" },
	{ "trust", LENNY "\n" LENNY " sha1\n", "trust:2: line 1 names the same key" },
	{ "environment", "A=1\nB 2\n", "environment:2: this is not of the form" },
	{ "environment", "A=\"1\n", "environment:1: a quote is not closed" },
	{ "package_manager", "", "package_manager is missing" },
	{ "package_manager", "deb\nrpm\n", "package_manager:2: there is more than one word" },
};

static void mistakes(void **state)
{
	const struct world *world = *state;

	for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
		autofree char *name = xasprintf("own/toy/1/config/%s", bad_files[i].file);
		put_text(world, name, bad_files[i].text);
		refused(world, "toy-1", ERROR_BAD_TEMPLATE, bad_files[i].message);
		take_away(world, name);
	}
	AUTO(template_freep) struct template *t = loaded(world, "toy-1");
	assert_non_null(t);
}

static void bad_variables(void **state)
{
	static const char *const values[] = { "http://a b", "http://a\tb", "http://a\x7f",
					      "",           "/x",          "http://\303\244" };
	struct world *world = *state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		conf_set(&world->variables, "TOY_MIRROR", values[i]);
		refused(world, "toy-1", ERROR_BAD_TEMPLATE, "repositories:1:");
	}
}

static void files_that_are_none(void **state)
{
	const struct world *world = *state;
	autofree char *path = xasprintf("%s/own/toy/1/config/trust", world->path);
	autofree char *large = xmalloc(2 << 20);

	memset(large, '#', 2 << 20);
	put(world, "own/toy/1/config/summary", large, 2 << 20);
	refused(world, "toy-1", ERROR_BAD_TEMPLATE, "larger than");
	put(world, "own/toy/1/config/summary", "a\0b\n", 4);
	refused(world, "toy-1", ERROR_BAD_TEMPLATE, "summary:1: the line holds a control");
	take_away(world, "own/toy/1/config/summary");
	assert_int_equal(mkfifo(path, 0644), 0);
	refused(world, "toy-1", ERROR_BAD_TEMPLATE, "trust: this is not a file");
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	refused(world, "toy-1", ERROR_BAD_TEMPLATE, "trust: this is not a file");
}

/* ---- digest ------------------------------------------------------------------------------------------------- */

static bool digest_changed(const struct world *world, const struct digest *before)
{
	AUTO(template_freep) struct template *t = loaded(world, "toy-1");
	return !digest_equal(&t->digest, before);
}

static void digests(void **state)
{
	static const struct {
		const char *file, *text;
	} changes[] = {
		{ "packages", "hello\n" },
		{ "repositories", "$TOY_MIRROR two main\n" },
		{ "guest-repositories", "deb http://toy.example/toy one main\n" },
		{ "trust", LENNY " expired\n" },
		{ "environment", "A=1\n" },
		{ "post-install", "#!/bin/sh\n" },
		{ "pre-install", "#!/bin/sh\n" },
		{ "package_manager", "dpkg\n" }, /* the same, by another name */
		{ "summary", "Another toy\n" }, /* changes nothing that is built */
		{ "packages", "# said otherwise\nhello\nworld\n" },
	};
	const size_t same_from = 7;
	struct world *world = *state;
	AUTO(template_freep) struct template *t = loaded(world, "toy-1");
	const struct digest before = t->digest;

	assert_int_equal(before.kind, DIGEST_SHA256);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		autofree char *name = xasprintf("own/toy/1/config/%s", changes[i].file);
		put_text(world, name, changes[i].text);
		if (digest_changed(world, &before) != (i < same_from))
			fail_msg("%s: \"%s\"", changes[i].file, changes[i].text);
		take_away(world, name);
	}
	conf_set(&world->variables, "TOY_MIRROR", "http://other.example/toy");
	assert_false(digest_changed(world, &before));
	put_key(world, "lenny-stable.asc", CONFIG "gpgkeys/more.asc");
	assert_true(digest_changed(world, &before));
}

/* ---- lint ---------------------------------------------------------------------------------------------------- */

struct findings {
	struct strbuf text;
	int errors, warnings;
};

static void found(bool is_error, const char *file, unsigned line, const char *text, void *data)
{
	struct findings *findings = data;
	strbuf_addf(&findings->text, "%s:%u: %s\n", file, line, text);
	*(is_error ? &findings->errors : &findings->warnings) += 1;
}

static void lints(const struct world *world, int errors, int warnings, const char *const *texts)
{
	struct findings findings = { .text = STRBUF_INIT };
	AUTO(error_clear) struct error err = ERROR_INIT;

	int ret = template_lint(&world->source, "toy-1", found, &findings, &err);
	if (ret != errors || findings.errors != errors || findings.warnings != warnings)
		fail_msg("%d, %d errors, %d warnings:\n%s%s", ret, findings.errors,
			 findings.warnings, findings.text.text, err.message ?: "");
	for (; *texts; texts++)
		if (!strstr(findings.text.text, *texts))
			fail_msg("\"%s\" is not in:\n%s", *texts, findings.text.text);
	strbuf_release(&findings.text);
}
#define LINTS(world, errors, warnings, ...) \
	lints(world, errors, warnings, (const char *const[]){ __VA_ARGS__, NULL })

static void lint_clean(void **state)
{
	const struct world *world = *state;
	put_script(world, CONFIG "post-install", "#!/bin/sh\n", 0755);
	LINTS(world, 0, 0, "");
}

static void lint_all_mistakes(void **state)
{
	const struct world *world = *state;
	put_text(world, CONFIG "packages", "a b\nok\nok\nc/d\n");
	put_text(world, CONFIG "repositories", "$NONE one main\n$TOY_MIRROR one\n");
	put_text(world, CONFIG "environment", "oh\n");
	LINTS(world, 5, 1, "packages:1: ", "packages:3: ok is named twice",
	      "packages:4: ", "repositories:1: ", "repositories:2: ", "environment:1: ");
}

/* What a load passes over: other sets, lower levels. */
static void lint_other_files(void **state)
{
	const struct world *world = *state;
	put_text(world, CONFIG "os/minimal/packages", "a b\n");
	put_text(world, CONFIG "tiny.list", "c d\n");
	put_text(world, "shipped/toy/config/trust", "XYZ\n");
	put_text(world, "shipped/toy/config/repositories", "$NONE one main\n");
	put_text(world, CONFIG "packges", "a\n");
	LINTS(world, 4, 1, "os/minimal/packages:1: ", "tiny.list:1: ", "toy/config/trust:1: ",
	      "toy/config/repositories:1: ", "packges:0: nothing reads a file of this name");
}

static void lint_keys(void **state)
{
	const struct world *world = *state;

	put_key(world, "lenny-stable.asc", CONFIG "gpgkeys/stable.asc");
	put_text(world, CONFIG "gpgkeys/notes.txt", "x\n");
	LINTS(world, 0, 2, "stable.asc:0: no line of the file trust", "notes.txt:0: nothing reads");
	put_text(world, CONFIG "trust", LENNY "\n" STABLE "\n");
	take_away(world, CONFIG "gpgkeys/notes.txt");
	LINTS(world, 0, 0, "");
	take_away(world, CONFIG "gpgkeys/stable.asc");
	LINTS(world, 1, 0, "trust:2: no file in gpgkeys/ holds the key " STABLE);
	put_text(world, CONFIG "gpgkeys/broken.asc", "no key\n");
	put_text(world, CONFIG "trust", LENNY "\n");
	LINTS(world, 1, 0, "broken.asc:0: ");
	take_away(world, CONFIG "gpgkeys/broken.asc");
	take_away(world, CONFIG "trust");
	LINTS(world, 1, 1, "nothing can be verified", "no line of the file trust");
	put_text(world, CONFIG "repositories", "$TOY_MIRROR one main unsigned\n");
	take_away(world, CONFIG "gpgkeys");
	LINTS(world, 0, 0, "");
}

static void lint_scripts(void **state)
{
	const struct world *world = *state;
	put_script(world, CONFIG "post-install", "#!/bin/sh\n", 0644);
	put_script(world, CONFIG "pre-install", "echo\n", 0755);
	put_script(world, CONFIG "pre-cache", "#!/bin/sh\r\n", 0755);
	take_away(world, CONFIG "summary");
	LINTS(world, 3, 1, "post-install:0: the script has no run bit",
	      "pre-install:1: the script does not begin with",
	      "pre-cache:1: the lines end in CR LF", "there is no file summary");
}

static void lint_unknown(void **state)
{
	const struct world *world = *state;
	struct findings findings = { .text = STRBUF_INIT };
	AUTO(error_clear) struct error err = ERROR_INIT;

	assert_int_equal(template_lint(&world->source, "toy-2", found, &findings, &err), -1);
	assert_int_equal(err.kind, ERROR_NO_TEMPLATE);
	assert_int_equal(findings.errors, 0);
	strbuf_release(&findings.text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything),       TEST(inherited),        TEST(sets),
		TEST(package_managers), TEST(rpm_repositories), TEST(given_repositories),
		TEST(mistakes),         TEST(bad_variables),    TEST(files_that_are_none),
		TEST(digests),          TEST(lint_clean),       TEST(lint_all_mistakes),
		TEST(lint_other_files), TEST(lint_keys),        TEST(lint_scripts),
		TEST(lint_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
