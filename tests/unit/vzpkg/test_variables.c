#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/apt_sources.h"
#include "vzpkg/variables.h"

/* ---- apt's sources ----------------------------------------------------------------------------------------- */

struct source_case {
	bool deb822;
	const char *text, *mirror, *security;
};

static const struct source_case source_cases[] = {
	{ false, "deb http://a.example/debian bookworm main\n", "http://a.example/debian", "" },
	{ false, "deb http://a.example/debian/ bookworm main", "http://a.example/debian", "" },
	{ false,
	  "  deb [ arch=amd64 signed-by=/x.gpg ]  https://a.example/debian bookworm main # x\r\n"
	  "deb http://b.example/debian bookworm main\n"
	  "deb http://s.example/debian-security bookworm-security main contrib\n",
	  "https://a.example/debian", "http://s.example/debian-security" },
	{ false, "deb http://[::1]:80/debian bookworm main\n", "http://[::1]:80/debian", "" },
	{ false, "deb http://security.debian.org/ lenny/updates main\n", "",
	  "http://security.debian.org" },
	{ false, "deb file:/srv/debian bookworm main\n", "file:///srv/debian", "" },
	{ false, "deb file:///srv/debian bookworm main\n", "file:///srv/debian", "" },
	{ false, "deb http://x.example/archive/debian/20250520T000000Z bookworm main\n",
	  "http://x.example/archive/debian/20250520T000000Z", "" },
	/* not Debian's archive, or none to be built from */
	{ false,
	  "#deb http://a.example/debian bookworm main\n"
	  "deb-src http://a.example/debian bookworm main\n"
	  "deb cdrom:[Debian_12]/debian bookworm main\n"
	  "deb ftp://a.example/debian bookworm main\n"
	  "deb http://vendor.example/linux/debian bookworm stable\n"
	  "deb http://vendor.example/apt bookworm main\n"
	  "deb http://a.example/ubuntu jammy main\n"
	  "deb http://a.example/debian\n"
	  "deb http://a.example/debian ./\n"
	  "deb [never=closed http://a.example/debian bookworm main\n"
	  "deb\ndeb \n[\n\n",
	  "", "" },
	{ true,
	  "# comment\nTypes: deb deb-src\nURIs: http://a.example/debian/\n"
	  "Suites: bookworm bookworm-updates\nComponents: main contrib\n\n\n"
	  "Types: deb\nURIs: http://a.example/debian-security\nSuites: bookworm-security\n"
	  "Components: main\n",
	  "http://a.example/debian", "http://a.example/debian-security" },
	{ true,
	  "types: deb\nUris:\n http://no.example/x\n#\n\thttp://a.example/debian\n"
	  "SUITES:\n bookworm\nComponents:\n main\nSigned-By:\n http://b.example/debian\n",
	  "http://a.example/debian", "" },
	{ true,
	  "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n"
	  "Enabled: No\n\n"
	  "Types: deb-src\nURIs: http://b.example/debian\nSuites: bookworm\nComponents: main\n \n"
	  "Types: deb\nURIs: http://c.example/debian\nSuites: bookworm\nComponents: main\n"
	  "Enabled: yes",
	  "http://c.example/debian", "" },
	{ true, "deb http://a.example/debian bookworm main\n", "", "" },
	{ true, "", "", "" },
};

static void sources_scanned(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(source_cases) / sizeof(source_cases[0]); i++) {
		const struct source_case *c = &source_cases[i];
		AUTO(apt_sources_release) struct apt_sources sources = APT_SOURCES_INIT;
		apt_sources_scan(&sources, "/nowhere", c->text, c->deb822);
		if (strcmp(sources.mirror.text, c->mirror) != 0 ||
		    strcmp(sources.security.text, c->security) != 0)
			fail_msg("case %zu: \"%s\", \"%s\"", i, sources.mirror.text,
				 sources.security.text);
	}
}

/* ---- a host's files ------------------------------------------------------------------------------------------ */

static const char *const names[] = { "DEBIAN_MIRROR",  "DEBIAN_SECURITY_MIRROR",
				     "DEBIAN_ARCHIVE", "DEBIAN_SECURITY_ARCHIVE",
				     "FEDORA_ARCHIVE", "FEDORA_MIRROR",
				     "CENTOS_VAULT",   "CENTOS_STREAM_MIRROR",
				     "OPENSUSE_MIRROR" };

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/variables.XXXXXX", tmp ? tmp : "/dev/shm");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	assert_non_null(mkdtemp(path));
	*state = path;
	return 0;
}

static int teardown(void **state)
{
	tree_remove(AT_FDCWD, *state, NULL);
	free(*state);
	return 0;
}

static void put(const char *root, const char *name, const char *text)
{
	autofree char *path = xasprintf("%s/%s", root, name);
	autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	autoclose int dir = dir_open(AT_FDCWD, folder, true, 0755, NULL);
	assert_true(dir >= 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0644, text, strlen(text), NULL), 0);
}

