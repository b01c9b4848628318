#include "vzpkg/fleet/apply_restart.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

enum { MAPS_MAX = 8 << 20, NAMES_MAX = 64 << 10, NAMES_COUNT = 200, CGROUP_MAX = 64 << 10 };

/* ---- in the VE ------------------------------------------------------------------------------------------------------------------ */

/* Where packages have their programs and libraries. */
static bool is_of_packages(const char *path)
{
	static const char *const folders[] = { "/usr/", "/lib", "/bin/", "/sbin/", "/opt/" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (strncmp(path, folders[i], strlen(folders[i])) == 0)
			return true;
	return false;
}

/* "7f12…-7f13… r-xp 00000000 00:2f 1234    /usr/lib/x.so (deleted)" (proc(5)) */
static bool is_gone(const char *line, size_t length)
{
	static const char mark[] = " (deleted)";
	size_t size = sizeof(mark) - 1;
	const char *modes = memchr(line, ' ', length);
	const char *path = memchr(line, '/', length);

	return modes && length > size && memcmp(line + length - size, mark, size) == 0 &&
	       (size_t)(modes - line) + 4 < length && modes[3] == 'x' && path &&
	       is_of_packages(path);
}

static bool uses_what_is_gone(int process)
{
	AUTO(strbuf_release) struct strbuf maps = STRBUF_INIT;

	if (file_read(process, "maps", MAPS_MAX, &maps, NULL) < 0)
		return false;
	for (const char *line = maps.text; *line;) {
		size_t length = strcspn(line, "\n");
		if (is_gone(line, length))
			return true;
		line += length + (line[length] == '\n');
	}
	return false;
}

/* The last "….service" of a path of control groups; NULL: none. To be freed. */
static char *unit_of(int process)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	static const char suffix[] = ".service";
	char *unit = NULL;

	if (file_read(process, "cgroup", CGROUP_MAX, &text, NULL) < 0)
		return NULL;
	for (const char *at = text.text; *at && !unit;) {
		size_t length = strcspn(at, "/\n"), size = sizeof(suffix) - 1;
		if (length > size && memcmp(at + length - size, suffix, size) == 0)
			unit = xstrndup(at, length);
		at += length + (at[length] != '\0');
	}
	return unit;
}

static char *program_of(int process)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	if (file_read(process, "comm", 4096, &text, NULL) < 0)
		return NULL;
	return xstrndup(text.text, strcspn(text.text, "\n"));
}

/* Writes a name a line. */
static int scan(void *data, int channel, struct error *err)
{
	autoclosedir DIR *processes = opendir("/proc");
	const struct dirent *entry;

	(void)data;
	if (!processes)
		return error_errno(err, errno, "opening /proc");
	while ((entry = readdir(processes))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		autoclose int process =
			openat(dirfd(processes), entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (process < 0 || !uses_what_is_gone(process))
			continue;
		autofree char *unit = unit_of(process);
		autofree char *name = unit ? steal_ptr(unit) : program_of(process);
		autofree char *line = name ? xasprintf("%s\n", name) : NULL;
		if (line && write_all(channel, line, strlen(line), "pipe", err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what is made of it -------------------------------------------------------------------------------------------------------------- */

int apply_find_restart(struct applier *applier, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct strvec *restart = &applier->result->restart;

	if (applier_call(applier, scan, NULL, &text, NAMES_MAX, err) < 0)
		return error_wrap(err, "looking which services use replaced files");
	autofree char *clean = text_clean(text.text);
	for (const char *line = clean; *line && restart->count < NAMES_COUNT;) {
		size_t length = strcspn(line, "\n");
		autofree char *name = xstrndup(line, length);
		if (length && !strvec_contains(restart, name))
			strvec_push(restart, name);
		line += length + (line[length] == '\n');
	}
	strvec_sort(restart);
	return 0;
}
