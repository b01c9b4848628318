#include "vzpkg/install/dpkg_overrides.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"

enum { LIST_LIMIT = 4 << 20 };

/* A FIFO that a script has put in its place would make a plain open wait for ever. */
static int read_list(int tree, const char *path, struct strbuf *text, struct error *err)
{
	autoclose int fd = open_in_root(tree, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "opening /%s", path);
	return file_read_fd(fd, path, LIST_LIMIT, text, err);
}

static void split_lines(char *text, struct strvec *lines)
{
	for (char *line = text; *line;) {
		size_t length = strcspn(line, "\n");
		strvec_take(lines, xstrndup(line, length));
		line += length + (line[length] == '\n');
	}
}

/* The third field of NAME's line in passwd or group: "#ID" stands for itself. */
static unsigned id_of(const char *text, const char *name)
{
	size_t length = strlen(name);

	if (*name == '#')
		return (unsigned)strtoul(name + 1, NULL, 10);
	for (const char *line = text; *line;) {
		if (strncmp(line, name, length) == 0 && line[length] == ':') {
			const char *field = strchr(line + length + 1, ':');
			return field ? (unsigned)strtoul(field + 1, NULL, 10) : 0;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return 0;
}

/* "USER GROUP MODE PATH" */
static int read_stats(struct dpkg_overrides *overrides, int tree, struct error *err)
{
	AUTO(strbuf_release)
	struct strbuf text = STRBUF_INIT, users = STRBUF_INIT, groups = STRBUF_INIT;
	AUTO(strvec_release) struct strvec lines = STRVEC_INIT;

	if (read_list(tree, "var/lib/dpkg/statoverride", &text, err) < 0 ||
	    read_list(tree, "etc/passwd", &users, err) < 0 ||
	    read_list(tree, "etc/group", &groups, err) < 0)
		return -1;
	split_lines(text.text, &lines);
	overrides->stats = xcalloc(lines.count + 1, sizeof(*overrides->stats));
	for (size_t i = 0; i < lines.count; i++) {
		AUTO(strvec_release) struct strvec words = STRVEC_INIT;
		strvec_split(&words, lines.items[i]);
		if (words.count < 4 || words.items[3][0] != '/')
			continue;
		overrides->stats[overrides->stat_count++] = (struct stat_override){
			.path = xstrdup(words.items[3] + 1),
			.uid = id_of(users.text, words.items[0]),
			.gid = id_of(groups.text, words.items[1]),
			.mode = (mode_t)strtoul(words.items[2], NULL, 8) & 07777,
		};
	}
	return 0;
}

/* Three lines each: from, to, package. */
static int read_diversions(struct dpkg_overrides *overrides, int tree, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	AUTO(strvec_release) struct strvec lines = STRVEC_INIT;

	if (read_list(tree, "var/lib/dpkg/diversions", &text, err) < 0)
		return -1;
	split_lines(text.text, &lines);
	overrides->diversions = xcalloc(lines.count / 3 + 1, sizeof(*overrides->diversions));
	for (size_t i = 0; i + 2 < lines.count; i += 3) {
		if (lines.items[i][0] != '/' || lines.items[i + 1][0] != '/')
			continue;
		overrides->diversions[overrides->diversion_count++] = (struct diversion){
			.from = xstrdup(lines.items[i] + 1),
			.to = xstrdup(lines.items[i + 1] + 1),
			.package = xstrdup(lines.items[i + 2]),
		};
	}
	return 0;
}

int dpkg_overrides_read(struct dpkg_overrides *overrides, int tree, struct error *err)
{
	if (read_stats(overrides, tree, err) < 0)
		return -1;
	return read_diversions(overrides, tree, err);
}

void dpkg_overrides_release(struct dpkg_overrides *overrides)
{
	for (size_t i = 0; i < overrides->stat_count; i++)
		free(overrides->stats[i].path);
	for (size_t i = 0; i < overrides->diversion_count; i++) {
		free(overrides->diversions[i].from);
		free(overrides->diversions[i].to);
		free(overrides->diversions[i].package);
	}
	free(overrides->stats);
	free(overrides->diversions);
	*overrides = DPKG_OVERRIDES_INIT;
}

const struct stat_override *dpkg_stat_override(const struct dpkg_overrides *overrides,
					       const char *path)
{
	for (size_t i = 0; overrides && i < overrides->stat_count; i++)
		if (strcmp(overrides->stats[i].path, path) == 0)
			return &overrides->stats[i];
	return NULL;
}

const char *dpkg_diverted(const struct dpkg_overrides *overrides, const char *path,
			  const char *package)
{
	for (size_t i = 0; overrides && i < overrides->diversion_count; i++)
		if (strcmp(overrides->diversions[i].from, path) == 0 &&
		    strcmp(overrides->diversions[i].package, package) != 0)
			return overrides->diversions[i].to;
	return NULL;
}
