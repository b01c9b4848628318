#include "vzpkg/metadata/local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/fetch/rpm_library.h"
#include "vzpkg/metadata/jail.h"
#include "vzpkg/metadata/local_read.h"

#define SIZE_MAX_OF_FILE ((uint64_t)2 << 30) /* bytes */
#define MEMORY_MAX ((uint64_t)512 << 20)

enum { LIMIT_S = 60, TEXT_MAX = 32 << 20, MAGIC_SIZE = 8 };

void local_package_release(struct local_package *package)
{
	free(package->path);
	cleanup_close(&package->fd);
	strbuf_release(&package->text);
	*package = LOCAL_PACKAGE_INIT;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int open_file(struct local_package *package, struct error *err)
{
	struct stat st;

	package->fd = open(package->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (package->fd < 0 && errno == ENOENT) {
		error_set(err, ERROR_NO_FILE, "there is no file %s", package->path);
		return error_subject(err, "%s", package->path);
	}
	if (package->fd < 0 || fstat(package->fd, &st) < 0)
		return error_errno(err, errno, "opening %s", package->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_INSTALL, "%s is no file", package->path);
	if ((uint64_t)st.st_size > SIZE_MAX_OF_FILE)
		return error_set(err, ERROR_INSTALL, "%s is larger than 2 GiB", package->path);
	package->size = (uint64_t)st.st_size;
	return 0;
}

static int find_format(struct local_package *package, struct error *err)
{
	static const char deb[] = "!<arch>\n", rpm[] = "\xed\xab\xee\xdb";
	char magic[MAGIC_SIZE] = "";

	if (pread(package->fd, magic, sizeof(magic), 0) < 0)
		return error_errno(err, errno, "reading %s", package->path);
	package->format = memcmp(magic, rpm, 4) == 0 ? PACKAGE_RPM : PACKAGE_DEB;
	if (package->format == PACKAGE_RPM || memcmp(magic, deb, MAGIC_SIZE) == 0)
		return 0;
	error_set(err, ERROR_INSTALL, "%s is neither a .deb nor an .rpm", package->path);
	error_subject(err, "%s", package->path);
	return error_hint(err, "\"file %s\" tells what it is", package->path);
}

static int prepare_rpm(void *data, struct error *err)
{
	(void)data;
	return rpm_library_open(err);
}

static int in_jail(const struct local_package *package, int (*run)(int, void *, struct error *),
		   void *data, struct strbuf *output, struct error *err)
{
	const struct jail_file file = { LOCAL_FILE, package->fd };
	const struct jail jail = {
		.files = &file,
		.count = 1,
		.files_max = package->size + (1 << 20),
		.memory_max = MEMORY_MAX,
		.output_max = TEXT_MAX,
		.limit_s = LIMIT_S,
		.prepare = package->format == PACKAGE_RPM ? prepare_rpm : NULL,
		.run = run,
		.data = data,
	};

	if (lseek(package->fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", package->path);
	return jail_run(&jail, output, err);
}

/* Whatever fails in the child is about the file. */
static int about(const struct local_package *package, enum error_kind kind, struct error *err)
{
	if (err && err->kind == ERROR_CHILD) {
		autofree char *why = xstrdup(err->message);
		error_set(err, kind, "%s: %s", package->path, why);
	}
	return error_subject(err, "%s", package->path);
}

int local_package_open(const char *path, struct local_package *ret, struct error *err)
{
	*ret = LOCAL_PACKAGE_INIT;
	ret->path = xstrdup(path);
	if (open_file(ret, err) < 0 || find_format(ret, err) < 0 ||
	    digest_fd(DIGEST_SHA256, ret->fd, path, &ret->digest, err) < 0)
		return -1;
	bool rpm = ret->format == PACKAGE_RPM;
	if (in_jail(ret, rpm ? local_read_rpm : local_read_deb, NULL, &ret->text, err) < 0)
		return about(ret, ERROR_INSTALL, err);
	return rpm ? 0 : local_check_deb(ret, err);
}

/* ---- signatures ------------------------------------------------------------------------------------------------------ */

static int verify_in_jail(int output, void *data, struct error *err)
{
	AUTO(package_identity_release) struct package_identity identity = { 0 };
	autoclose int fd = open(LOCAL_FILE, O_RDONLY | O_CLOEXEC);

	(void)output;
	if (fd < 0)
		return error_errno(err, errno, "opening a copy");
	return package_verify_optional(data, fd, "the package", &identity, err);
}

int local_package_verify(const struct local_package *package, const struct package_keys *keys,
			 struct error *err)
{
	AUTO(strbuf_release) struct strbuf nothing = STRBUF_INIT;

	if (package->format != PACKAGE_RPM)
		return 0;
	if (in_jail(package, verify_in_jail, (void *)keys, &nothing, err) == 0)
		return 0;
	return about(package, ERROR_TRUST, err);
}
