/* What each release that has a template gets: the files that its packages leave in a VE, and those that are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "tests/unit/runtime-guest/tree.h"

struct file {
	const char *path, *text; /* NULL: it is not there */
};

struct distribution {
	const char *kind;
	struct file there[8]; /* from the packages, up to one without a path */
	struct file written
		[6]; /* with addresses; without them they are as in `there`, or as in `remaining` */
	struct file remaining[2];
};

#define MARK "# Written by vzctl at each start of the VE.\n"
#define BEGIN "# BEGIN vzctl (changes in here are overwritten)\n"
#define END "# END vzctl\n"

#define IFUPDOWN                                                        \
	"auto venet0\niface venet0 inet manual\n"                       \
	"\tup ip link set dev venet0 up\n"                              \
	"\tup ip address replace 10.0.0.1/32 dev venet0\n"              \
	"\tup ip -6 address replace 2001:db8::1/128 dev venet0 nodad\n" \
	"\tup ip route replace default dev venet0 src 10.0.0.1\n"       \
	"\tup ip -6 route replace default dev venet0 src 2001:db8::1\n"
#define LOOPBACK "auto lo\niface lo inet loopback\n"

static const struct distribution debian_5 = {
	.kind = "debian-ifupdown",
	.there = { { "sbin/ifup", "" },
		   { "bin/ip", "" },
		   { "etc/network/interfaces", LOOPBACK },
		   { "etc/network/if-up.d/x", "" } },
	.written = { { "etc/network/interfaces", LOOPBACK BEGIN IFUPDOWN END } },
};

/* From 9 on, ifupdown's own file reads a folder. */
#define SOURCE                                                                      \
	"# interfaces(5)\n# Include files from /etc/network/interfaces.d:\nsource " \
	"/etc/network/interfaces.d/*\n\n"
static const struct distribution debian_11 = {
	.kind = "debian-ifupdown",
	.there = { { "sbin/ifup", "" },
		   { "bin/ip", "" },
		   { "etc/network/interfaces", SOURCE LOOPBACK },
		   { "etc/network/interfaces.d/x", "" },
		   { "etc/systemd/network/x", "" } },
	.written = { { "etc/network/interfaces.d/venet0", MARK IFUPDOWN } },
};
static const struct distribution debian_13 = {
	.kind = "debian-ifupdown",
	.there = { { "usr/sbin/ifup", "" },
		   { "usr/sbin/ip", "" },
		   { "etc/network/interfaces", SOURCE LOOPBACK },
		   { "etc/network/interfaces.d/x", "" },
		   { "etc/systemd/network/x", "" } },
	.written = { { "etc/network/interfaces.d/venet0", MARK IFUPDOWN } },
};

#define SCRIPTS "etc/sysconfig/network-scripts/"
#define IFCFG                                                                               \
	MARK "DEVICE=venet0\nONBOOT=yes\nBOOTPROTO=none\nNM_CONTROLLED=no\nARPCHECK=no\n"   \
	     "IPADDR=10.0.0.1\nNETMASK=255.255.255.255\nSRCADDR=10.0.0.1\nNOZEROCONF=yes\n" \
	     "IPV6INIT=yes\nIPV6_AUTOCONF=no\nIPV6ADDR=2001:db8::1/128\n"
#define ROUTE6 MARK "default dev venet0 src 2001:db8::1\n"
#define OURS BEGIN "NETWORKING=yes\nHOSTNAME=web.example.org\n"

