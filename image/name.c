#include "image/name.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/option.h"
#include "base/strbuf.h"

static const struct {
	const char *word, *canonical;
} arch_words[] = {
	{ "x86_64", "x86_64" }, { "amd64", "x86_64" },    { "i386", "i386" },
	{ "i486", "i386" },     { "i586", "i386" },       { "i686", "i386" },
	{ "x86", "i386" },      { "aarch64", "aarch64" }, { "arm64", "aarch64" },
};

const char *arch_canonical(const char *word)
{
	for (size_t i = 0; i < sizeof(arch_words) / sizeof(arch_words[0]); i++)
		if (strcmp(arch_words[i].word, word) == 0)
			return arch_words[i].canonical;
	return NULL;
}

/* The kernel's architecture, not that of a personality that a caller may have set. */
const char *arch_host(void)
{
	struct utsname name;
	const char *arch = uname(&name) < 0 ? NULL : arch_canonical(name.machine);
	if (arch && strcmp(arch, "i386") == 0 && sizeof(void *) == 8)
		return "x86_64";
	return arch ?: "unknown";
}

bool arch_runs_here(const char *arch)
{
	const char *host = arch_host();
	if (strcmp(arch, host) == 0)
		return true;
	/* personality(2) knows PER_LINUX32 everywhere; that the kernel runs 32-bit programs is
	 * seen when the first one is started. */
	return strcmp(host, "x86_64") == 0 && strcmp(arch, "i386") == 0;
}

/* ---- what exists ------------------------------------------------------------------------------------ */

static bool is_folder(const char *path)
{
	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0;
}

/* The folder ROOT/OS/RELEASE/config is what makes a template. */
static bool release_exists(const struct strvec *roots, const char *os, const char *release)
{
	for (size_t i = 0; i < roots->count; i++) {
		autofree char *path = xasprintf("%s/%s/%s/config", roots->items[i], os, release);
		if (is_folder(path))
			return true;
	}
	return false;
}

static void each_folder(const char *path, void (*each)(const char *name, void *data), void *data)
{
	autoclosedir DIR *dir = opendir(path);
	struct dirent *entry;
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			each(entry->d_name, data);
}

struct listing {
	const char *root, *os;
	struct strvec *names;
};

static void add_release(const char *release, void *data)
{
	struct listing *listing = data;
	autofree char *path = xasprintf("%s/%s/%s/config", listing->root, listing->os, release);
	autofree char *name = xasprintf("%s-%s", listing->os, release);
	if (is_folder(path) && !strvec_contains(listing->names, name))
		strvec_push(listing->names, name);
}

static void add_os(const char *os, void *data)
{
	struct listing *listing = data;
	autofree char *path = xasprintf("%s/%s", listing->root, os);
	listing->os = os;
	each_folder(path, add_release, listing);
}

void template_releases(const struct strvec *roots, struct strvec *names)
{
	for (size_t i = 0; i < roots->count; i++) {
		struct listing listing = { .root = roots->items[i], .names = names };
		each_folder(roots->items[i], add_os, &listing);
	}
	strvec_sort(names);
}

/* ---- names -------------------------------------------------------------------------------------------- */

