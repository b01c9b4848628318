#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/runtime-guest/tree.h"

#define OURS                                                            \
	"auto venet0\niface venet0 inet manual\n"                       \
	"\tup ip link set dev venet0 up\n"                              \
	"\tup ip address replace 10.0.0.1/32 dev venet0\n"              \
	"\tup ip -6 address replace 2001:db8::1/128 dev venet0 nodad\n" \
	"\tup ip route replace default dev venet0 src 10.0.0.1\n"       \
	"\tup ip -6 route replace default dev venet0 src 2001:db8::1\n"

static void ifupdown_with_a_folder(void **state)
{
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	(void)state;
	put("sbin/ifup", "");
	put("sbin/ip", "");
	put("etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto lo\n");
	put("etc/network/interfaces.d/x", "");
	assert_string_equal(guest_network_kind(root), "debian-ifupdown");
	configure(&settings);
	assert_file("etc/network/interfaces.d/venet0",
		    "# Written by vzctl at each start of the VE.\n" OURS);
	assert_file("etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto lo\n");
	settings.address_count = 0;
	configure(&settings);
	assert_int_equal(faccessat(root, "etc/network/interfaces.d/venet0", F_OK, 0), -1);
}

static void ifupdown_with_a_block(void **state)
{
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	(void)state;
	put("sbin/ifup", "");
	put("sbin/ip", "");
	put("etc/network/interfaces", "auto lo\n# mine");
	configure(&settings);
	assert_file("etc/network/interfaces",
		    "auto lo\n# mine\n# BEGIN vzctl (changes in here are overwritten)\n" OURS
		    "# END vzctl\n");
	settings.address_count = 0;
	configure(&settings);
	assert_file("etc/network/interfaces", "auto lo\n# mine\n");
}

#define SCRIPTS "etc/sysconfig/network-scripts/"
#define BEGIN "# BEGIN vzctl (changes in here are overwritten)\n"
#define END "# END vzctl\n"
#define IFCFG(device, rest)                                                            \
	"# Written by vzctl at each start of the VE.\nDEVICE=" device "\nONBOOT=yes\n" \
	"BOOTPROTO=none\nNM_CONTROLLED=no\nARPCHECK=no\n" rest
#define IFCFG_V4(address) "IPADDR=" address "\nNETMASK=255.255.255.255\n"
#define IFCFG_ALIAS(n, address) IFCFG("venet0:" n, IFCFG_V4(address))
#define ROUTE6(source) \
	"# Written by vzctl at each start of the VE.\ndefault dev venet0 src " source "\n"

static void put_redhat(void)
{
	put("usr/sbin/ifup", "");
	put(SCRIPTS "ifcfg-lo", "DEVICE=lo\n");
	assert_string_equal(guest_network_kind(root), "redhat-ifcfg");
}

static struct guest_settings parse_all(struct address *addresses, const char *const *texts)
{
	struct guest_settings settings = { .addresses = addresses, .network = true };
	for (; *texts; texts++)
		assert_int_equal(address_parse(*texts, &addresses[settings.address_count++], NULL),
				 0);
	return settings;
}

