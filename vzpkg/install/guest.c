#include "vzpkg/install/guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

enum { MAPS_MAX = 4 << 20 };

static bool needs_vsyscall(const struct plan_package *package)
{
	unsigned major = 0, minor = 0;
	const char *colon = strchr(package->version, ':');

	if (strcmp(package->name, "glibc") != 0 && strcmp(package->name, "libc6") != 0)
		return false;
	if (strcmp(package->arch, "x86_64") != 0 && strcmp(package->arch, "amd64") != 0)
		return false;
	return sscanf(colon ? colon + 1 : package->version, "%u.%u", &major, &minor) == 2 &&
	       (major < 2 || (major == 2 && minor < 14));
}

static bool has_vsyscall(const char *maps)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	return file_read(AT_FDCWD, maps, MAPS_MAX, &text, NULL) < 0 ||
	       strstr(text.text, "[vsyscall]");
}

int guest_check_kernel(const struct plan *plan, const char *maps, struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_package *package = &plan->packages[i];
		if (!needs_vsyscall(package) || has_vsyscall(maps))
			continue;
		error_set(err, ERROR_CONTAINER,
			  "the programs of this template (%s %s) need the kernel's vsyscall page, "
			  "and this "
			  "kernel runs without it",
			  package->name, package->version);
		error_subject(err, "%s", package->name);
		return error_hint(
			err, "boot the host with \"vsyscall=xonly\" (or emulate) on the kernel's "
			     "command line, or build the template for i386");
	}
	return 0;
}
