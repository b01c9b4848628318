/*
 * A package file: ar, the tars in it, the control files, and its files on their way into a tree and into dpkg's
 * database. An input that is no ar archive is taken for the data.tar of a package that is otherwise good. Nothing outside the
 * tree may change.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"
#include "vzpkg/install/deb_unpack.h"
#include "vzpkg/install/dpkg_database.h"

#define CONTROL "Package: good\nVersion: 1.0-1\nArchitecture: amd64\nDescription: a package\n"

/* ustar (pax(1), "ustar Interchange Format"), of one file. */
static void add_tar(struct strbuf *tar, const char *name, const char *text)
{
	char header[512] = "", padding[1024] = "";
	size_t size = strlen(text);
	unsigned sum = 0;
	snprintf(header, 100, "%s", name);
	snprintf(header + 100, 8, "0000644");
	snprintf(header + 108, 8, "0000000");
	snprintf(header + 116, 8, "0000000");
	snprintf(header + 124, 12, "%011zo", size);
	snprintf(header + 136, 12, "%011o", 1600000000);
	memcpy(header + 148, "        ", 8);
	header[156] = '0';
	memcpy(header + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	strbuf_add(tar, header, sizeof(header));
	strbuf_add(tar, text, size);
	strbuf_add(tar, padding, -size & 511);
	strbuf_add(tar, padding, sizeof(padding));
}

static void add_part(struct strbuf *deb, const char *name, const void *data, size_t size)
{
	strbuf_addf(deb, "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, 1600000000, 0, 0, 0100644, size);
	strbuf_add(deb, data, size);
	if (size % 2)
		strbuf_addc(deb, '\n');
}

static void make_deb(struct strbuf *deb, const uint8_t *data, size_t size)
{
	AUTO(strbuf_release) struct strbuf control = STRBUF_INIT;
	add_tar(&control, "./control", CONTROL);
	strbuf_adds(deb, "!<arch>\n");
	add_part(deb, "debian-binary", "2.0\n", 4);
	add_part(deb, "control.tar", control.text, control.length);
	add_part(deb, "data.tar", data, size);
}

/* A file of the host's, and the number of names beside the tree. */
static void check_outside(const char *folder)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct stat st;
	autofree char *path = xasprintf("%s/outside/file", folder);
	autofree char *outside = xasprintf("%s/outside", folder);
	fuzz_assert(file_read(AT_FDCWD, path, 100, &text, NULL) == 0);
	fuzz_assert(strcmp(text.text, "untouched\n") == 0);
	fuzz_assert(stat(path, &st) == 0 && st.st_nlink == 1);
	fuzz_assert(unlink(path) == 0 && rmdir(outside) == 0);
}

static void pass_on(const struct unpacked *unpacked)
{
	AUTO(strbuf_release) struct strbuf bytes = STRBUF_INIT, again = STRBUF_INIT;
	AUTO(unpacked_release) struct unpacked copy = UNPACKED_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	unpacked_write(unpacked, &bytes);
	fuzz_assert(unpacked_read(&copy, bytes.text, bytes.length, &err) == 0);
	unpacked_write(&copy, &again);
	fuzz_assert(again.length == bytes.length && !memcmp(again.text, bytes.text, bytes.length));
}

static void record(struct dpkg_database *database, struct plan_package *package,
		   const struct unpacked *unpacked)
{
	struct plan plan = { .packages = package, .count = 1 };
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(error_clear) struct error err = ERROR_INIT;
	const struct unpacked *packages[] = { unpacked };
	if (dpkg_database_add(database, packages, 1, &err) == 0 &&
	    dpkg_database_activate(database, packages, 1, &err) == 0 &&
	    dpkg_database_compare(database, &plan, &text, &err) == 0)
		fuzz_assert(text.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf deb = STRBUF_INIT;
	AUTO(dpkg_database_release) struct dpkg_database database = DPKG_DATABASE_INIT;
	AUTO(unpacked_release) struct unpacked unpacked = UNPACKED_INIT;
	struct plan_package package = { .name = (char *)"good",
					.version = (char *)"1.0-1",
					.arch = (char *)"amd64",
					.installed_size = 4096 };
	autofree char *path = xasprintf("%s/tree", fuzz_folder());

	fuzz_sweep();
	fuzz_put("outside/file", "untouched\n", 10);
	if (size >= 8 && memcmp(data, "!<arch>\n", 8) == 0)
		strbuf_add(&deb, data, size);
	else
		make_deb(&deb, data, size);
	autoclose int fd = fuzz_fd(deb.text, deb.length);
	autoclose int tree = dir_open(AT_FDCWD, path, true, 0755, NULL);
	fuzz_assert(dpkg_database_open(&database, tree, true, &err) == 0);
	struct deb_unpack job = { .package = &package,
				  .deb = fd,
				  .tree = tree,
				  .info = database.info,
				  .multi_arch = true };
	if (deb_unpack(&job, &unpacked, &err) == 0) {
		pass_on(&unpacked);
		record(&database, &package, &unpacked);
	} else {
		fuzz_assert(err.message);
	}
	check_outside(fuzz_folder());
	return 0;
}