static bool is_word(const char *text)
{
	if (!*text || *text == '.' || *text == '-' || strlen(text) > 128)
		return false;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == '/' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

/*
 * The rest after OS-RELEASE: "", "-ARCH", "-SET" or "-ARCH-SET", where ARCH may be empty as in
 * OpenVZ's "fedora-core-4--minimal". Sets become parts of paths.
 */
static bool take_rest(struct template_name *name, const char *rest)
{
	const char *arch = NULL;
	if (*rest == '-') {
		size_t length = strcspn(rest + 1, "-");
		autofree char *word = xstrndup(rest + 1, length);
		arch = arch_canonical(word);
		if (arch || (!length && rest[1]))
			rest += 1 + length;
	}
	if (*rest && !is_word(rest + 1))
		return false;
	name->arch = arch ?: arch_host();
	name->set = xstrdup(*rest ? rest + 1 : "default");
	return true;
}

/* Where RELEASE may end: at its own end, or before a "-". */
static bool try_split(struct template_name *name, const char *text, size_t os_length,
		      const struct strvec *roots)
{
	autofree char *os = xstrndup(text, os_length);
	const char *release_start = text + os_length + 1;

	for (size_t end = strlen(release_start); end > 0; end--) {
		if (release_start[end] && release_start[end] != '-')
			continue;
		autofree char *release = xstrndup(release_start, end);
		if (!is_word(release) || !release_exists(roots, os, release) ||
		    !take_rest(name, release_start + end))
			continue;
		name->os = steal_ptr(os);
		name->release = steal_ptr(release);
		return true;
	}
	return false;
}

enum { NEAR_MOST = 3 };

static void add_near(struct strvec *near, const char *name)
{
	if (near->count < NEAR_MOST && !strvec_contains(near, name))
		strvec_push(near, name);
}

/* What `text` may have been meant to be: it as it stands, without its last words (which may name an
 * architecture and a set), or as an OS without a release. */
static void find_near(const char *text, const struct strvec *names, struct strvec *near)
{
	for (size_t end = strlen(text); names->count && end > 0; end--) {
		if (text[end] && text[end] != '-')
			continue;
		autofree char *start = xstrndup(text, end);
		const char *name = nearest_word(start, (const char *const *)names->items);
		if (name)
			add_near(near, name);
	}
	size_t length = strlen(text);
	for (size_t i = 0; i < names->count; i++)
		if (strncmp(names->items[i], text, length) == 0 && names->items[i][length] == '-')
			add_near(near, names->items[i]);
}

static int unknown(const char *text, const struct strvec *roots, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT, near = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;

	template_releases(roots, &names);
	find_near(text, &names, &near);
	error_set(err, ERROR_NO_TEMPLATE, "there is no template %s", text);
	error_subject(err, "%s", text);
	if (!near.count)
		return error_hint(err, "\"vzpkg list\" shows what there is");
	for (size_t i = 0; i < near.count; i++)
		strbuf_addf(&list, "%s%s",
			    i == 0               ? ""
			    : i + 1 < near.count ? ", "
						 : " or ",
			    near.items[i]);
	return error_hint(err, "did you mean %s? \"vzpkg list\" shows all", list.text);
}

int template_name_resolve(struct template_name *name, const char *text, const struct strvec *roots,
			  struct error *err)
{
	if (*text == '.') /* an old way to mark a name as a template's */
		text++;
	if (!is_word(text))
		return unknown(text, roots, err);
	/* The longest OS first: "fedora-core-4" is not release "core-4" of "fedora". */
	for (size_t length = strlen(text); length > 0; length--)
		if (text[length] == '-' && try_split(name, text, length, roots))
			return 0;
	return unknown(text, roots, err);
}

char *template_name_text(const struct template_name *name)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	strbuf_addf(&text, "%s-%s-%s", name->os, name->release, name->arch);
	if (strcmp(name->set, "default") != 0)
		strbuf_addf(&text, "-%s", name->set);
	return strbuf_detach(&text);
}

char *template_name_split(const char *text, struct strvec *applications)
{
	size_t length = strcspn(text, "+");
	const char *at = text + length;

	while (*at == '+') {
		size_t word = strcspn(++at, "+");
		strvec_take(applications, xstrndup(at, word));
		at += word;
	}
	return xstrndup(text, length);
}

char *template_name_join(const char *name, const struct strvec *applications)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(strvec_release) struct strvec sorted = STRVEC_INIT;

	for (size_t i = 0; i < applications->count; i++)
		if (!strvec_contains(&sorted, applications->items[i]))
			strvec_push(&sorted, applications->items[i]);
	strvec_sort(&sorted);
	strbuf_adds(&text, name);
	for (size_t i = 0; i < sorted.count; i++)
		strbuf_addf(&text, "+%s", sorted.items[i]);
	return strbuf_detach(&text);
}

void template_name_release(struct template_name *name)
{
	free(name->os);
	free(name->release);
	free(name->set);
	*name = TEMPLATE_NAME_INIT;
}
