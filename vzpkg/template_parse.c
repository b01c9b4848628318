#include "vzpkg/template_parse.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

/* ---- package manager ------------------------------------------------------------------------------------ */

/* OpenVZ's names carried the package manager's version and the architecture ("rpm44x64", "dpkgx64",
 * "rpmzypp43x64"): only the kind matters. */
static bool is_old_name(const char *word, const char *manager)
{
	size_t length = strlen(manager);
	if (strncmp(word, manager, length) != 0)
		return false;
	word += length;
	if (strncmp(word, "zypp", 4) == 0)
		word += 4;
	if (*word && *word != 'x' && !isdigit((unsigned char)*word))
		return false;
	while (isalnum((unsigned char)*word))
		word++;
	return !*word;
}

static int take_package_manager(struct loader *loader, const struct metadata_file *file)
{
	struct template *template = loader->template;
	const char *word = file->count ? file->lines[0].text : "";
	const char *hint = "write \"deb\" or \"rpm\" into the file package_manager";

	if (!file->count)
		return mistake(loader, config_place(loader, file), 0, hint,
			       "package_manager is missing");
	if (strcmp(word, "deb") == 0 || is_old_name(word, "dpkg")) {
		template->format = PACKAGE_DEB;
	} else if (is_old_name(word, "rpm")) {
		template->format = PACKAGE_RPM;
	} else {
		int ret = mistake(loader, file->path, file->lines[0].number, hint,
				  "\"%s\" is not a package manager that is known", word);
		if (ret < 0 && loader->err)
			loader->err->kind = ERROR_PACKAGE_MANAGER;
		return ret;
	}
	if (file->count > 1)
		return mistake(loader, file->path, file->lines[1].number, hint,
			       "there is more than one word");
	return 0;
}

/* To rpm, a path, a pattern of names, or "name = version" are wishes as well. */
static bool is_package_wish(const char *text, enum package_format format)
{
	const char *more = format == PACKAGE_RPM ? "/*?[]<> " : "";

	if (*text == '@')
		text++;
	if (!isalnum((unsigned char)*text) && *text != '_' &&
	    !(format == PACKAGE_RPM && *text == '/'))
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("+-._~:=^()", *text) &&
		    !strchr(more, *text))
			return false;
	return true;
}

static bool is_list(const char *path)
{
	size_t length = strlen(path);
	return length > 5 && strcmp(path + length - 5, ".list") == 0;
}

/* "-name" excludes; in the older *.list files "name-" does. */
static int take_package(struct loader *loader, const struct metadata_file *file,
			const struct metadata_line *line)
{
	struct template *template = loader->template;
	autofree char *word = xstrdup(line->text + (*line->text == '-'));
	size_t length = strlen(word);
	bool exclude = *line->text == '-';

	if (!exclude && is_list(file->path) && length > 1 && word[length - 1] == '-') {
		word[length - 1] = '\0';
		exclude = true;
	}
	if (!is_package_wish(word, template->format))
		return mistake(loader, file->path, line->number,
			       "write one name, name-version, @group or -name on a line",
			       "\"%s\" is not a package", line->text);
	struct strvec *target = exclude ? &template->excluded : &template->packages;
	struct strvec *other = exclude ? &template->packages : &template->excluded;
	if (strvec_contains(other, word))
		return mistake(loader, file->path, line->number, "remove one of the two lines",
			       "%s is both wanted and excluded", word);
	if (strvec_contains(target, word))
		remark(loader, file->path, line->number, "%s is named twice", word);
	else
		strvec_push(target, word);
	return 0;
}

int take_packages(struct loader *loader, const struct metadata_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		if (take_package(loader, file, &file->lines[i]) < 0)
			return -1;
	if (!loader->template->packages.count && !loader->mistakes)
		return mistake(loader, file->path, 0, NULL, "the list of packages is empty");
	return 0;
}

/* ---- texts ------------------------------------------------------------------------------------------------ */

/* One line of text, or several joined by blanks. */
static int take_text(const struct metadata_file *file, char **ret)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < file->count; i++)
		strbuf_addf(&text, "%s%s", i ? " " : "", file->lines[i].text);
	*ret = file->path ? strbuf_detach(&text) : NULL;
	return 0;
}

static int take_summary(struct loader *loader, const struct metadata_file *file)
{
	return take_text(file, &loader->template->summary);
}

static int take_description(struct loader *loader, const struct metadata_file *file)
{
	return take_text(file, &loader->template->description);
}

static int take_distribution(struct loader *loader, const struct metadata_file *file)
{
	return take_text(file, &loader->template->distribution);
}

static int take_osrelease(struct loader *loader, const struct metadata_file *file)
{
	return take_text(file, &loader->template->osrelease);
}

static int take_jquota(struct loader *loader, const struct metadata_file *file)
{
	return take_text(file, &loader->template->jquota);
}

static int take_upgradable_versions(struct loader *loader, const struct metadata_file *file)
{
	for (size_t i = 0; i < file->count; i++)
		strvec_split(&loader->template->upgradable_versions, file->lines[i].text);
	return 0;
}

/* ---- environment ----------------------------------------------------------------------------------------- */

/* A mistake in such a file says "PATH:LINE: text" and has "PATH:LINE" as its subject. */
static int environment_mistake(struct loader *loader, const char *path, const struct error *why)
{
	size_t prefix = why->subject ? strlen(why->subject) : 0;
	const char *colon = why->subject ? strrchr(why->subject, ':') : NULL;

	if (why->kind != ERROR_PARSE || !colon || strncmp(why->message, why->subject, prefix) != 0)
		return mistake(loader, path, 0, NULL, "%s", why->message);
	return mistake(loader, path, (unsigned)strtoul(colon + 1, NULL, 10),
		       "write KEY=value, in quotes if there are blanks in it", "%s",
		       why->message + prefix + strspn(why->message + prefix, ": "));
}

int add_environment(struct loader *loader, struct conf *merged, const char *path)
{
	AUTO(error_clear) struct error why = ERROR_INIT;
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	int ret = read_whole(loader, path, CONFIG_LIMIT, &text);
	if (ret <= 0)
		return ret;
	if (conf_parse(merged, path, text.text, text.length, &why) < 0)
		return environment_mistake(loader, path, &why);
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------- */

const struct config_kind config_kinds[] = {
	{ "package_manager", take_package_manager },
	{ "mirrorlist", take_mirrorlist },
	{ "repositories", take_repositories },
	{ "guest-repositories", take_guest_repositories },
	{ "trust", take_trust },
	{ "summary", take_summary },
	{ "description", take_description },
	{ "distribution", take_distribution },
	{ "osrelease", take_osrelease },
	{ "jquota", take_jquota },
	{ "upgradable_versions", take_upgradable_versions },
	{ NULL, NULL },
};
