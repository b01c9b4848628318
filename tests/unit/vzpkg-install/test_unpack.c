#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "tests/unit/vzpkg-install/make_deb.h"
#include "vzpkg/install/deb_unpack.h"

#define CONTROL                                                                               \
	"Package: good\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: A <a@example.org>\n" \
	"Description: a package\n with two lines\n"
#define END                            \
	{                              \
		NULL, 0, NULL, 0, 0, 0 \
	}

static char digits[] = "0123456789";

struct world {
	char *path; /* of a folder that holds the tree and what must stay as it is */
	int dir, tree, info;
	struct plan_package package;
	struct unpacked unpacked;
	bool old_dpkg;
	struct error err;
};

static int setup(void **state)
{
	struct world *world = xcalloc(1, sizeof(*world));
	const char *tmp = getenv("TMPDIR");

	world->path = xasprintf("%s/unpack.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->path));
	world->dir = dir_open(AT_FDCWD, world->path, false, 0, NULL);
	world->tree = dir_open(world->dir, "tree", true, 0755, NULL);
	world->info = dir_open(world->dir, "tree/var/lib/dpkg/info", true, 0755, NULL);
	world->package = (struct plan_package){
		.name = (char *)"good",
		.version = (char *)"1.0-1",
		.arch = (char *)"amd64",
		.installed_size = 4096,
	};
	*state = world;
	return 0;
}

static int teardown(void **state)
{
	struct world *world = *state;
	unpacked_release(&world->unpacked);
	error_clear(&world->err);
	close(world->dir);
	close(world->tree);
	close(world->info);
	tree_remove(AT_FDCWD, world->path, NULL);
	free(world->path);
	free(world);
	return 0;
}

static int unpack_bytes(struct world *world, const struct strbuf *bytes)
{
	autoclose int fd = deb_file(bytes);
	struct deb_unpack job = {
		.package = &world->package,
		.index = 7,
		.deb = fd,
		.tree = world->tree,
		.info = world->info,
		.multi_arch = !world->old_dpkg,
	};
	unpacked_release(&world->unpacked);
	return deb_unpack(&job, &world->unpacked, &world->err);
}

static int unpack(struct world *world, const struct deb *deb)
{
	AUTO(strbuf_release) struct strbuf bytes = STRBUF_INIT;
	deb_make(deb, &bytes);
	return unpack_bytes(world, &bytes);
}

static int unpack_data(struct world *world, const struct member *data)
{
	return unpack(world, &(struct deb){ .control = CONTROL, .data = data });
}

static void assert_content(int dir, const char *path, const char *expected)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	assert_int_equal(file_read(dir, path, 1 << 20, &text, NULL), 0);
	assert_string_equal(text.text, expected);
}

/* ---- good packages ----------------------------------------------------------------------------------- */

