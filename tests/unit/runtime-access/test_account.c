#include "tests/unit/base/scratch.h"

#include "runtime/access/account.h"

static void check(const char *passwd, const char *home, const char *shell)
{
	AUTO(account_release) struct account account;
	account_parse(passwd, &account);
	assert_string_equal(account.home, home);
	if (shell)
		assert_string_equal(account.shell, shell);
	else
		assert_null(account.shell);
}

static void roots_line_is_found(void **state)
{
	(void)state;
	check("root:x:0:0:root:/root:/bin/bash\n", "/root", "/bin/bash");
	check("daemon:x:1:1::/:/bin/sh\nroot:x:0:0::/home/r:/usr/bin/zsh\nx:\n", "/home/r",
	      "/usr/bin/zsh");
	check("toor:x:0:0::/t:/bin/t\nroot:x:0:0::/r:/bin/r", "/r", "/bin/r");
	check("root:x:0:0::/r:/bin/r\nroot:x:0:0::/q:/bin/q\n", "/r", "/bin/r");
}

static void anything_may_be_there(void **state)
{
	(void)state;
	check("", "/root", NULL);
	check("\n\n\n", "/root", NULL);
	check("root:", "/root", NULL);
	check("root:x:0:0:root\nx:x:1:1::/x:/bin/x\n", "/root", NULL);
	check("root:x:0:0:root:relative:sh\n", "/root", NULL);
	check("root:x:0:0:root:/root:/\n", "/root", NULL);
	check("rootless:x:0:0:root:/r:/bin/r\n", "/root", NULL);
}

static void a_closed_account_has_no_shell(void **state)
{
	(void)state;
	check("root:x:0:0:root:/root:/usr/sbin/nologin\n", "/root", NULL);
	check("root:x:0:0:root:/root:/bin/false\n", "/root", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_line_is_found),
		cmocka_unit_test(anything_may_be_there),
		cmocka_unit_test(a_closed_account_has_no_shell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
