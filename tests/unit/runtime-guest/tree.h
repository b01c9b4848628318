/* A tree in a temporary folder that plays a VE's, for cmocka's setup and teardown of each test. */
#pragma once

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

static void assert_none(const char *path)
{
	assert_int_equal(faccessat(root, path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
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
