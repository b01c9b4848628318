#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/guest/guest.h"

static char *folder;
static int root;

static int setup(void **state)
{
	char template[] = "/tmp/test_guest.XXXXXX";
	(void)state;
	folder = mkdtemp(template) ? xstrdup(template) : NULL;
	root = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	return root < 0 || mkdirat(root, "etc", 0755) < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	(void)state;
	close(root);
	int result = tree_remove(AT_FDCWD, folder, &err);
	free(folder);
	return result;
}

static void put(const char *path, const char *text)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	autofree char *parent = xstrdup(path);
	*strrchr(parent, '/') = 0;
	autoclose int dir = dir_open(root, parent, true, 0755, &err);
	assert_true(dir >= 0);
	assert_int_equal(file_write_atomic(root, path, 0644, text, strlen(text), &err), 0);
}

static void assert_file(const char *path, const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(file_read(root, path, 1 << 20, &text, &err), 0);
	assert_string_equal(text.text, expected);
}

static void configure(const struct guest_settings *settings)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	assert_int_equal(guest_configure(root, settings, &err), 0);
}

static struct guest_settings with_addresses(struct address addresses[2])
{
	assert_int_equal(address_parse("10.0.0.1", &addresses[0], NULL), 0);
	assert_int_equal(address_parse("2001:db8::1", &addresses[1], NULL), 0);
	return (struct guest_settings){
		.addresses = addresses,
		.address_count = 2,
		.network = true,
	};
}

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
		test(the_second_time_nothing_is_written),
		test(nothing_leads_out_and_nothing_blocks),
		test(a_trivial_root_has_no_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
