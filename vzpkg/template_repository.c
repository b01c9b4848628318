#include "vzpkg/template_repository.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

/* ---- variables ------------------------------------------------------------------------------------ */

static const char *lookup(const struct loader *loader, const char *name, bool mirrors)
{
	const struct template *template = loader->template;
	if (strcmp(name, "arch") == 0 || strcmp(name, "basearch") == 0)
		return template->arch_word;
	if (strcmp(name, "release") == 0 || strcmp(name, "releasever") == 0)
		return template->name.release;
	return mirrors ? conf_get(loader->source->variables, name) : NULL;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

char *expand_variables(const struct loader *loader, const char *text, bool mirrors, char **unknown)
{
	AUTO(strbuf_release) struct strbuf out = STRBUF_INIT;

	while (*text) {
		if (*text != '$') {
			strbuf_addc(&out, *text++);
			continue;
		}
		bool brace = text[1] == '{';
		const char *start = text + 1 + brace, *end = start;
		while (is_name_char(*end))
			end++;
		autofree char *name = xstrndup(start, (size_t)(end - start));
		const char *value = lookup(loader, name, mirrors);
		if (!value || (brace && *end != '}')) {
			*unknown = steal_ptr(name);
			return NULL;
		}
		strbuf_adds(&out, value);
		text = end + brace;
	}
	return strbuf_detach(&out);
}

/* ---- lines ------------------------------------------------------------------------------------------- */

struct line {
	struct loader *loader;
	const char *file;
	unsigned number;
	struct strvec words;
};

static bool has_scheme(const char *url)
{
	static const char *const schemes[] = { "http://", "https://", "file://" };
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t length = strlen(schemes[i]);
		if (strncmp(url, schemes[i], length) == 0 && url[length])
			return true;
	}
	return false;
}

/* Suites and components become parts of paths. */
static bool is_path_word(const char *word)
{
	if (*word == '/' || *word == '-' || strstr(word, ".."))
		return false;
	for (; *word; word++)
		if (!isalnum((unsigned char)*word) && !strchr("-._+~/", *word))
			return false;
	return true;
}

/* Words at the end that say something about the repository. */
static void take_flags(struct line *line, struct template_repository *repository)
{
	struct strvec *words = &line->words;
	while (words->count > 1) {
		const char *last = words->items[words->count - 1];
		if (strcmp(last, "unsigned") == 0)
			repository->unsigned_ok = true;
		else if (strcmp(last, "eol") == 0)
			repository->end_of_life = true;
		else
			return;
		free(words->items[--words->count]);
		words->items[words->count] = NULL;
	}
}

static int check_url(const struct line *line, struct template_repository *repository)
{
	autofree char *unknown = NULL;
	repository->url = expand_variables(line->loader, line->words.items[0], true, &unknown);
	if (!repository->url)
		return mistake(line->loader, line->file, line->number,
			       "set it in vzpkg.conf, or correct the name",
			       "the variable $%s is not set", unknown);
	size_t length = strlen(repository->url);
	while (length && repository->url[length - 1] == '/')
		repository->url[--length] = '\0';
	if (!has_scheme(repository->url))
		return mistake(line->loader, line->file, line->number,
			       "http://, https:// and file:// are possible",
			       "\"%s\" is not an address of a repository", repository->url);
	return 1;
}

/* 1: fine, 0: a mistake that was reported, -1: the load ends. */
static int check_suite(const struct line *line, struct template_repository *repository)
{
	const struct strvec *words = &line->words;
	const char *hint = "write URL SUITE COMPONENT…, for example "
			   "\"$DEBIAN_MIRROR bookworm main\"";

	if (line->loader->template->format != PACKAGE_DEB) {
		if (words->count == 1)
			return 1;
		return mistake(line->loader, line->file, line->number, "write one URL on a line",
			       "there is more than a URL: \"%s\"", words->items[1]);
	}
	if (words->count < 2)
		return mistake(line->loader, line->file, line->number, hint,
			       "the suite is missing");
	for (size_t i = 1; i < words->count; i++)
		if (!is_path_word(words->items[i]))
			return mistake(line->loader, line->file, line->number, hint,
				       "\"%s\" is not a suite or component", words->items[i]);
	const char *suite = words->items[1];
	bool flat = suite[strlen(suite) - 1] == '/';
	if (flat == (words->count == 2)) {
		repository->suite = xstrdup(suite);
		for (size_t i = 2; i < words->count; i++)
			strvec_push(&repository->components, words->items[i]);
		return 1;
	}
	return mistake(line->loader, line->file, line->number, hint,
		       flat ? "a path that ends in \"/\" has no components"
			    : "the component is missing");
}

static void repository_release(struct template_repository *repository)
{
	free(repository->text);
	free(repository->url);
	free(repository->suite);
	free(repository->file);
	strvec_release(&repository->components);
}

int add_repository(struct loader *loader, const char *text, const char *file, unsigned number)
{
	struct template *template = loader->template;
	struct line line = { .loader = loader, .file = file, .number = number };
	struct template_repository repository = {
		.text = xstrdup(text),
		.file = xstrdup(file),
		.line = number,
	};

	/* A line as in apt's sources.list is understood. */
	if (strncmp(text, "deb ", 4) == 0)
		text += 4;
	strvec_split(&line.words, text);
	take_flags(&line, &repository);
	int ret = check_url(&line, &repository);
	if (ret > 0)
		ret = check_suite(&line, &repository);
	strvec_release(&line.words);
	if (ret <= 0) {
		repository_release(&repository);
		return ret;
	}
	template->repositories =
		xreallocarray(template->repositories, template->repository_count + 1,
			      sizeof(*template->repositories));
	template->repositories[template->repository_count++] = repository;
	return 0;
}
