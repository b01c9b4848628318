#include "vzpkg/install/yum_repositories.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"

#define OUR_FILE "vzpkg.repo"

enum { REPO_FILE_MAX = 1 << 20 };

static const char *const folders[] = { "etc/yum.repos.d", "etc/zypp/repos.d" };

/* ---- ours ------------------------------------------------------------------------------------------------ */

/* "http://vault.example.org/7/os/x86_64": "vault.example.org-7-os-x86_64". */
static char *id_of(const char *url)
{
	const char *scheme = strstr(url, "://");
	char *id = xstrdup(scheme ? scheme + 3 : url);

	for (char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._", *c))
			*c = '-';
	return id;
}

static int write_ours(int folder, const struct strvec *urls, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < urls->count; i++) {
		autofree char *id = id_of(urls->items[i]);
		strbuf_addf(&text, "%s[%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=1\n",
			    i ? "\n" : "", id, urls->items[i], urls->items[i]);
	}
	return file_write_atomic(folder, OUR_FILE, 0644, text.text, text.length, err);
}

/* ---- the others ------------------------------------------------------------------------------------------ */

static bool sets_enabled(const char *line)
{
	size_t length = strlen("enabled");
	return strncmp(line, "enabled", length) == 0 &&
	       line[length + strspn(line + length, " \t")] == '=';
}

/* Whether the lines up to the next section have that option; without it a repository is on. */
static bool section_says(const char *line)
{
	while (*(line += strcspn(line, "\n")) && *++line != '[')
		if (sets_enabled(line))
			return true;
	return false;
}

static void turn_off(const char *text, struct strbuf *result)
{
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		bool on = sets_enabled(line) && memchr(line, '0', length) == NULL;
		if (on)
			strbuf_adds(result, "enabled=0\n");
		else
			strbuf_addf(result, "%.*s\n", (int)length, line);
		if (*line == '[' && !section_says(line))
			strbuf_adds(result, "enabled=0\n");
		line += length + (line[length] == '\n');
	}
}

static bool is_other(const char *name)
{
	size_t length = strlen(name);
	return length > 5 && strcmp(name + length - 5, ".repo") == 0 && strcmp(name, OUR_FILE) != 0;
}

static int turn_file_off(int folder, const char *name, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, result = STRBUF_INIT;
	autoclose int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (file_read_fd(fd, name, REPO_FILE_MAX, &text, err) < 0)
		return -1;
	turn_off(text.text, &result);
	if (strcmp(result.text, text.text) == 0)
		return 0;
	return file_write_atomic(folder, name, st.st_mode & 0777, result.text, result.length, err);
}

/* All names first: writing changes the folder. */
static int turn_others_off(int folder, struct error *err)
{
	AUTO(strvec_release) struct strvec names = STRVEC_INIT;
	int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	autoclosedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_other(entry->d_name))
			strvec_push(&names, entry->d_name);
	for (size_t i = 0; i < names.count; i++)
		if (turn_file_off(folder, names.items[i], err) < 0)
			return -1;
	return 0;
}

int yum_repositories_write(int tree, const struct strvec *urls, struct error *err)
{
	for (size_t i = 0; urls->count && i < sizeof(folders) / sizeof(folders[0]); i++) {
		autoclose int folder =
			open_in_root(tree, folders[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (folder >= 0 &&
		    (turn_others_off(folder, err) < 0 || write_ours(folder, urls, err) < 0))
			return error_wrap(err, "writing /%s", folders[i]);
	}
	return 0;
}