static const struct member good[] = {
	{ "./", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./etc/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./etc/z.conf", S_IFREG | 0640, "z", 0, 0, 42 },
	{ "./etc/a.conf", S_IFREG | 0644, "a", 0, 0, 0 },
	{ "./usr/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./usr/bin/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./usr/bin/x", S_IFREG | 06755, digits, 0, 6, 12 },
	{ "./usr/bin/y", 0, "./usr/bin/x", 0, 0, 0 },
	{ "./usr/bin/z", S_IFLNK | 0777, "/usr/bin/x", 0, 3, 4 },
	{ "./usr/pipe", S_IFIFO | 0600, NULL, 0, 0, 5 },
	{ "./var/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./var/big", S_IFREG | 0600, NULL, 300000, 0, 0 },
	{ "./var/spool/", S_IFDIR | 01777, NULL, 0, 1, 2 },
	{ "./dev/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	{ "./dev/null", S_IFCHR | 0666, NULL, 0, 0, 0 },
	END,
};

static const struct member good_info[] = {
	{ "./conffiles", S_IFREG | 0644, "/etc/z.conf\n/etc/a.conf\nremove-on-upgrade /etc/old\n",
	  0, 0, 0 },
	{ "./postinst", S_IFREG | 0775, "#!/bin/sh\n", 0, 0, 0 },
	{ "./list", S_IFREG | 0644, "/etc/shadow\n", 0, 0, 0 },
	END,
};

static void assert_good_tree(const struct world *world)
{
	struct stat x, y, st;
	char target[64] = "";

	assert_int_equal(fstatat(world->tree, "usr/bin/x", &x, 0), 0);
	assert_int_equal(x.st_mode, S_IFREG | 06755);
	assert_int_equal(x.st_uid, 6);
	assert_int_equal(x.st_gid, 12);
	assert_int_equal(x.st_mtime, MEMBER_TIME);
	assert_int_equal(fstatat(world->tree, "usr/bin/y", &y, 0), 0);
	assert_int_equal(x.st_ino, y.st_ino);
	assert_int_equal(fstatat(world->tree, "usr/bin/z", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, 3);
	assert_int_equal(st.st_mtime, MEMBER_TIME);
	assert_int_equal(readlinkat(world->tree, "usr/bin/z", target, sizeof(target) - 1), 10);
	assert_string_equal(target, "/usr/bin/x");
	assert_int_equal(fstatat(world->tree, "usr/pipe", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFIFO | 0600);
	assert_int_equal(fstatat(world->tree, "var/big", &st, 0), 0);
	assert_int_equal(st.st_size, 300000);
	assert_content(world->tree, "usr/bin/x", digits);
	/* Nodes are the VE's own matter. */
	assert_int_equal(faccessat(world->tree, "dev/null", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void unpacks_a_package(void **state)
{
	struct world *world = *state;
	struct deb deb = { .control = CONTROL, .info = good_info, .data = good };
	struct stat st;

	assert_int_equal(unpack(world, &deb), 0);
	assert_good_tree(world);
	assert_int_equal(world->unpacked.nodes, 1);
	assert_int_equal(world->unpacked.newest, MEMBER_TIME);
	assert_string_equal(world->unpacked.info_name, "good");
	/* In the order of conffiles, not of the archive. */
	assert_string_equal(world->unpacked.conffiles,
			    " /etc/z.conf fbade9e36a3f36d3d676c1b808451dd7\n"
			    " /etc/a.conf 0cc175b9c0f1b6a831c399e269772661\n");
	/* Links come last. */
	static const char list[] =
		"/.\n/etc\n/etc/z.conf\n/etc/a.conf\n/usr\n/usr/bin\n/usr/bin/x\n/usr/bin/y\n"
		"/usr/pipe\n/var\n/var/big\n/var/spool\n/dev\n/usr/bin/z\n";
	assert_content(world->info, "good.list", list);
	assert_content(world->info, "good.md5sums",
		       "fbade9e36a3f36d3d676c1b808451dd7  etc/z.conf\n"
		       "0cc175b9c0f1b6a831c399e269772661  etc/a.conf\n"
		       "781e5e245d69b566979b86e28d23f2c7  usr/bin/x\n"
		       "781e5e245d69b566979b86e28d23f2c7  usr/bin/y\n"
		       "4a21de7a58fb8ecb9a1b1f08a3068269  var/big\n");
	assert_int_equal(fstatat(world->info, "good.postinst", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(faccessat(world->info, "good.control", F_OK, 0), -1);
}

static void reads_every_compression(void **state)
{
	struct world *world = *state;
	static const char *const filters[] = { NULL, "xz", "gzip", "zstd", "bzip2" };

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct deb deb = { .control = CONTROL, .data = good, .filter = filters[i] };
		assert_int_equal(unpack(world, &deb), 0);
		assert_good_tree(world);
		assert_int_equal(tree_remove(world->tree, "usr", NULL), 0);
		assert_int_equal(tree_remove(world->tree, "etc", NULL), 0);
		assert_int_equal(tree_remove(world->tree, "var/big", NULL), 0);
	}
}

static void multi_arch_same_has_its_architecture_in_names(void **state)
{
	struct world *world = *state;
	struct deb deb = { .control = CONTROL "Multi-Arch: same\n", .data = good };

	assert_int_equal(unpack(world, &deb), 0);
	assert_string_equal(world->unpacked.info_name, "good:amd64");
	assert_int_equal(faccessat(world->info, "good:amd64.list", F_OK, 0), 0);
}

static void an_old_dpkg_has_neither_architectures_nor_md5sums(void **state)
{
	struct world *world = *state;
	struct deb deb = { .control = CONTROL "Multi-Arch: same\n", .data = good };

	world->old_dpkg = true;
	assert_int_equal(unpack(world, &deb), 0);
	assert_string_equal(world->unpacked.info_name, "good");
	assert_int_equal(faccessat(world->info, "good.list", F_OK, 0), 0);
	assert_int_equal(faccessat(world->info, "good.md5sums", F_OK, 0), -1);
}

/* dpkg --audit complains of packages that have none. */
static void a_package_without_files_has_md5sums(void **state)
{
	struct world *world = *state;
	static const struct member none[] = { END };

	assert_int_equal(unpack_data(world, none), 0);
	assert_content(world->info, "good.md5sums", "");
}

static void follows_links_of_others_within_the_tree(void **state)
{
	struct world *world = *state;
	static const struct member data[] = {
		{ "./bin/", S_IFDIR | 0755, NULL, 0, 0, 0 },
		{ "./bin/x", S_IFREG | 0755, "x", 0, 0, 0 },
		{ "./out/x", S_IFREG | 0755, "y", 0, 0, 0 },
		END,
	};

	close(dir_open(world->tree, "usr/bin", true, 0755, NULL));
	close(dir_open(world->tree, "etc", true, 0755, NULL));
	assert_int_equal(symlinkat("usr/bin", world->tree, "bin"), 0);
	assert_int_equal(symlinkat("../../../etc", world->tree, "out"), 0);
	assert_int_equal(unpack_data(world, data), 0);
	assert_content(world->tree, "usr/bin/x", "x");
	assert_content(world->tree, "etc/x", "y");
}

static void parks_what_finds_its_place_taken(void **state)
{
	struct world *world = *state;
	static const struct member data[] = {
		{ "./x", S_IFREG | 0644, "new", 0, 0, 0 },
		{ "./y", 0, "./x", 0, 0, 0 },
		END,
	};
	autofree char *parked = parked_name("x", 7);

	assert_int_equal(file_write_atomic(world->tree, "x", 0600, "old", 3, NULL), 0);
	assert_int_equal(unpack_data(world, data), 0);
	assert_true(world->unpacked.entries[0].parked);
	assert_false(world->unpacked.entries[1].parked);
	assert_content(world->tree, "x", "old");
	assert_content(world->tree, parked, "new");
	assert_content(world->tree, "y", "new");
}

static void what_is_found_goes_through_a_pipe(void **state)
{
	struct world *world = *state;
	AUTO(strbuf_release) struct strbuf bytes = STRBUF_INIT;
	AUTO(unpacked_release) struct unpacked copy = UNPACKED_INIT;
	struct deb deb = { .control = CONTROL, .info = good_info, .data = good };

	assert_int_equal(unpack(world, &deb), 0);
	unpacked_write(&world->unpacked, &bytes);
	assert_int_equal(unpacked_read(&copy, bytes.text, bytes.length, NULL), 0);
	assert_string_equal(copy.control, world->unpacked.control);
	assert_string_equal(copy.conffiles, world->unpacked.conffiles);
	assert_int_equal(copy.count, world->unpacked.count);
	assert_int_equal(copy.newest, MEMBER_TIME);
	for (size_t i = 0; i < copy.count; i++) {
		assert_string_equal(copy.entries[i].path, world->unpacked.entries[i].path);
		assert_int_equal(copy.entries[i].mode, world->unpacked.entries[i].mode);
		assert_int_equal(copy.entries[i].created, world->unpacked.entries[i].created);
	}
	for (size_t size = 0; size < bytes.length; size++) {
		AUTO(unpacked_release) struct unpacked cut = UNPACKED_INIT;
		assert_int_equal(unpacked_read(&cut, bytes.text, size, NULL), -1);
	}
}

/* ---- bad members ---------------------------------------------------------------------------------------- */

struct bad {
	const char *why; /* the error says it */
	struct member members[4];
};

#define DIR_A                                         \
	{                                             \
		"./a/", S_IFDIR | 0755, NULL, 0, 0, 0 \
	}

static const struct bad bad[] = {
	{ "leads out of the tree", { { "../x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "leads out of the tree", { { "./../x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "leads out of the tree", { DIR_A, { "./a/../../x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "leads out of the tree", { DIR_A, { "./a/..", S_IFDIR | 0777, NULL, 0, 0, 0 } } },
	{ "leads out of the tree", { { "/x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "leads out of the tree", { { ".//x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "leads out of the tree", { { "./a\nb", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "through a link",
	  { { "./l", S_IFLNK | 0777, "..", 0, 0, 0 }, { "./l/x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "through a link",
	  { { "./l", S_IFLNK | 0777, "/", 0, 0, 0 },
	    { "./l/d/", S_IFDIR | 0755, NULL, 0, 0, 0 } } },
	{ "through a link",
	  { DIR_A,
	    { "./a/l", S_IFLNK | 0777, ".", 0, 0, 0 },
	    { "./a/l/x", S_IFLNK | 0777, "y", 0, 0, 0 } } },
	{ "not the package's own", { { "./h", 0, "../outside", 0, 0, 0 } } },
	{ "not the package's own", { { "./h", 0, "/etc/passwd", 0, 0, 0 } } },
	{ "not the package's own", { { "./h", 0, "./theirs", 0, 0, 0 } } },
	{ "not the package's own",
	  { { "./l", S_IFLNK | 0777, "/etc/passwd", 0, 0, 0 }, { "./h", 0, "./l", 0, 0, 0 } } },
	{ "a device node", { { "./sda", S_IFBLK | 0660, NULL, 0, 0, 0 } } },
	{ "a device node", { { "./null", S_IFCHR | 0666, NULL, 0, 0, 0 } } },
	{ "a device node",
	  { { "./dev/", S_IFDIR | 0755, NULL, 0, 0, 0 },
	    { "./dev/mem", S_IFCHR | 0666, NULL, 0, 0, 0 } } },
	{ "in it twice",
	  { { "./x", S_IFREG | 0644, "x", 0, 0, 0 }, { "./x", S_IFREG | 0644, "y", 0, 0, 0 } } },
	{ "in it twice", { { ".", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "no folder to be in", { { "./no/x", S_IFREG | 0644, "x", 0, 0, 0 } } },
	{ "no folder to be in",
	  { { "./x", S_IFREG | 0644, "x", 0, 0, 0 }, { "./x/y", S_IFREG | 0644, "y", 0, 0, 0 } } },
	{ "where a file is", { { "./theirs/", S_IFDIR | 0755, NULL, 0, 0, 0 } } },
	{ "an id that no VE has", { { "./x", S_IFREG | 0644, "x", 0, 65536, 0 } } },
	{ "an id that no VE has", { { "./x", S_IFREG | 0644, "x", 0, 0, 100000 } } },
	{ "larger than", { { "./x", S_IFREG | 0644, "x", 65 << 20, 0, 0 } } },
	{ "larger than",
	  { { "./x", S_IFREG | 0644, NULL, 40 << 20, 0, 0 },
	    { "./y", S_IFREG | 0644, NULL, 40 << 20, 0, 0 } } },
};

static void refuses_bad_members(void **state)
{
	struct world *world = *state;

	assert_int_equal(file_write_atomic(world->dir, "outside", 0600, "safe", 4, NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct deb deb = { .control = CONTROL, .data = bad[i].members, .filter = "gzip" };
		struct member members[5] = { 0 };
		memcpy(members, bad[i].members, sizeof(bad[i].members));
		deb.data = members;
		assert_int_equal(tree_remove(world->dir, "tree", NULL), 0);
		close(world->tree);
		close(world->info);
		world->tree = dir_open(world->dir, "tree", true, 0755, NULL);
		world->info = dir_open(world->dir, "tree/var/lib/dpkg/info", true, 0755, NULL);
		assert_int_equal(file_write_atomic(world->tree, "theirs", 0600, "t", 1, NULL), 0);

		error_clear(&world->err);
		assert_int_equal(unpack(world, &deb), -1);
		if (!strstr(world->err.message, bad[i].why))
			fail_msg("%zu: \"%s\" does not say \"%s\"", i, world->err.message,
				 bad[i].why);
		assert_int_equal(world->err.kind, ERROR_INSTALL);
		assert_non_null(strstr(world->err.message, "good 1.0-1"));
		assert_non_null(world->err.hint);
		assert_content(world->dir, "outside", "safe");
		assert_int_equal(faccessat(world->dir, "x", F_OK, AT_SYMLINK_NOFOLLOW), -1);
		assert_int_equal(access("/x", F_OK), -1);
	}
}

/* A link that a script has put there while the tree was in use leads nowhere but into the tree. */
static void links_out_of_the_tree_stay_inside(void **state)
{
	struct world *world = *state;
	autofree char *target = xasprintf("%s/elsewhere", world->path);
	static const struct member data[] = {
		{ "./d/", S_IFDIR | 0755, NULL, 0, 0, 0 },
		{ "./d/x", S_IFREG | 0644, "x", 0, 0, 0 },
		END,
	};

	close(dir_open(world->dir, "elsewhere", true, 0755, NULL));
	assert_int_equal(symlinkat(target, world->tree, "d"), 0);
	assert_int_equal(unpack_data(world, data), -1);
	assert_int_equal(faccessat(world->dir, "elsewhere/x", F_OK, 0), -1);
}

/* ---- bad archives ----------------------------------------------------------------------------------------- */

static void assert_refused(struct world *world, const struct deb *deb, const char *why)
{
	error_clear(&world->err);
	assert_int_equal(unpack(world, deb), -1);
	assert_int_equal(world->err.kind, ERROR_INSTALL);
	if (!strstr(world->err.message, why))
		fail_msg("\"%s\" does not say \"%s\"", world->err.message, why);
}

static void refuses_another_package_than_planned(void **state)
{
	static const struct member none[] = { END };
	static const char *const controls[][2] = {
		{ "Package: other\nVersion: 1.0-1\nArchitecture: amd64\n", "Package: other" },
		{ "Package: good\nVersion: 1.0-2\nArchitecture: amd64\n", "Version: 1.0-2" },
		{ "Package: good\nVersion: 1.0-1\nArchitecture: i386\n", "Architecture: i386" },
		{ "Package: good\nArchitecture: amd64\n", "Version: nothing" },
		{ CONTROL "\nPackage: evil\nStatus: install ok installed\n",
		  "more than one paragraph" },
		{ "", "Package: nothing" },
		{ NULL, "no control file" },
	};

	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		struct deb deb = { .control = controls[i][0], .data = none };
		assert_refused(*state, &deb, controls[i][1]);
	}
}

static void refuses_names_that_are_paths(void **state)
{
	struct world *world = *state;
	static const struct member none[] = { END };
	struct deb deb = { .control = "Package: ../x\nVersion: 1.0-1\nArchitecture: amd64\n",
			   .data = none };

	world->package.name = (char *)"../x";
	assert_refused(world, &deb, "no name of a package");
	assert_int_equal(faccessat(world->tree, "var/lib/dpkg/x.list", F_OK, 0), -1);
}

static void refuses_bad_control_members(void **state)
{
	static const struct member none[] = { END };
	static const struct member members[][2] = {
		{ { "./../postinst", S_IFREG | 0755, "x", 0, 0, 0 }, END },
		{ { "./a/postinst", S_IFREG | 0755, "x", 0, 0, 0 }, END },
		{ { "./postinst", S_IFLNK | 0777, "/bin/sh", 0, 0, 0 }, END },
		{ { "./postinst", 0, "./control", 0, 0, 0 }, END },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct deb deb = { .control = CONTROL, .info = members[i], .data = none };
		assert_refused(*state, &deb, "cannot be a control file");
	}
}

/* However it is cut, it is an error: nothing that is only a part counts as a package. */
static void refuses_what_is_cut_short(void **state)
{
	struct world *world = *state;
	static const struct member data[] = {
		{ "./r", S_IFREG | 0644, "some text that is not so short", 0, 0, 0 },
		END,
	};
	static const char *const filters[] = { "xz", "gzip", "zstd" };

	for (size_t f = 0; f < 3; f++) {
		AUTO(strbuf_release) struct strbuf bytes = STRBUF_INIT;
		struct deb deb = { .control = CONTROL, .data = data, .filter = filters[f] };
		deb_make(&deb, &bytes);
		/* The last byte may be the filler after a member of odd length. */
		for (size_t size = 0; size + 1 < bytes.length; size += 7) {
			struct strbuf cut = { .text = bytes.text, .length = size };
			error_clear(&world->err);
			assert_int_equal(tree_remove(world->tree, "r", NULL), 0);
			if (unpack_bytes(world, &cut) == 0)
				fail_msg("%s: %zu of %zu bytes are enough", filters[f], size,
					 bytes.length);
			assert_int_equal(world->err.kind, ERROR_INSTALL);
		}
	}
}

/* A damaged byte is found, or does no harm: never a crash, never a wrong content. */
static void survives_damage(void **state)
{
	struct world *world = *state;
	static const struct member data[] = {
		{ "./r", S_IFREG | 0644, "some text that is not so short", 0, 0, 0 },
		END,
	};
	AUTO(strbuf_release) struct strbuf bytes = STRBUF_INIT;
	struct deb deb = { .control = CONTROL, .data = data, .filter = "xz" };
	unsigned refused = 0;

	deb_make(&deb, &bytes);
	for (size_t i = 0; i < bytes.length; i++) {
		bytes.text[i] ^= 0x55;
		error_clear(&world->err);
		assert_int_equal(tree_remove(world->tree, "r", NULL), 0);
		if (unpack_bytes(world, &bytes) < 0)
			refused++;
		else if (faccessat(world->tree, "r", F_OK, 0) == 0)
			assert_content(world->tree, "r", data[0].text);
		bytes.text[i] ^= 0x55;
	}
	assert_true(refused > bytes.length / 2);
}

static void refuses_other_files(void **state)
{
	struct world *world = *state;
	static const char *const texts[] = { "", "hello", "!<arch>\n", "!<arch>\nx",
					     "\x1f\x8b\x08 and so on" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct strbuf bytes = { .text = (char *)texts[i], .length = strlen(texts[i]) };
		error_clear(&world->err);
		assert_int_equal(unpack_bytes(world, &bytes), -1);
		assert_int_equal(world->err.kind, ERROR_INSTALL);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(unpacks_a_package),
		TEST(reads_every_compression),
		TEST(multi_arch_same_has_its_architecture_in_names),
		TEST(an_old_dpkg_has_neither_architectures_nor_md5sums),
		TEST(a_package_without_files_has_md5sums),
		TEST(follows_links_of_others_within_the_tree),
		TEST(parks_what_finds_its_place_taken),
		TEST(what_is_found_goes_through_a_pipe),
		TEST(refuses_bad_members),
		TEST(links_out_of_the_tree_stay_inside),
		TEST(refuses_another_package_than_planned),
		TEST(refuses_names_that_are_paths),
		TEST(refuses_bad_control_members),
		TEST(refuses_what_is_cut_short),
		TEST(survives_damage),
		TEST(refuses_other_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
