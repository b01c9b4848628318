#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/net/netif.h"

static void assert_text(const struct netifs *netifs, const char *expected)
{
	autofree char *text = netifs_text(netifs);
	assert_string_equal(text, expected);
}

static void there_and_back(void **state)
{
	static const char *const texts[] = {
		"",
		"ifname=eth0",
		"ifname=eth0,mac=00:18:51:ab:cd:ef,host_ifname=veth101.0,host_mac=00:18:51:00:00:"
		"01",
		"ifname=eth0,bridge=br0;ifname=eth1,host_ifname=lan-1,mac_filter=off",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct netifs netifs;
		assert_int_equal(netifs_parse(texts[i], &netifs, NULL), 0);
		assert_text(&netifs, texts[i]);
		netifs_release(&netifs);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "eth0", "no setting" },
		{ "bridge=br0", "no ifname" },
		{ "ifname=", "missing" },
		{ "ifname=lo", "another purpose" },
		{ "ifname=venet0", "another purpose" },
		{ "ifname=..", "no such name" },
		{ "ifname=a/b", "letters" },
		{ "ifname=sixteencharacter", "15 characters" },
		{ "ifname=eth0,host_ifname=sixteencharacter", "15 characters" },
		{ "ifname=eth0,bridge=sixteencharacter", "15 characters" },
		{ "ifname=eth0,mac=1:2:3:4:5:6", "hexadecimal" },
		{ "ifname=eth0,mac=02:00:00:00:00:0g", "hexadecimal" },
		{ "ifname=eth0,mac=02-00-00-00-00-01", "hexadecimal" },
		{ "ifname=eth0,mac=02:00:00:00:00:01:02", "hexadecimal" },
		{ "ifname=eth0,mac=01:00:5e:00:00:01", "group" },
		{ "ifname=eth0,mac=00:00:00:00:00:00", "of anybody" },
		{ "ifname=eth0,mac_filter=maybe", "on or off" },
		{ "ifname=eth0,speed=10", "no such setting" },
		{ "ifname=eth0;ifname=eth0", "two interfaces" },
		{ "ifname=a,host_ifname=x;ifname=b,host_ifname=x", "two interfaces" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO(error_clear) struct error err = ERROR_INIT;
		struct netifs netifs;
		assert_int_equal(netifs_parse(bad[i].text, &netifs, &err), -1);
		assert_int_equal(err.kind, ERROR_VALUE);
		assert_non_null(strstr(err.message, bad[i].says));
		assert_null(netifs.items);
	}
}

static void openvz_form(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct netifs netifs = NETIFS_INIT;
	struct netif one;
	(void)state;
	assert_int_equal(
		netif_parse("eth0,02:00:00:00:00:01,veth7,02:00:00:00:00:02,br0", &one, NULL), 0);
	netifs_add(&netifs, &one);
	assert_int_equal(netif_parse("eth1,,,,br1", &one, NULL), 0);
	netifs_add(&netifs, &one);
	assert_text(&netifs, "ifname=eth0,mac=02:00:00:00:00:01,host_ifname=veth7,"
			     "host_mac=02:00:00:00:00:02,bridge=br0;ifname=eth1,bridge=br1");
	netifs_remove(&netifs, "eth0");
	netifs_remove(&netifs, "eth0");
	assert_text(&netifs, "ifname=eth1,bridge=br1");
	netifs_release(&netifs);
	assert_int_equal(netif_parse("eth0,,,,br0,on", &one, &err), -1);
	assert_int_equal(err.kind, ERROR_VALUE);
}

static struct netifs completed(const char *text, unsigned ctid, const char *place)
{
	struct netifs netifs;
	assert_int_equal(netifs_parse(text, &netifs, NULL), 0);
	netifs_complete(&netifs, ctid, place);
	return netifs;
}

static void names_on_the_host(void **state)
{
	(void)state;
	struct netifs netifs = completed("ifname=eth0;ifname=lan0;ifname=wan", 101, "/etc/vz/conf");
	assert_string_equal(netifs.items[0].host_ifname, "veth101.0");
	assert_string_equal(netifs.items[1].host_ifname, "veth101.1");
	assert_string_equal(netifs.items[2].host_ifname, "veth101.2");
	netifs_release(&netifs);
	netifs = completed("ifname=eth12;ifname=x,host_ifname=own", 2147483644, "/etc/vz/conf");
	assert_string_equal(netifs.items[0].host_ifname, "v2147483644.12");
	assert_string_equal(netifs.items[1].host_ifname, "own");
	netifs_release(&netifs);
}

static void stable_addresses(void **state)
{
	(void)state;
	struct netifs first = completed("ifname=eth0;ifname=eth1", 101, "/a"),
		      again = completed("ifname=eth0", 101, "/a"),
		      other = completed("ifname=eth0", 102, "/a"),
		      elsewhere = completed("ifname=eth0", 101, "/b"),
		      given = completed("ifname=eth0,mac=00:18:51:00:00:01", 101, "/a");
	const struct netif *one = &first.items[0];
	assert_true(netif_equal(one, &again.items[0]));
	assert_memory_not_equal(one->mac, first.items[1].mac, LINK_MAC_SIZE);
	assert_memory_not_equal(one->mac, other.items[0].mac, LINK_MAC_SIZE);
	assert_memory_not_equal(one->mac, elsewhere.items[0].mac, LINK_MAC_SIZE);
	assert_memory_equal(given.items[0].mac, "\0\x18\x51\0\0\x01", LINK_MAC_SIZE);
	assert_int_equal(one->mac[0] & 3, 2);
	assert_int_equal(one->host_mac[0], 0xfe);
	netifs_release(&first);
	netifs_release(&again);
	netifs_release(&other);
	netifs_release(&elsewhere);
	netifs_release(&given);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),   cmocka_unit_test(refused),
		cmocka_unit_test(openvz_form),      cmocka_unit_test(names_on_the_host),
		cmocka_unit_test(stable_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
