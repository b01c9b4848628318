/* Tarballs of trees of the host, with ids as on disk. */
#include "tests/unit/base/scratch.h"

#include <archive.h>
#include <archive_entry.h>
#include <signal.h>

#include "base/interrupt.h"
#include "image/pack.h"
#include "runtime/access/export.h"

enum { FILE_SIZE = 3000000 }; /* several members */

static int export(const struct scratch *scratch, const char *tree, const char *target,
		  struct ve_exported *ret, struct error *err)
{
	autofree char *path = xasprintf("%s/%s", scratch->path, target);
	autoclose int fd = openat(scratch->dir, tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct ve_export job = { .tree = fd, .ids = -1, .target = path, .threads = 2 };
	assert_true(fd >= 0);
	return ve_export(&job, ret, err);
}

static size_t count_entries(int dir)
{
	size_t count = 0;
	autoclosedir DIR *stream = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (readdir(stream))
		count++;
	return count - 2;
}

/* What a member holds; NULL if there is none of that name. To be freed. */
static char *content(int dir, const char *tarball, const char *name, size_t *size)
{
	char *found = NULL;
	struct archive_entry *entry;
	struct archive *archive = archive_read_new();
	autoclose int fd = openat(dir, tarball, O_RDONLY | O_CLOEXEC);
	archive_read_support_format_tar(archive);
	archive_read_support_filter_gzip(archive);
	assert_int_equal(archive_read_open_fd(archive, fd, 65536), ARCHIVE_OK);
	int status;
	while ((status = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
		if (strcmp(archive_entry_pathname(entry), name) != 0)
			continue;
		*size = (size_t)archive_entry_size(entry);
		found = xcalloc(1, *size + 1);
		assert_int_equal(archive_read_data(archive, found, *size), *size);
	}
	assert_int_equal(status, ARCHIVE_EOF);
	archive_read_free(archive);
	return found;
}

static void a_tree_is_in_the_tarball(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct ve_exported exported = { 0 };
	struct stat st;
	size_t size;
	mkdirat(scratch->dir, "tree", 0755);
	put_file(scratch->dir, "tree/a", "A");
	assert_int_equal(fchownat(scratch->dir, "tree/a", 33, 44, 0), 0);
	put_file(scratch->dir, "out.tar.gz", "old");
	assert_int_equal(export(scratch, "tree", "out.tar.gz", &exported, &err), 0);
	autofree char *text = content(scratch->dir, "out.tar.gz", "./a", &size);
	assert_string_equal(text, "A");
	assert_int_equal(exported.entries, 2);
	assert_int_equal(exported.changed, 0);
	assert_int_equal(fstatat(scratch->dir, "out.tar.gz", &st, 0), 0);
	assert_int_equal(st.st_size, exported.bytes);
	assert_int_equal(st.st_mode & 07777, 0600); /* /etc/shadow is in it */
	assert_int_equal(count_entries(scratch->dir), 2);
}

static void a_failure_leaves_what_was_there(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	struct ve_exported exported;
	mkdirat(scratch->dir, "tree", 0755);
	mkdirat(scratch->dir, "folder", 0755);
	put_file(scratch->dir, "out.tar.gz", "old");
	assert_int_equal(export(scratch, "tree", "folder", &exported, &err), -1);
	assert_int_equal(export(scratch, "tree", "none/x", &exported, &err), -1);
	assert_int_equal(export(scratch, "tree", "none/", &exported, &err), -1);
	raise(SIGTERM);
	assert_int_equal(export(scratch, "tree", "out.tar.gz", &exported, &err), -1);
	interrupt_reset_child();
	assert_content(scratch->dir, "out.tar.gz", "old");
	assert_int_equal(count_entries(scratch->dir), 3);
}

/* ---- a tree that is in use ------------------------------------------------------------------------------------ */

/* Changes files between the walk and the reading: once a later name is looked at, the earlier ones are known. */
struct change {
	int tree;
	bool seen[4], done;
};

static void change_all(const struct change *change)
{
	autoclose int grows = openat(change->tree, "0/grows", O_WRONLY | O_APPEND | O_CLOEXEC);
	autoclose int shrinks = openat(change->tree, "0/shrinks", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write_all(grows, "more", 4, "grows", NULL), 0);
	assert_int_equal(ftruncate(shrinks, 100), 0);
	assert_int_equal(unlinkat(change->tree, "0/vanishes", 0), 0);
	assert_int_equal(unlinkat(change->tree, "0/becomes", 0), 0);
	assert_int_equal(mkfifoat(change->tree, "0/becomes", 0644), 0);
}

static bool change_tree(const char *path, void *data)
{
	static const char *const names[] = { "0/grows", "0/shrinks", "0/vanishes", "0/becomes" };
	struct change *change = data;
	size_t seen = 0;
	/* Called before a name is looked at, so it is one too early for the last. */
	for (size_t i = 0; i < 4; i++)
		seen += change->seen[i];
	if (seen == 4 && !change->done) {
		change->done = true;
		change_all(change);
	}
	for (size_t i = 0; i < 4; i++)
		change->seen[i] |= strcmp(path, names[i]) == 0;
	return false;
}

/* In whatever order the folder lists its files, one of these comes behind those that change. */
static void put_others(int tree, int first, int end)
{
	for (int i = first; i < end; i++) {
		autofree char *name = xasprintf("0/f%d", i);
		put_file(tree, name, "same");
	}
}

static int pack_changing(const struct scratch *scratch, bool live, struct image_packed *packed,
			 struct error *err)
{
	static char large[FILE_SIZE];
	memset(large, 'x', sizeof(large));
	mkdirat(scratch->dir, "tree", 0755);
	autoclose int tree = openat(scratch->dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct change change = { .tree = tree };
	const struct image_pack job = { .tree = tree,
					.epoch = INT64_MAX,
					.threads = 2,
					.live = live,
					.leave_out = change_tree,
					.data = &change };
	mkdirat(tree, "0", 0755);
	put_others(tree, 0, 30);
	unlinkat(tree, "0/becomes", 0);
	put_file(tree, "0/grows", "grows");
	put_file(tree, "0/vanishes", "vanishes");
	put_file(tree, "0/becomes", "becomes");
	autoclose int shrinks = openat(tree, "0/shrinks", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_int_equal(write_all(shrinks, large, sizeof(large), "shrinks", NULL), 0);
	put_others(tree, 30, 60);
	autoclose int fd = openat(scratch->dir, "out", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int result = image_pack(&job, fd, "out", packed, err);
	assert_true(change.done);
	return result;
}

static void a_live_tree_may_change(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(image_packed_release) struct image_packed packed;
	size_t size;
	assert_int_equal(pack_changing(scratch, true, &packed, &err), 0);
	assert_int_equal(packed.changed, 4);
	autofree char *grows = content(scratch->dir, "out", "./0/grows", &size);
	assert_string_equal(grows, "grows");
	autofree char *shrinks = content(scratch->dir, "out", "./0/shrinks", &size);
	assert_int_equal(size, FILE_SIZE);
	assert_int_equal(strlen(shrinks), 100);
	for (size_t i = 100; i < size; i++)
		assert_int_equal(shrinks[i], 0);
	autofree char *vanishes = content(scratch->dir, "out", "./0/vanishes", &size);
	assert_int_equal(size, 8);
	assert_string_equal(vanishes, "");
	autofree char *becomes = content(scratch->dir, "out", "./0/becomes", &size);
	assert_string_equal(becomes, "");
	autofree char *same = content(scratch->dir, "out", "./0/f59", &size);
	assert_string_equal(same, "same");
}

static void any_other_may_not(void **state)
{
	const struct scratch *scratch = *state;
	AUTO(error_clear) struct error err = ERROR_INIT;
	AUTO(image_packed_release) struct image_packed packed = IMAGE_PACKED_INIT;
	assert_int_equal(pack_changing(scratch, false, &packed, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_tree_is_in_the_tarball),
		scratch_test(a_live_tree_may_change),
		scratch_test(any_other_may_not),
		scratch_test(a_failure_leaves_what_was_there),
	};
	interrupt_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
