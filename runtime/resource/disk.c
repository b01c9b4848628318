#include "runtime/resource/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

enum { NUMBER_LIMIT = 64 };

/* Of file systems without a device of their own number, as btrfs, by what is mounted there. proc(5): ID PARENT DEV ROOT MOUNT OPTIONS TAGS…
 * - TYPE SOURCE SUPER_OPTIONS. */
static dev_t source_of(uint64_t mount)
{
	autofclose FILE *file = fopen("/proc/self/mountinfo", "re");
	autofree char *line = NULL;
	size_t size = 0;
	while (file && getline(&line, &size, file) > 0) {
		autofree char *source = NULL;
		const char *rest = strstr(line, " - ");
		struct stat st;
		if (rest && strtoull(line, NULL, 10) == mount &&
		    sscanf(rest + 3, "%*s %ms", &source) == 1 && *source == '/' &&
		    stat(source, &st) == 0 && S_ISBLK(st.st_mode))
			return st.st_rdev;
	}
	return 0;
}

/* In sysfs a partition is a folder in that of its disk. */
static char *whole(dev_t device)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *own = xasprintf("/sys/dev/block/%u:%u", major(device), minor(device));
	autofree char *partition = xasprintf("%s/partition", own);
	autofree char *above = xasprintf("%s/../dev", own);
	if (access(own, F_OK) < 0)
		return NULL;
	if (access(partition, F_OK) == 0 &&
	    file_read(AT_FDCWD, above, NUMBER_LIMIT, &text, NULL) == 0) {
		text.text[strcspn(text.text, "\n")] = 0;
		return strbuf_detach(&text);
	}
	return xasprintf("%u:%u", major(device), minor(device));
}

void disk_add(struct strvec *disks, const char *folder)
{
	struct statx st;
	if (statx(AT_FDCWD, folder, 0, STATX_MNT_ID, &st) < 0)
		return;
	dev_t device = st.stx_dev_major ? makedev(st.stx_dev_major, st.stx_dev_minor)
					: source_of(st.stx_mnt_id);
	autofree char *name = device ? whole(device) : NULL;
	if (name && !strvec_contains(disks, name))
		strvec_take(disks, steal_ptr(name));
}
