/* Files of Berkeley DB, written by libdb in memory that holds something: what they say is kept, what nobody has written is gone. */
#include <db.h>

#include "tests/unit/base/scratch.h"
#include "vzpkg/install/bdb_file.h"

enum { RECORDS = 300, LONG = 9000, VALUE_MAX = 12000, PAGE = 2048 };

static uint8_t poison;

static void *poisoned(size_t size)
{
	void *memory = malloc(size);
	assert_non_null(memory);
	memset(memory, poison, size);
	return memory;
}

/* The sizes meet each way in which an item is stored: in a page, and in pages of its own. */
static size_t value_of(unsigned number, char *ret)
{
	size_t size = number % 50 == 7 ? LONG + number : 1 + number % 90;

	for (size_t i = 0; i < size; i++)
		ret[i] = (char)(number * 31 + i);
	return size;
}

static DB *open_file(const char *name, DBTYPE type, uint32_t flags)
{
	DB *db;

	assert_int_equal(db_create(&db, NULL, 0), 0);
	assert_int_equal(db->set_pagesize(db, PAGE), 0);
	if (flags & DB_CREATE)
		assert_int_equal(db->set_flags(db, DB_DUP), 0);
	assert_int_equal(db->open(db, NULL, name, NULL, type, flags, 0644), 0);
	return db;
}

static void put(DB *db, unsigned key, unsigned number)
{
	char value[VALUE_MAX];
	DBT k = { .data = &key, .size = sizeof(key) };
	DBT v = { .data = value, .size = (uint32_t)value_of(number, value) };

	assert_int_equal(db->put(db, NULL, &k, &v, 0), 0);
}

/* Keys with one value, with some, with many; some are deleted again, which frees pages. */
static void write_file(const char *name, DBTYPE type)
{
	DB *db = open_file(name, type, DB_CREATE | DB_TRUNCATE);

	for (unsigned i = 0; i < RECORDS; i++)
		put(db, i % 3 == 0 ? 0 : i, i);
	for (unsigned i = 1; i < RECORDS; i += 7) {
		DBT k = { .data = &i, .size = sizeof(i) };
		if (i % 3)
			assert_int_equal(db->del(db, NULL, &k, 0), 0);
	}
	assert_int_equal(db->close(db, 0), 0);
}

static void is_whole(const char *name, DBTYPE type)
{
	DB *db = open_file(name, type, DB_RDONLY), *verified;
	bool seen[RECORDS] = { false };
	unsigned count = 0;
	DBT k = { 0 }, v = { 0 };
	DBC *cursor;

	assert_int_equal(db->cursor(db, NULL, &cursor, 0), 0);
	while (cursor->get(cursor, &k, &v, DB_NEXT) == 0) {
		char value[VALUE_MAX];
		unsigned key, number;
		memcpy(&key, k.data, sizeof(key));
		for (number = key; number < RECORDS; number += 3)
			if (!seen[number] && value_of(number, value) == v.size &&
			    memcmp(v.data, value, v.size) == 0)
				break;
		assert_true(number < RECORDS);
		assert_true(key == 0 || number == key);
		seen[number] = true;
		count++;
	}
	cursor->close(cursor);
	assert_int_equal(db->close(db, 0), 0);
	for (unsigned i = 0; i < RECORDS; i++)
		assert_int_equal(seen[i], i % 3 == 0 || i % 7 != 1);
	assert_in_range(count, RECORDS / 2, RECORDS);
	assert_int_equal(db_create(&verified, NULL, 0), 0);
	assert_int_equal(verified->verify(verified, name, NULL, NULL, 0), 0);
}

static void read_file(const char *name, struct strbuf *ret)
{
	assert_int_equal(file_read(AT_FDCWD, name, 16 << 20, ret, NULL), 0);
}

static void write_and_clear(const char *path, DBTYPE type, bool version_8, uint8_t in_memory,
			    struct strbuf *ret_raw, struct strbuf *ret)
{
	poison = in_memory;
	write_file(path, type);
	if (version_8)
		assert_int_equal(bdb_file_make_version_8(path, NULL), 0);
	read_file(path, ret_raw);
	assert_int_equal(bdb_file_make_reproducible(AT_FDCWD, path, NULL), 0);
	read_file(path, ret);
	is_whole(path, type);
}

static void both_ways(struct scratch *scratch, DBTYPE type, bool version_8)
{
	AUTO(strbuf_release) struct strbuf raw = STRBUF_INIT, other_raw = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, other = STRBUF_INIT;
	autofree char *path = xasprintf("%s/file", scratch->path);

	write_and_clear(path, type, version_8, 0x3c, &raw, &text);
	write_and_clear(path, type, version_8, 0xa5, &other_raw, &other);
	assert_int_equal(text.length, other.length);
	assert_memory_not_equal(raw.text, other_raw.text, raw.length);
	assert_memory_equal(text.text, other.text, text.length);
	if (version_8)
		assert_int_equal(text.text[16], 8);
}

static void hash(void **state)
{
	both_ways(*state, DB_HASH, false);
}

static void hash_version_8(void **state)
{
	both_ways(*state, DB_HASH, true);
}

static void btree(void **state)
{
	both_ways(*state, DB_BTREE, false);
}

/* As a hostile script may have left it: it ends, and within the file. */
static void damaged(void **state)
{
	struct scratch *scratch = *state;
	AUTO(strbuf_release) struct strbuf whole = STRBUF_INIT;
	autofree char *path = xasprintf("%s/file", scratch->path);

	write_file(path, DB_BTREE);
	read_file(path, &whole);
	for (size_t at = 0; at < 3 * PAGE; at += at % PAGE < 64 ? 1 : 97) {
		static const char byte = '\xff';
		autoclose int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
		assert_int_equal(write_all(fd, whole.text, whole.length, path, NULL), 0);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		assert_int_equal(bdb_file_make_reproducible(scratch->dir, "file", NULL), 0);
		assert_int_equal(lseek(fd, 0, SEEK_END), whole.length);
	}
}

static void no_such_file(void **state)
{
	struct scratch *scratch = *state;
	autofree char *path = xasprintf("%s/text", scratch->path);
	char text[2000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	put_file(scratch->dir, "text", text);
	assert_int_equal(bdb_file_make_reproducible(scratch->dir, "text", NULL), 0);
	assert_content(scratch->dir, "text", text);
	assert_int_equal(bdb_file_make_version_8(path, NULL), -1);
	assert_int_equal(bdb_file_make_reproducible(scratch->dir, "nothing", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(hash),    scratch_test(hash_version_8), scratch_test(btree),
		scratch_test(damaged), scratch_test(no_such_file),
	};
	db_env_set_func_malloc(poisoned);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
