/* A made-up OS "toy" with release 1, whose files are in the shipped folder and in TEMPLATE ("own"), which is before it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "vzpkg/template.h"

struct world {
	char *path;
	struct conf variables;
	struct strvec given;
	struct template_source source;
};

#define LENNY "150C8614919D8446E01E83AF9AA38DCD55BE302B"
#define STABLE "7F5A44454C724A65CBCD4FB14D270D06F42584E6"
#define CONFIG "shipped/toy/1/config/"

static inline void put(const struct world *world, const char *name, const char *text, size_t size)
{
	autofree char *path = xasprintf("%s/%s", world->path, name);
	autofree char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	autoclose int dir = dir_open(AT_FDCWD, folder, true, 0755, NULL);
	assert_true(dir >= 0);
	assert_int_equal(file_write_atomic(AT_FDCWD, path, 0644, text, size, NULL), 0);
}

static inline void put_text(const struct world *world, const char *name, const char *text)
{
	put(world, name, text, strlen(text));
}

static inline void put_script(const struct world *world, const char *name, const char *text,
			      mode_t mode)
{
	autofree char *path = xasprintf("%s/%s", world->path, name);
	put_text(world, name, text);
	assert_int_equal(chmod(path, mode), 0);
}

static inline void put_key(const struct world *world, const char *key, const char *name)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *top = getenv("VZPKG_TOP");
	autofree char *from = xasprintf("%s/tests/data/signature/%s", top ? top : ".", key);
	assert_int_equal(file_read(AT_FDCWD, from, 1 << 20, &text, NULL), 0);
	put(world, name, text.text, text.length);
}

static inline struct world *world_new(void)
{
	const char *tmp = getenv("TMPDIR");
	struct world *world = xcalloc(1, sizeof(*world));

	world->path = xasprintf("%s/toy.XXXXXX", tmp ? tmp : "/dev/shm");
	assert_non_null(mkdtemp(world->path));
	conf_set(&world->variables, "TOY_MIRROR", "http://toy.example/toy");
	strvec_pushf(&world->source.roots, "%s/own", world->path);
	strvec_pushf(&world->source.roots, "%s/shipped", world->path);
	world->source.variables = &world->variables;
	put_text(world, CONFIG "summary", "A toy\n");
	put_text(world, CONFIG "trust", LENNY " expired sha1\n");
	put_key(world, "lenny-automatic.asc", CONFIG "gpgkeys/lenny.asc");
	return world;
}

/* For cmocka. */
static inline int world_free(void **state)
{
	struct world *world = *state;
	tree_remove(AT_FDCWD, world->path, NULL);
	conf_release(&world->variables);
	strvec_release(&world->given);
	strvec_release(&world->source.roots);
	free(world->path);
	free(world);
	return 0;
}

static inline void holds(const struct strvec *list, const char *const *wanted)
{
	size_t count = 0;
	for (; wanted[count]; count++) {
		assert_true(count < list->count);
		assert_string_equal(list->items[count], wanted[count]);
	}
	assert_int_equal(list->count, count);
}
#define HOLDS(list, ...) holds(list, (const char *const[]){ __VA_ARGS__, NULL })

/* A load failed as it should: with that kind, a message that holds `text`, and where the mistake is. */
static inline void assert_refused(const struct error *err, const struct template *template,
				  enum error_kind kind, const char *text)
{
	assert_null(template);
	assert_int_equal(err->kind, kind);
	if (!strstr(err->message, text))
		fail_msg("\"%s\" does not hold \"%s\"", err->message, text);
	assert_non_null(err->subject);
}