static void ifcfg_with_several_addresses(void **state)
{
	static const char *const texts[] = { "2001:db8::1", "10.0.0.1",       "10.0.0.2/24",
					     "10.0.0.3",    "2001:db8::2/64", "2001:db8::3",
					     NULL };
	struct address addresses[6];
	struct guest_settings settings = parse_all(addresses, texts);
	struct stat before, after;
	(void)state;
	put_redhat();
	configure(&settings);
	assert_file(SCRIPTS "ifcfg-venet0",
		    IFCFG("venet0", IFCFG_V4("10.0.0.1") "SRCADDR=10.0.0.1\nNOZEROCONF=yes\n"
							 "IPV6INIT=yes\nIPV6_AUTOCONF=no\nIPV6ADDR="
							 "2001:db8::1/128\n"
							 "IPV6ADDR_SECONDARIES=\"2001:db8::2/128 "
							 "2001:db8::3/128\"\n"));
	assert_file(SCRIPTS "ifcfg-venet0:0", IFCFG_ALIAS("0", "10.0.0.2"));
	assert_file(SCRIPTS "ifcfg-venet0:1", IFCFG_ALIAS("1", "10.0.0.3"));
	assert_none(SCRIPTS "ifcfg-venet0:2");
	assert_file(SCRIPTS "route6-venet0", ROUTE6("2001:db8::1"));
	assert_file("etc/sysconfig/network",
		    BEGIN "NETWORKING=yes\nGATEWAYDEV=venet0\nNETWORKING_IPV6=yes\n" END);
	assert_int_equal(fstatat(root, SCRIPTS "ifcfg-venet0:1", &before, 0), 0);
	configure(&settings);
	assert_int_equal(fstatat(root, SCRIPTS "ifcfg-venet0:1", &after, 0), 0);
	assert_true(before.st_ino == after.st_ino);
}

/* Those of addresses that are gone are removed, and the tenant's never. */
static void ifcfg_with_fewer_addresses_than_before(void **state)
{
	static const char *const four[] = { "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", NULL };
	static const char *const two[] = { "10.0.0.4", "10.0.0.2", NULL };
	struct address addresses[4];
	struct guest_settings settings = parse_all(addresses, four);
	(void)state;
	put_redhat();
	put(SCRIPTS "ifcfg-venet0:7", "DEVICE=venet0:7\n");
	put(SCRIPTS "ifcfg-eth0:0", IFCFG_ALIAS("0", "10.0.0.2"));
	put(SCRIPTS "route6-venet0", "default dev venet0\n");
	configure(&settings);
	assert_file(SCRIPTS "ifcfg-venet0:2", IFCFG_ALIAS("2", "10.0.0.4"));
	settings = parse_all(addresses, two);
	configure(&settings);
	assert_file(SCRIPTS "ifcfg-venet0",
		    IFCFG("venet0", IFCFG_V4("10.0.0.4") "SRCADDR=10.0.0.4\nNOZEROCONF=yes\n"));
	assert_file(SCRIPTS "ifcfg-venet0:0", IFCFG_ALIAS("0", "10.0.0.2"));
	assert_none(SCRIPTS "ifcfg-venet0:1");
	assert_none(SCRIPTS "ifcfg-venet0:2");
	settings.address_count = 0;
	configure(&settings);
	assert_none(SCRIPTS "ifcfg-venet0");
	assert_none(SCRIPTS "ifcfg-venet0:0");
	assert_file(SCRIPTS "ifcfg-venet0:7", "DEVICE=venet0:7\n");
	assert_file(SCRIPTS "ifcfg-eth0:0", IFCFG_ALIAS("0", "10.0.0.2"));
	assert_file(SCRIPTS "route6-venet0", "default dev venet0\n");
}

static void ifcfg_with_one_family(void **state)
{
	static const char *const six[] = { "2001:db8::1", NULL };
	static const char *const four[] = { "10.0.0.1", NULL };
	struct address addresses[1];
	struct guest_settings settings = parse_all(addresses, six);
	(void)state;
	put_redhat();
	configure(&settings);
	assert_file(SCRIPTS "ifcfg-venet0",
		    IFCFG("venet0", "NOZEROCONF=yes\nIPV6INIT=yes\nIPV6_AUTOCONF=no\n"
				    "IPV6ADDR=2001:db8::1/128\n"));
	assert_file(SCRIPTS "route6-venet0", ROUTE6("2001:db8::1"));
	settings = parse_all(addresses, four);
	configure(&settings);
	assert_none(SCRIPTS "route6-venet0");
	assert_file("etc/sysconfig/network", BEGIN "NETWORKING=yes\nGATEWAYDEV=venet0\n" END);
}