/* `vz.conf` is in the folder too, so that vzpkg.conf is looked for there. */
static void load(const char *root, struct conf *variables)
{
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *conf = xasprintf("%s/vz.conf", root);

	put(root, "vz.conf", "TEMPLATE=template\n");
	assert_int_equal(host_config_load(&host, conf, NULL), 0);
	if (variables_load(variables, &host, root, &err) < 0)
		fail_msg("%s", err.message);
}

static void is(const char *root, const char *name, const char *value)
{
	AUTO(conf_release) struct conf variables = CONF_INIT;
	load(root, &variables);
	assert_non_null(conf_get(&variables, name));
	assert_string_equal(conf_get(&variables, name), value);
}

/* A host that is not Debian's. */
static void defaults(void **state)
{
	is(*state, "DEBIAN_MIRROR", "http://ftp.debian.org/debian");
	is(*state, "DEBIAN_SECURITY_MIRROR", "http://security.debian.org/debian-security");
	is(*state, "DEBIAN_ARCHIVE", "http://archive.debian.org/debian");
	is(*state, "DEBIAN_SECURITY_ARCHIVE", "http://archive.debian.org/debian-security");
}

static void from_apt(void **state)
{
	put(*state, "etc/apt/sources.list.d/b.list",
	    "deb http://b.example/debian bookworm main\n"
	    "deb http://b.example/debian-security bookworm-security main\n");
	is(*state, "DEBIAN_MIRROR", "http://b.example/debian");
	put(*state, "etc/apt/sources.list.d/a.sources",
	    "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\nComponents: main\n");
	put(*state, "etc/apt/sources.list.d/a.sources.disabled",
	    "Types: deb\nURIs: http://no.example/debian\nSuites: bookworm\nComponents: main\n");
	is(*state, "DEBIAN_MIRROR", "http://a.example/debian");
	is(*state, "DEBIAN_SECURITY_MIRROR", "http://b.example/debian-security");
	put(*state, "etc/apt/sources.list", "deb http://c.example/debian bookworm main\n");
	is(*state, "DEBIAN_MIRROR", "http://c.example/debian");
}

/* As Debian's own cloud images have it. */
static void mirror_lists(void **state)
{
	put(*state, "etc/apt/sources.list.d/debian.sources",
	    "Types: deb deb-src\nURIs: mirror+file:///etc/apt/mirrors/debian.list\n"
	    "Suites: bookworm bookworm-updates\nComponents: main\n\n"
	    "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian-security.list\n"
	    "Suites: bookworm-security\nComponents: main\n\n"
	    "Types: deb\nURIs: mirror+file:/none.list\nSuites: bookworm\nComponents: main\n");
	put(*state, "etc/apt/mirrors/debian.list",
	    "# first\n\nhttps://a.example/debian\tpriority:1\nhttps://b.example/debian\n");
	put(*state, "etc/apt/mirrors/debian-security.list", "https://a.example/debian-security");
	is(*state, "DEBIAN_MIRROR", "https://a.example/debian");
	is(*state, "DEBIAN_SECURITY_MIRROR", "https://a.example/debian-security");
}

static void weak_to_strong(void **state)
{
	put(*state, "etc/apt/sources.list", "deb http://apt.example/debian bookworm main\n");
	put(*state, "vzpkg.conf", "DEBIAN_MIRROR=\"http://conf.example/debian/\"\nPARALLEL=4\n");
	is(*state, "DEBIAN_MIRROR", "http://conf.example/debian");
	is(*state, "PARALLEL", "4");
	put(*state, "vzpkg.conf.d/20.conf", "DEBIAN_MIRROR=http://twenty.example/debian\n");
	put(*state, "vzpkg.conf.d/10.conf", "DEBIAN_MIRROR=http://ten.example/debian\nMINE=1\n");
	put(*state, "vzpkg.conf.d/30.conf.bak", "DEBIAN_MIRROR=http://no.example/debian\n");
	is(*state, "DEBIAN_MIRROR", "http://twenty.example/debian");
	is(*state, "MINE", "1");
	setenv("DEBIAN_MIRROR", "http://env.example/debian//", 1);
	setenv("MINE", "2", 1); /* only names that are known come from there */
	is(*state, "DEBIAN_MIRROR", "http://env.example/debian");
	is(*state, "MINE", "1");
	setenv("DEBIAN_MIRROR", "", 1);
	is(*state, "DEBIAN_MIRROR", "http://twenty.example/debian");
}

static void mistakes(void **state)
{
	AUTO(host_config_release) struct host_config host = HOST_CONFIG_INIT;
	AUTO(conf_release) struct conf variables = CONF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *conf = xasprintf("%s/vz.conf", (char *)*state);

	put(*state, "vz.conf", "");
	put(*state, "vzpkg.conf.d/10.conf", "A=1\nno\n");
	assert_int_equal(host_config_load(&host, conf, NULL), 0);
	assert_int_equal(variables_load(&variables, &host, *state, &err), -1);
	assert_int_equal(err.kind, ERROR_PARSE);
	assert_non_null(strstr(err.message, "vzpkg.conf.d/10.conf:2: "));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_scanned),
		TEST(defaults),
		TEST(from_apt),
		TEST(mirror_lists),
		TEST(weak_to_strong),
		TEST(mistakes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
