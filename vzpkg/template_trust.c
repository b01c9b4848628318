#include "vzpkg/template_trust.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "vzpkg/template_parse.h"

enum { FINGERPRINT_LENGTH = 40 };

/* RPM-GPG-KEY-fedora and the like are how OpenVZ's templates named them. */
static bool is_key_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	return strncmp(name, "RPM-GPG-KEY", 11) == 0 ||
	       (dot && (strcmp(dot, ".asc") == 0 || strcmp(dot, ".gpg") == 0));
}

void find_keys(struct loader *loader, const char *folder, struct strvec *paths)
{
	autoclosedir DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		autofree char *path = xasprintf("%s/%s", folder, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		if (is_key_name(entry->d_name))
			strvec_push(paths, path);
		else
			remark(loader, path, 0, "nothing reads it; name key files *.asc");
	}
	strvec_sort(paths);
}

static bool is_fingerprint(const char *word)
{
	return strlen(word) == FINGERPRINT_LENGTH &&
	       strspn(word, "0123456789ABCDEFabcdef") == FINGERPRINT_LENGTH;
}

static bool set_waiver(struct template_trust *trust, const char *word)
{
	if (strcmp(word, "expired") == 0)
		trust->expired_ok = true;
	else if (strcmp(word, "sha1") == 0)
		trust->sha1_ok = true;
	else if (strcmp(word, "weak") == 0)
		trust->weak_ok = true;
	else
		return false;
	return true;
}

/* Two lines of one key could say different things about it. */
static const struct template_trust *trust_of(const struct template *template, const char *key)
{
	for (size_t i = 0; i < template->trust_count; i++)
		if (strcasecmp(template->trust[i].fingerprint, key) == 0)
			return &template->trust[i];
	return NULL;
}

static int add_trust(struct loader *loader, const char *path, const struct metadata_line *line)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	struct template *template = loader->template;
	struct template_trust trust = { .line = line->number };

	strvec_split(&words, line->text);
	if (!is_fingerprint(words.items[0]))
		return mistake(loader, path, line->number,
			       "\"gpg --show-keys --fingerprint FILE\" prints it",
			       "\"%s\" is not a fingerprint of 40 hexadecimal digits",
			       words.items[0]);
	for (size_t i = 1; i < words.count; i++)
		if (!set_waiver(&trust, words.items[i]))
			return mistake(loader, path, line->number,
				       "\"expired\", \"sha1\" and \"weak\" are known",
				       "\"%s\" is not a waiver", words.items[i]);
	if (trust_of(template, words.items[0]))
		return mistake(loader, path, line->number, "remove one of the two lines",
			       "line %u names the same key",
			       trust_of(template, words.items[0])->line);
	trust.fingerprint = xstrdup(words.items[0]);
	for (char *c = trust.fingerprint; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	trust.file = xstrdup(path);
	template->trust =
		xreallocarray(template->trust, template->trust_count + 1, sizeof(*template->trust));
	template->trust[template->trust_count++] = trust;
	return 0;
}

int take_trust(struct loader *loader, const struct metadata_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		if (add_trust(loader, file->path, &file->lines[i]) < 0)
			return -1;
	return 0;
}
