#include "vzpkg/template_repository.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "vzpkg/template_parse.h"

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

/* RFC 3986 knows neither blanks nor these; variables may have brought them in. */
static bool is_url(const char *url)
{
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f ||
		    strchr("\"<>\\^`{|}", *c))
			return false;
	return has_scheme(url);
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

static void drop_word(struct strvec *words, size_t at)
{
	free(words->items[at]);
	for (words->count--; at < words->count; at++)
		words->items[at] = words->items[at + 1];
	words->items[words->count] = NULL;
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
		drop_word(words, words->count - 1);
	}
}

/* The text with its variables expanded; NULL: a mistake, and *ret is what the caller is to return. */
static char *expand(const struct line *line, const char *word, int *ret)
{
	autofree char *unknown = NULL;
	char *text = expand_variables(line->loader, word, true, &unknown);
	if (!text)
		*ret = mistake(line->loader, line->file, line->number,
			       "set it in vzpkg.conf, or correct the name",
			       "the variable $%s is not set", unknown);
	return text;
}

/* An address without a "/" at its end, to be freed. NULL as above. */
static char *trim_url(const struct line *line, const char *word, int *ret)
{
	autofree char *url = xstrdup(word);
	size_t length = strlen(url);
	while (length && url[length - 1] == '/')
		url[--length] = '\0';
	if (!is_url(url)) {
		*ret = mistake(line->loader, line->file, line->number,
			       "http://, https:// and file:// are possible",
			       "\"%s\" is not an address of a repository", url);
		return NULL;
	}
	return steal_ptr(url);
}

static char *expand_url(const struct line *line, const char *word, int *ret)
{
	autofree char *text = expand(line, word, ret);
	return text ? trim_url(line, text, ret) : NULL;
}

/* A variable may hold several addresses of the same archive: the first is the one to be asked first. 1: fine,
 * else what the caller is to return. */
static int set_urls(const struct line *line, struct template_repository *repository)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	int ret = 0;
	autofree char *text = expand(line, line->words.items[0], &ret);

	if (!text)
		return ret;
	strvec_split(&words, text);
	if (!words.count)
		strvec_push(&words, "");
	for (size_t i = 0; i < words.count; i++) {
		char *url = trim_url(line, words.items[i], &ret);
		if (!url)
			return ret;
		if (i == 0)
			repository->url = url;
		else
			strvec_take(&repository->mirrors, url);
	}
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

void repository_release(struct template_repository *repository)
{
	free(repository->text);
	free(repository->url);
	free(repository->suite);
	free(repository->file);
	strvec_release(&repository->mirrors);
	strvec_release(&repository->lists);
	strvec_release(&repository->components);
}

static int parse_repository(struct line *line, struct template_repository *repository)
{
	int ret = 0;

	/* A line as in apt's sources.list is understood. */
	if (line->words.count > 1 && strcmp(line->words.items[0], "deb") == 0)
		drop_word(&line->words, 0);
	take_flags(line, repository);
	if (!line->words.count)
		return mistake(line->loader, line->file, line->number,
			       "write the text of one line of the file repositories",
			       "the repository is empty");
	ret = set_urls(line, repository);
	return ret > 0 ? check_suite(line, repository) : ret;
}

static void append(struct template *template, const struct template_repository *repository)
{
	template->repositories =
		xreallocarray(template->repositories, template->repository_count + 1,
			      sizeof(*template->repositories));
	template->repositories[template->repository_count++] = *repository;
}

int add_repository(struct loader *loader, const char *text, const char *file, unsigned number)
{
	struct line line = { .loader = loader, .file = file, .number = number };
	struct template_repository repository = {
		.text = xstrdup(text),
		.file = xstrdup(file),
		.line = number,
	};

	strvec_split(&line.words, text);
	int ret = parse_repository(&line, &repository);
	strvec_release(&line.words);
	if (ret <= 0) {
		repository_release(&repository);
		return ret;
	}
	append(loader->template, &repository);
	return 0;
}

/* ---- repositories ---------------------------------------------------------------------------------------- */