/* What is NULL or false is left alone, in the one block of both too. */
static void sysconfig_has_name_and_device(void **state)
{
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	(void)state;
	put_redhat();
	put("etc/sysconfig/network", "NETWORKING=no\nHOSTNAME=localhost.localdomain");
#define FOREIGN "NETWORKING=no\nHOSTNAME=localhost.localdomain\n"
	settings.hostname = "web.example.org";
	configure(&settings);
	configure(&settings);
	assert_file("etc/sysconfig/network",
		    FOREIGN BEGIN "NETWORKING=yes\nHOSTNAME=web.example.org\n"
				  "GATEWAYDEV=venet0\nNETWORKING_IPV6=yes\n" END);
	assert_file("etc/hostname", "web.example.org\n");
	settings = (struct guest_settings){ .hostname = "other" };
	configure(&settings);
	assert_file("etc/sysconfig/network",
		    FOREIGN BEGIN "NETWORKING=yes\nHOSTNAME=other\n"
				  "GATEWAYDEV=venet0\nNETWORKING_IPV6=yes\n" END);
	settings = (struct guest_settings){ .network = true };
	configure(&settings);
	assert_file("etc/sysconfig/network", FOREIGN BEGIN "NETWORKING=yes\nHOSTNAME=other\n" END);
	settings.hostname = "third";
	configure(&settings);
	assert_file("etc/sysconfig/network", FOREIGN BEGIN "NETWORKING=yes\nHOSTNAME=third\n" END);
}

static void sysconfig_without_name_and_addresses(void **state)
{
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	(void)state;
	put_redhat();
	settings.address_count = 0;
	configure(&settings);
	assert_none("etc/sysconfig/network");
	put("etc/sysconfig/network", "NETWORKING=yes\n");
	settings.address_count = 2;
	configure(&settings);
	settings.address_count = 0;
	configure(&settings);
	assert_file("etc/sysconfig/network", "NETWORKING=yes\n");
}

/* Without ifup, the host name alone. */
static void sysconfig_without_ifup(void **state)
{
	struct guest_settings settings = { .hostname = "web", .network = true };
	(void)state;
	put(SCRIPTS "x", "");
	assert_string_equal(guest_network_kind(root), "none");
	configure(&settings);
	assert_file("etc/sysconfig/network", BEGIN "NETWORKING=yes\nHOSTNAME=web\n" END);
}

static void ifcfg_leads_nowhere(void **state)
{
	static const char *const texts[] = { "10.0.0.1", "10.0.0.2", NULL };
	struct address addresses[2];
	struct guest_settings settings = parse_all(addresses, texts);
	char outside[] = "/tmp/test_guest_outside.XXXXXX";
	struct stat st;
	(void)state;
	int fd = mkstemp(outside);
	assert_true(fd >= 0);
	const char mark[] = IFCFG_ALIAS("5", "10.0.0.9");
	assert_int_equal(write(fd, mark, sizeof(mark)), sizeof(mark));
	put_redhat();
	assert_int_equal(symlinkat(outside, root, SCRIPTS "ifcfg-venet0"), 0);
	assert_int_equal(symlinkat(outside, root, SCRIPTS "ifcfg-venet0:5"), 0);
	assert_int_equal(mkfifoat(root, SCRIPTS "ifcfg-venet0:0", 0666), 0);
	assert_int_equal(mkfifoat(root, SCRIPTS "ifcfg-venet0:6", 0666), 0);
	assert_int_equal(mkdirat(root, SCRIPTS "ifcfg-venet0:8", 0755), 0);
	configure(&settings);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, sizeof(mark));
	assert_file(SCRIPTS "ifcfg-venet0:0", IFCFG_ALIAS("0", "10.0.0.2"));
	assert_int_equal(fstatat(root, SCRIPTS "ifcfg-venet0:5", &st, AT_SYMLINK_NOFOLLOW), 0);
	close(fd);
	unlink(outside);
}