/* Fedora Core 4 and CentOS 6 have the host name from this file, which their templates write. */
#define SYSCONFIG "NETWORKING=yes\nHOSTNAME=localhost.localdomain\n"
static const struct distribution with_sysconfig = {
	.kind = "redhat-ifcfg",
	.there = { { "sbin/ifup", "" },
		   { SCRIPTS "ifcfg-lo", "DEVICE=lo\n" },
		   { "etc/sysconfig/network", SYSCONFIG } },
	.written = { { SCRIPTS "ifcfg-venet0", IFCFG },
		     { SCRIPTS "route6-venet0", ROUTE6 },
		     { "etc/sysconfig/network",
		       SYSCONFIG OURS "GATEWAYDEV=venet0\nNETWORKING_IPV6=yes\n" END } },
	.remaining = { { "etc/sysconfig/network", SYSCONFIG OURS END } },
};
static const struct distribution centos_7 = {
	.kind = "redhat-ifcfg",
	.there = { { "usr/sbin/ifup", "" },
		   { SCRIPTS "ifcfg-lo", "DEVICE=lo\n" },
		   { "etc/systemd/system/x", "" } },
	.written = { { SCRIPTS "ifcfg-venet0", IFCFG },
		     { SCRIPTS "route6-venet0", ROUTE6 },
		     { "etc/sysconfig/network",
		       OURS "GATEWAYDEV=venet0\nNETWORKING_IPV6=yes\n" END } },
	.remaining = { { "etc/sysconfig/network", OURS END } },
};

