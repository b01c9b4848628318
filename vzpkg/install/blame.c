#include "vzpkg/install/blame.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/install/ownership.h"

enum { SCRIPT_LIMIT = 4 << 20, NAMED_MAX = 3 };

struct script {
	char *name; /* "the postinst of hello" */
	struct strbuf text;
};

struct blame {
	struct ownership ownership;
	struct script *scripts;
	size_t count, capacity;
	bool blind; /* there is nobody who could be asked */
};

static struct script *add_script(struct blame *blame, char *name)
{
	blame->scripts =
		xgrow(blame->scripts, blame->count, &blame->capacity, sizeof(*blame->scripts));
	blame->scripts[blame->count] = (struct script){ .name = name, .text = STRBUF_INIT };
	return &blame->scripts[blame->count++];
}

/* ---- dpkg --------------------------------------------------------------------------------------------------- */

/* "hello.postinst", "hello:amd64.postinst" */
static char *dpkg_script_name(const char *file)
{
	static const char *const kinds[] = { "preinst", "postinst", "prerm", "postrm", "config" };
	const char *dot = strrchr(file, '.');

	for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(dot + 1, kinds[i]) == 0)
			return xasprintf("the %s of %.*s", kinds[i],
					 (int)strcspn(file, ":") < dot - file
						 ? (int)strcspn(file, ":")
						 : (int)(dot - file),
					 file);
	return NULL;
}

/* What cannot be read is not searched. */
static void read_dpkg_scripts(struct blame *blame, int tree)
{
	int info = open_in_root(tree, "var/lib/dpkg/info", O_RDONLY | O_DIRECTORY, 0);
	autoclosedir DIR *dir = info < 0 ? NULL : fdopendir(info);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *name = dpkg_script_name(entry->d_name);
		if (!name)
			continue;
		struct script *script = add_script(blame, name);
		autoclose int fd =
			open_in_root(info, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (fd >= 0)
			file_read_fd(fd, entry->d_name, SCRIPT_LIMIT, &script->text, NULL);
	}
}

/* ---- rpm ---------------------------------------------------------------------------------------------------- */

static void rpm_line(const char *line, void *data)
{
	static const char mark[] = "\001package ";
	struct blame *blame = data;

	if (strncmp(line, mark, sizeof(mark) - 1) == 0) {
		add_script(blame, xasprintf("a script of %s", line + sizeof(mark) - 1));
	} else if (blame->count) {
		struct strbuf *text = &blame->scripts[blame->count - 1].text;
		if (text->length < SCRIPT_LIMIT)
			strbuf_addf(text, "%s\n", line);
	}
}

static int read_rpm_scripts(struct blame *blame, struct session *session, struct error *err)
{
	static const char *const argv[] = {
		"rpm", "-qa", "--qf",
		"\001package %{NAME}\\n%{PREIN}\\n%{POSTIN}\\n%{PRETRANS}\\n%{POSTTRANS}\\n"
		"[%{TRIGGERSCRIPTS}\\n]",
		NULL
	};
	struct program program = {
		.what = "listing the scripts of packages",
		.argv = argv,
		.script = -1,
		.input = -1,
		.line = rpm_line,
		.data = blame,
	};
	return session_run(session, &program, err);
}

/* A template need not have an rpm in it. */
static int ask_rpm(struct blame *blame, struct session *session, struct error *err)
{
	AUTO(error_clear) struct error why = ERROR_INIT;

	if (session_start(session, session->job, 0, err) < 0)
		return -1;
	if (ownership_read(session, &blame->ownership, &why) == 0 &&
	    read_rpm_scripts(blame, session, &why) == 0)
		return 0;
	blame->blind = why.kind == ERROR_EXEC;
	if (blame->blind)
		return 0;
	error_move(err, &why);
	return -1;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static void read_scripts(struct blame *blame, const char *whose, char *const *scripts)
{
	for (size_t i = 0; i < SCRIPT_KINDS; i++) {
		if (!scripts[i])
			continue;
		struct script *script =
			add_script(blame, xasprintf("%s's %s", whose, template_script_name(i)));
		file_read(AT_FDCWD, scripts[i], SCRIPT_LIMIT, &script->text, NULL);
	}
}

static void read_template_scripts(struct blame *blame, const struct template *template)
{
	read_scripts(blame, "the template", template->scripts);
	for (size_t i = 0; i < template->part_count; i++)
		read_scripts(blame, template->parts[i].name, template->parts[i].scripts);
}

int blame_open(const struct install_job *job, struct blame **ret, struct error *err)
{
	AUTO(blame_freep) struct blame *blame = xcalloc(1, sizeof(*blame));
	AUTO(session_end) struct session session = SESSION_INIT;

	session.job = job;
	if (job->template->format == PACKAGE_RPM) {
		if (ask_rpm(blame, &session, err) < 0)
			return -1;
	} else {
		if (ownership_read(&session, &blame->ownership, err) < 0)
			return -1;
		read_dpkg_scripts(blame, job->tree);
	}
	read_template_scripts(blame, job->template);
	*ret = steal_ptr(blame);
	return 0;
}

void blame_freep(struct blame **pointer)
{
	struct blame *blame = *pointer;

	*pointer = NULL;
	if (!blame)
		return;
	for (size_t i = 0; i < blame->count; i++) {
		free(blame->scripts[i].name);
		strbuf_release(&blame->scripts[i].text);
	}
	free(blame->scripts);
	ownership_release(&blame->ownership);
	free(blame);
}

static bool is_word_char(char c)
{
	return c == '_' || c == '-' || isalnum((unsigned char)c);
}

/* Scripts that have the word, whole, in their text. */
static size_t find_scripts(const struct blame *blame, const char *word, struct strbuf *list)
{
	size_t count = 0, length = strlen(word);

	for (size_t i = 0; i < blame->count && count < NAMED_MAX; i++) {
		const char *text = blame->scripts[i].text.text, *at = text;
		while ((at = strstr(at, word)) && is_word_char(at[length]))
			at += length;
		if (at)
			strbuf_addf(list, "%s%s", count++ ? ", " : "", blame->scripts[i].name);
	}
	return count;
}

char *blame_file(const struct blame *blame, const char *path)
{
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;
	const char *owner = ownership_find(&blame->ownership, path);
	const char *slash = strrchr(path, '/');
	autofree char *whole = xasprintf("/%s", path);
	autofree char *who =
		owner ? xasprintf("of the package %s", owner)
		      : xstrdup(blame->blind
					? "of which package is not known: the template has no rpm"
					: "of no package: a script or a program has made it");

	/* Its name alone may be a word that many have. */
	if (!find_scripts(blame, whole, &list))
		find_scripts(blame, slash ? slash + 1 : path, &list);
	return list.length ? xasprintf("%s; named in %s", who, list.text) : steal_ptr(who);
}
