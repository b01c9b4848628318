#include "runtime/guest/console.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "runtime/guest/edit.h"

#define INITTAB "/etc/inittab"
#define OUR_ID "vz:"

/* inittab(5) of sysvinit, which begins with a runlevel. busybox's has none, upstart reads nothing else of it. */
static bool is_sysvinit(int root, const char *inittab)
{
	return strstr(inittab, ":initdefault:") && !guest_has(root, "/sbin/initctl");
}

/* Somebody has one there already, maybe on purpose another. */
static bool has_other(const char *inittab)
{
	autofree char *text = xstrdup(inittab);
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line != '#' && strncmp(line, OUR_ID, strlen(OUR_ID)) != 0 &&
		    strstr(line, "console") && strstr(line, ":respawn:"))
			return true;
	return false;
}

int guest_console(int root, struct error *err)
{
	AUTO(strbuf_release) struct strbuf inittab = STRBUF_INIT;
	const char *block = "";
	if (!guest_read(root, INITTAB, &inittab) || !is_sysvinit(root, inittab.text))
		return 0;
	if (!has_other(inittab.text) && guest_has(root, "/sbin/getty"))
		block = OUR_ID "2345:respawn:/sbin/getty --noclear 38400 console\n";
	else if (!has_other(inittab.text) && guest_has(root, "/sbin/agetty"))
		block = OUR_ID "2345:respawn:/sbin/agetty --noclear console 38400\n";
	return guest_write_block(root, INITTAB, block, err);
}
