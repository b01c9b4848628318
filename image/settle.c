#include "image/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "image/walk.h"

static int set_time(int tree, const struct walk_entry *entry, int64_t epoch, struct error *err)
{
	int64_t mtime = entry->mtime > epoch ? epoch : entry->mtime;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = mtime } };

	if (mtime == entry->mtime && !entry->mtime_ns)
		return 0;
	if (utimensat(tree, *entry->path ? entry->path : ".", times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "setting the time of /%s", entry->path);
	return 0;
}

int tree_settle(int tree, int64_t epoch, bool *ret, struct error *err)
{
	AUTO(walk_release) struct walk walk = WALK_INIT;

	if (walk_tree(tree, NULL, NULL, &walk, err) < 0)
		return -1;
	*ret = !walk.nodes && !walk.left_out;
	for (size_t i = 0; *ret && i < walk.count; i++)
		if (set_time(tree, &walk.entries[i], epoch, err) < 0)
			return -1;
	return 0;
}