static void the_second_time_nothing_is_written(void **state)
{
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	struct stat before, after;
	(void)state;
	settings.hostname = "web.example.org";
	put("etc/hosts", "127.0.0.1 localhost\n");
	configure(&settings);
	assert_int_equal(fstatat(root, "etc/hosts", &before, 0), 0);
	configure(&settings);
	assert_int_equal(fstatat(root, "etc/hosts", &after, 0), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_file("etc/hosts", "127.0.0.1 localhost\n"
				 "# BEGIN vzctl (changes in here are overwritten)\n"
				 "10.0.0.1\tweb.example.org web\n# END vzctl\n");
	assert_file("etc/hostname", "web.example.org\n");
}

static void nothing_leads_out_and_nothing_blocks(void **state)
{
	struct guest_settings settings = { .hostname = "web" };
	char outside[] = "/tmp/test_guest_outside.XXXXXX";
	struct stat st;
	(void)state;
	int fd = mkstemp(outside);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(symlinkat(outside, root, "etc/hostname"), 0);
	assert_int_equal(mkfifoat(root, "etc/hosts", 0666), 0);
	configure(&settings);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 1);
	assert_file("etc/hostname", "web\n");
	close(fd);
	unlink(outside);
}

#define PROMPT                                                  \
	"# BEGIN vzctl (changes in here are overwritten)\n"     \
	"vz:2345:respawn:/sbin/getty --noclear 38400 console\n" \
	"# END vzctl\n"

static void sysvinit_has_a_prompt_on_its_console(void **state)
{
	struct guest_settings settings = { .console = true };
	(void)state;
	put("etc/inittab", "id:2:initdefault:\n#co:2:respawn:/sbin/getty console\n");
	configure(&settings);
	assert_file("etc/inittab", "id:2:initdefault:\n#co:2:respawn:/sbin/getty console\n");
	put("sbin/getty", "");
	configure(&settings);
	configure(&settings);
	assert_file("etc/inittab", "id:2:initdefault:\n#co:2:respawn:/sbin/getty console\n" PROMPT);
	put("etc/inittab", "id:2:initdefault:\nco:2:respawn:/sbin/getty console\n" PROMPT);
	configure(&settings);
	assert_file("etc/inittab", "id:2:initdefault:\nco:2:respawn:/sbin/getty console\n");
}

static void other_inits_are_left_alone(void **state)
{
	struct guest_settings settings = { .console = true };
	(void)state;
	put("sbin/getty", "");
	put("etc/inittab", "::respawn:/bin/sh\n");
	configure(&settings);
	assert_file("etc/inittab", "::respawn:/bin/sh\n");
	put("etc/inittab", "id:3:initdefault:\n");
	put("sbin/initctl", "");
	configure(&settings);
	assert_file("etc/inittab", "id:3:initdefault:\n");
}

static void a_trivial_root_has_no_files(void **state)
{
	struct address addresses[2];
	struct guest_settings settings = with_addresses(addresses);
	(void)state;
	settings.hostname = "web";
	assert_int_equal(unlinkat(root, "etc", AT_REMOVEDIR), 0);
	configure(&settings);
	assert_int_equal(faccessat(root, "etc", F_OK, 0), -1);
	assert_string_equal(guest_network_kind(root), "none");
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(ifupdown_with_a_folder),
		test(ifupdown_with_a_block),
		test(ifcfg_with_several_addresses),
		test(ifcfg_with_fewer_addresses_than_before),
		test(ifcfg_with_one_family),
		test(sysconfig_has_name_and_device),
		test(sysconfig_without_name_and_addresses),
		test(sysconfig_without_ifup),
		test(ifcfg_leads_nowhere),
		test(the_second_time_nothing_is_written),
		test(nothing_leads_out_and_nothing_blocks),
		test(a_trivial_root_has_no_files),
		test(sysvinit_has_a_prompt_on_its_console),
		test(other_inits_are_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
