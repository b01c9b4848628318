#include "runtime/life/submount.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "runtime/mount.h"

enum { MOUNTINFO_LIMIT = 64 << 20, MOUNT_POINT = 4 };

/* proc_pid_mountinfo(5): blanks, newlines and backslashes are in octal. */
static char *unescape(const char *text)
{
	AUTO(strbuf_release) struct strbuf path = STRBUF_INIT;
	for (; *text; text++) {
		bool octal = *text == '\\' && strspn(text + 1, "01234567") >= 3;
		if (octal) {
			char digits[] = { text[1], text[2], text[3], 0 };
			strbuf_addc(&path, (char)strtol(digits, NULL, 8));
			text += 3;
		} else {
			strbuf_addc(&path, *text);
		}
	}
	return strbuf_detach(&path);
}

/* Mount points below the folder, as paths in it, each once, in the order in which they were mounted. */
static int list(const char *folder, struct strvec *ret, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *real = realpath(folder, NULL);
	size_t length = strlen(real ?: folder);
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_LIMIT, &text, err) < 0)
		return -1;
	char *rest = text.text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		AUTO(strvec_release) struct strvec fields = STRVEC_INIT;
		strvec_split(&fields, line);
		if (fields.count <= MOUNT_POINT)
			continue;
		autofree char *path = unescape(fields.items[MOUNT_POINT]);
		if (strncmp(path, real ?: folder, length) != 0 || path[length] != '/')
			continue;
		if (!strvec_contains(ret, path + length))
			strvec_push(ret, path + length);
	}
	return 0;
}

static int take(const char *folder, const char *path, struct submounts *ret, struct error *err)
{
	autofree char *whole = xasprintf("%s%s", folder, path);
	autoclose int mount = mount_copy(AT_FDCWD, whole, err);
	if (mount < 0 || mount_change(mount, MOUNT_ATTR_NODEV, -1, whole, err) < 0)
		return -1;
	ret->items = xgrow(ret->items, ret->count, &ret->capacity, sizeof(*ret->items));
	ret->items[ret->count++] = (struct submount){ xstrdup(path), steal_fd(&mount) };
	return 0;
}

int submounts_take(const char *folder, struct submounts *ret, struct error *err)
{
	AUTO(strvec_release) struct strvec paths = STRVEC_INIT;
	if (list(folder, &paths, err) < 0)
		return -1;
	for (size_t i = 0; i < paths.count; i++)
		if (take(folder, paths.items[i], ret, err) < 0)
			return -1;
	return 0;
}

int submounts_place(const struct submounts *mounts, int root, struct error *err)
{
	for (size_t i = 0; i < mounts->count; i++) {
		const struct submount *item = &mounts->items[i];
		autoclose int target = open_in_root(root, item->path, O_PATH | O_CLOEXEC, 0);
		if (target < 0 ||
		    move_mount(item->mount, "", target, "",
			       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
			int number = errno;
			return error_set(err, ERROR_MOUNT, "mounting onto %s of the VE: %s",
					 item->path, strerror(number));
		}
	}
	return 0;
}

void submounts_release(struct submounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->items[i].path);
		close(mounts->items[i].mount);
	}
	free(mounts->items);
	*mounts = SUBMOUNTS_INIT;
}

void submounts_umount(const char *folder)
{
	AUTO(strvec_release) struct strvec paths = STRVEC_INIT;
	if (list(folder, &paths, NULL) < 0)
		return;
	for (size_t i = paths.count; i-- > 0;) {
		autofree char *whole = xasprintf("%s%s", folder, paths.items[i]);
		umount2(whole, UMOUNT_NOFOLLOW);
	}
}