int take_repositories(struct loader *loader, const struct metadata_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		if (add_repository(loader, file->lines[i].text, file->path, file->lines[i].number) <
		    0)
			return -1;
	if (file->count || loader->template->repository_count)
		return 0;
	return mistake(loader, config_place(loader, file), 0,
		       "write a repository a line into the file repositories",
		       "there are no repositories");
}

/* ---- lists of mirrors ------------------------------------------------------------------------------------ */

/* 1: fine, 0: a mistake that was reported, -1: the load ends. */
static int parse_lists(struct line *line, struct template_repository *repository)
{
	int ret = 0;

	take_flags(line, repository);
	for (size_t i = 0; i < line->words.count; i++) {
		char *url = expand_url(line, line->words.items[i], &ret);
		if (!url)
			return ret;
		strvec_take(&repository->lists, url);
	}
	return 1;
}

static int add_mirrorlist(struct loader *loader, const char *path, const struct metadata_line *from)
{
	struct line line = { .loader = loader, .file = path, .number = from->number };
	struct template_repository repository = {
		.text = xstrdup(from->text),
		.file = xstrdup(path),
		.line = from->number,
	};

	strvec_split(&line.words, from->text);
	int ret = parse_lists(&line, &repository);
	strvec_release(&line.words);
	if (ret <= 0) {
		repository_release(&repository);
		return ret;
	}
	append(loader->template, &repository);
	return 0;
}

int take_mirrorlist(struct loader *loader, const struct metadata_file *file)
{
	if (file->count && loader->template->format == PACKAGE_DEB)
		return mistake(loader, file->path, file->lines[0].number,
			       "write Debian's mirrors into the file repositories",
			       "only rpm repositories have lists of mirrors");
	for (size_t i = 0; i < file->count; i++)
		if (add_mirrorlist(loader, file->path, &file->lines[i]) < 0)
			return -1;
	return 0;
}

/* ---- the guest's repositories ---------------------------------------------------------------------------- */

static bool is_public(const char *url)
{
	return is_url(url) && strncmp(url, "file:", 5) != 0;
}

/* The words before the address: apt's type, and options that may be several words in brackets. */
static size_t url_position(const struct strvec *words)
{
	size_t at = 1;

	if (at < words->count && words->items[at][0] == '[')
		while (at < words->count && !strchr(words->items[at++], ']'))
			;
	return at;
}

/* What goes into the guest's sources.list is a whole line of it; for yum it is an address. */
static int add_guest_line(struct loader *loader, const char *file, const struct metadata_line *line,
			  const char *expanded)
{
	AUTO(strvec_release) struct strvec words = STRVEC_INIT;
	struct template *template = loader->template;
	bool deb = template->format == PACKAGE_DEB;
	const char *hint = deb ? "write a line as in sources.list: deb URL SUITE COMPONENT…"
			       : "write one URL on a line";

	strvec_split(&words, expanded);
	const char *type = words.items[0];
	bool typed = deb && (strcmp(type, "deb") == 0 || strcmp(type, "deb-src") == 0);
	size_t at = typed ? url_position(&words) : 0;
	if (at >= words.count || !is_public(words.items[at]))
		return mistake(loader, file, line->number, hint, "\"%s\" has no public address",
			       expanded);
	if (deb ? words.count - at < 2 : words.count != 1)
		return mistake(loader, file, line->number, hint, "\"%s\" is not such a line",
			       expanded);
	strvec_pushf(&template->guest_repositories, "%s%s", deb && !typed ? "deb " : "", expanded);
	return 0;
}

int take_guest_repositories(struct loader *loader, const struct metadata_file *file)
{
	for (size_t i = 0; i < file->count; i++) {
		const struct metadata_line *line = &file->lines[i];
		autofree char *unknown = NULL;
		autofree char *text = expand_variables(loader, line->text, false, &unknown);
		int ret = text ? add_guest_line(loader, file->path, line, text)
			       : mistake(loader, file->path, line->number,
					 "the guest needs public addresses; only $arch and "
					 "$release are expanded here",
					 "the variable $%s is not known", unknown);
		if (ret < 0)
			return -1;
	}
	return 0;
}
