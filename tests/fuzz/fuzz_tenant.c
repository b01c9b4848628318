/* What comes from inside a VE: its /etc/passwd, its network files, an error from a process of it, a copy's stream. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "runtime/access/account.h"
#include "runtime/access/copy_stream.h"
#include "runtime/guest/guest.h"
#include "runtime/wire.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {
	"stream",
	"error",
	"ve/etc/passwd",
	"ve/etc/network/interfaces",
	"ve/etc/hosts",
	"ve/etc/resolv.conf",
	"ve/etc/hostname",
	"ve/lib/systemd/systemd-networkd",
	"ve/sbin/ifup",
	"ve/etc/sysconfig/network",
	"ve/etc/sysconfig/network-scripts/ifcfg-venet0:0",
	"ve/etc/sysconfig/network-scripts/ifcfg-venet0:1",
	NULL,
};

static void receive(const char *text, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(ve_copied_release) struct ve_copied copied = VE_COPIED_INIT;
	autoclose int fd = fuzz_fd(text, size);
	autofree char *target = xasprintf("%s/target", fuzz_folder());
	mkdir(target, 0755);
	if (copy_receive(fd, -1, target, true, true, &copied, &err) < 0)
		fuzz_assert(err.message);
}

static void unpack_error(const char *text, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	fuzz_assert(wire_unpack_error(text, size, &err) == -1);
	fuzz_assert(err.kind != ERROR_NONE && err.message);
}

static void one(size_t name, const char *text, size_t size, void *data)
{
	(void)data;
	if (name == 0) {
		receive(text, size);
	} else if (name == 1) {
		unpack_error(text, size);
	} else {
		struct account account;
		autofree char *copy = xstrndup(text, size);
		account_parse(copy, &account);
		fuzz_assert(account.home && *account.home == '/');
		account_release(&account);
		fuzz_put(names[name], text, size);
	}
}

static void configure(void)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strvec_release) struct strvec servers = STRVEC_INIT;
	struct address addresses[2];
	autofree char *path = xasprintf("%s/ve", fuzz_folder());
	autoclose int root = dir_open(AT_FDCWD, path, true, 0755, NULL);
	fuzz_assert(address_parse("192.0.2.7", &addresses[0], &err) == 0);
	fuzz_assert(address_parse("2001:db8::7/64", &addresses[1], &err) == 0);
	strvec_push(&servers, "192.0.2.53");
	struct guest_settings settings = { .hostname = "ve.example.org",
					   .addresses = addresses,
					   .address_count = 2,
					   .network = true,
					   .nameservers = &servers };
	for (int i = 0; i < 2; i++)
		if (guest_configure(root, &settings, &err) < 0)
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_sweep();
	fuzz_put("outside", "untouched\n", 10);
	fuzz_sections(data, size, names, one, NULL);
	configure();
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *outside = xasprintf("%s/outside", fuzz_folder());
	fuzz_assert(file_read(AT_FDCWD, outside, 100, &text, NULL) == 0);
	fuzz_assert(strcmp(text.text, "untouched\n") == 0);
	return 0;
}
