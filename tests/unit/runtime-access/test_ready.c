/* What inits show of themselves. VEs with those that Debian has are in tests/ve; Upstart is in no release that is still on its mirrors, so of it there is
 * this alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/access/ready.h"

static void upstart(void **state)
{
	(void)state;
	assert_true(ready_runlevel("N 3"));
	assert_true(ready_runlevel("3 5"));
	assert_false(ready_runlevel("unknown"));
	assert_false(ready_runlevel("N S"));
	assert_false(ready_runlevel("N "));
	assert_false(ready_runlevel(""));
	/* What it starts for a runlevel, as CentOS 6 and Ubuntu have it. */
	assert_true(ready_is_boot_script("/bin/bash /etc/rc.d/rc 3 "));
	assert_true(ready_is_boot_script("/bin/sh /etc/rc.d/rc.sysinit "));
	assert_true(ready_is_boot_script("/bin/sh /etc/init.d/rc 2 "));
	assert_false(ready_is_boot_script("/sbin/rsyslogd -i /var/run/syslogd.pid -c 5 "));
}

static void sysvinit(void **state)
{
	(void)state;
	assert_true(ready_sysvinit_level("init [2] "));
	assert_true(ready_sysvinit_level("init [3]"));
	assert_false(ready_sysvinit_level("init [S]"));
	assert_false(ready_sysvinit_level("init boot"));
	assert_false(ready_sysvinit_level("/sbin/init"));
	assert_true(ready_is_boot_script("/bin/sh /lib/init/rc 2 "));
}

static void openrc_and_runit(void **state)
{
	(void)state;
	assert_true(ready_is_boot_script("/sbin/openrc sysinit "));
	assert_true(ready_is_boot_script("/bin/sh /etc/runit/1 "));
	assert_true(ready_is_boot_script("/bin/sh /etc/runit/2 "));
	assert_false(ready_is_boot_script("runsvdir -P /etc/service log: ... "));
	assert_false(ready_is_boot_script("supervise-daemon sshd --start /usr/sbin/sshd "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upstart),
		cmocka_unit_test(sysvinit),
		cmocka_unit_test(openrc_and_runit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