static const struct distribution fedora = {
	.kind = "systemd-networkd",
	.there = { { "etc/systemd/network/x", "" },
		   { "etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "" } },
	.written = { { "etc/systemd/network/10-venet0.network", MARK
		       "[Match]\nName=venet0\n\n"
		       "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
		       "KeepConfiguration=yes\n"
		       "\n[Address]\nAddress=10.0.0.1/32\n"
		       "\n[Address]\nAddress=2001:db8::1/128\nDuplicateAddressDetection=none\n"
		       "\n[Route]\nDestination=0.0.0.0/0\nScope=link\nPreferredSource=10.0.0.1\n"
		       "\n[Route]\nDestination=::/0\nPreferredSource=2001:db8::1\n" } },
};

/* Nothing in it configures a network: the addresses that the host sets are all there is. */
static const struct distribution without = {
	.kind = "none",
	.there = { { "etc/systemd/system/x", "" } },
};

static const struct {
	const char *release;
	const struct distribution *distribution;
} releases[] = {
	{ "debian/5.0", &debian_5 },
	{ "debian/11", &debian_11 },
	{ "debian/12", &debian_11 },
	{ "debian/13", &debian_13 },
	{ "fedora-core/4", &with_sysconfig },
	{ "centos/6", &with_sysconfig },
	{ "centos/7", &centos_7 },
	{ "centos/8", &centos_7 },
	{ "centos-stream/9", &without },
	{ "fedora/43", &fedora },
	{ "fedora/44", &fedora },
	{ "opensuse-leap/15", &without },
};

static const struct file *find(const struct file *files, size_t count, const char *path)
{
	for (size_t i = 0; i < count && files[i].path; i++)
		if (!strcmp(files[i].path, path))
			return &files[i];
	return NULL;
}

static void assert_without_addresses(const struct distribution *distribution)
{
	for (const struct file *file = distribution->written; file->path; file++) {
		const struct file *left = find(distribution->remaining, 2, file->path);
		if (!left)
			left = find(distribution->there, 8, file->path);
		if (left)
			assert_file(file->path, left->text);
		else
			assert_none(file->path);
	}
}

static void check(const struct distribution *distribution)
{
	AUTO(strvec_release) struct strvec servers = STRVEC_INIT, domains = STRVEC_INIT;
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	strvec_push(&servers, "192.0.2.53");
	strvec_push(&domains, "example.org");
	settings.hostname = "web.example.org";
	settings.nameservers = &servers;
	settings.searchdomains = &domains;
	for (const struct file *file = distribution->there; file->path; file++)
		put(file->path, file->text);
	put("etc/hosts", "127.0.0.1 localhost\n");
	assert_string_equal(guest_network_kind(root), distribution->kind);
	configure(&settings);
	for (const struct file *file = distribution->written; file->path; file++)
		assert_file(file->path, file->text);
	assert_file("etc/hostname", "web.example.org\n");
	assert_file("etc/hosts",
		    "127.0.0.1 localhost\n" BEGIN "10.0.0.1\tweb.example.org web\n" END);
	assert_file("etc/resolv.conf",
		    "# Written by vzctl at each start of the VE; see its NAMESERVER.\n"
		    "nameserver 192.0.2.53\nsearch example.org\n");
	settings = (struct guest_settings){ .network = true };
	configure(&settings);
	assert_without_addresses(distribution);
	assert_file("etc/hostname", "web.example.org\n");
}

static void each_release(void **state)
{
	for (size_t i = 0; i < sizeof(releases) / sizeof(*releases); i++) {
		print_message("%s\n", releases[i].release);
		assert_int_equal(setup(state), 0);
		check(releases[i].distribution);
		assert_int_equal(teardown(state), 0);
	}
}

static bool is_known(const char *distro, const char *release)
{
	autofree char *name = xasprintf("%s/%s", distro, release);
	for (size_t i = 0; i < sizeof(releases) / sizeof(*releases); i++)
		if (!strcmp(releases[i].release, name))
			return true;
	print_message("%s has no row here\n", name);
	return false;
}

/* Tests are run in the folder that has templates/. */
static void no_release_is_left_out(void **state)
{
	unsigned count = 0;
	autoclosedir DIR *systems = opendir("templates");
	(void)state;
	assert_non_null(systems);
	for (struct dirent *distro; (distro = readdir(systems));) {
		autofree char *path = xasprintf("templates/%s", distro->d_name);
		autoclosedir DIR *folders = *distro->d_name == '.' ? NULL : opendir(path);
		for (struct dirent *one; folders && (one = readdir(folders));) {
			if (*one->d_name == '.' || !strcmp(one->d_name, "config"))
				continue;
			assert_true(is_known(distro->d_name, one->d_name));
			count++;
		}
	}
	assert_int_equal(count, sizeof(releases) / sizeof(*releases));
}

static void resolver(const char *before, const char *server, const char *domain, const char *after)
{
	AUTO(strvec_release) struct strvec servers = STRVEC_INIT, domains = STRVEC_INIT;
	strvec_split(&servers, server ?: "");
	strvec_split(&domains, domain ?: "");
	const struct guest_settings settings = {
		.nameservers = server ? &servers : NULL,
		.searchdomains = domain ? &domains : NULL,
	};
	put("etc/resolv.conf", before);
	configure(&settings);
	autofree char *expected = xasprintf(
		"# Written by vzctl at each start of the VE; see its NAMESERVER.\n%s", after);
	assert_file("etc/resolv.conf", expected);
	configure(&settings);
	assert_file("etc/resolv.conf", expected);
}

static void resolver_keeps_what_is_not_set(void **state)
{
	static const char before[] =
		"nameserver 10.0.0.53\nsearch old.example\noptions ndots:2\ndomain d.example\n";
	(void)state;
	resolver(before, "10.0.0.1 10.0.0.2", NULL,
		 "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch old.example\noptions ndots:2\n"
		 "domain d.example\n");
	resolver(before, NULL, "new.example",
		 "search new.example\nnameserver 10.0.0.53\noptions ndots:2\n");
	resolver(before, "10.0.0.1", "new.example",
		 "nameserver 10.0.0.1\nsearch new.example\noptions ndots:2\n");
	resolver("nameserver 10.0.0.53", "10.0.0.1", "", "nameserver 10.0.0.1\n");
}

static void resolved_has_its_own_file(void **state)
{
	AUTO(strvec_release) struct strvec servers = STRVEC_INIT;
	const struct guest_settings settings = { .nameservers = &servers };
	(void)state;
	strvec_split(&servers, "10.0.0.1 2001:db8::53");
	put("etc/systemd/x", "");
	assert_int_equal(
		symlinkat("../run/systemd/resolve/stub-resolv.conf", root, "etc/resolv.conf"), 0);
	configure(&settings);
	assert_file("etc/systemd/resolved.conf.d/vzctl.conf",
		    MARK "[Resolve]\nDNS=10.0.0.1 2001:db8::53\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_release),
		cmocka_unit_test(no_release_is_left_out),
		cmocka_unit_test_setup_teardown(resolver_keeps_what_is_not_set, setup, teardown),
		cmocka_unit_test_setup_teardown(resolved_has_its_own_file, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
