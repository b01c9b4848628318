#include "vzpkg/install/dpkg_database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"
#include "vzpkg/install/paragraph.h"

enum { STATUS_LIMIT = 64 << 20, LIST_LIMIT = 16 << 20 };

/* ---- folders --------------------------------------------------------------------------------------- */

/* A folder of the tree, opened without leaving it. */
static int open_folder(int tree, const char *path, struct error *err)
{
	int fd = open_in_root(tree, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		error_errno(err, errno, "opening /%s of the tree", path);
	return fd;
}

static int make_folder(int tree, const char *parent, const char *name, struct error *err)
{
	autoclose int fd = open_folder(tree, parent, err);
	if (fd < 0)
		return -1;
	if (mkdirat(fd, name, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "creating /%s/%s in the tree", parent, name);
	return 0;
}

int dpkg_database_open(struct dpkg_database *database, int tree, bool multi_arch, struct error *err)
{
	static const char *const folders[][2] = {
		{ ".", "var" },
		{ "var", "lib" },
		{ "var/lib", "dpkg" },
		{ "var/lib/dpkg", "info" },
		{ "var/lib/dpkg", "updates" },
		{ "var/lib/dpkg", "triggers" },
	};
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (make_folder(tree, folders[i][0], folders[i][1], err) < 0)
			return -1;
	database->tree = tree;
	database->multi_arch = multi_arch;
	database->dpkg = open_folder(tree, "var/lib/dpkg", err);
	database->info = open_folder(tree, "var/lib/dpkg/info", err);
	database->triggers = open_folder(tree, "var/lib/dpkg/triggers", err);
	if (database->dpkg < 0 || database->info < 0 || database->triggers < 0)
		return -1;
	if (multi_arch && faccessat(database->info, "format", F_OK, 0) < 0)
		return file_write_atomic(database->info, "format", 0644, "1\n", 2, err);
	return 0;
}

void dpkg_database_release(struct dpkg_database *database)
{
	if (database->dpkg >= 0)
		close(database->dpkg);
	if (database->info >= 0)
		close(database->info);
	if (database->triggers >= 0)
		close(database->triggers);
	*database = DPKG_DATABASE_INIT;
}

/* ---- status ------------------------------------------------------------------------------------------ */

/* Package scripts have run in the tree: a link that one has put there must not be followed out of it. */
static int read_file(int dir, const char *name, bool optional, size_t limit, struct strbuf *text,
		     struct error *err)
{
	autoclose int fd = open_in_root(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0 && errno == ENOENT && optional)
		return 0;
	if (fd < 0)
		return error_errno(err, errno, "opening dpkg's file %s", name);
	return file_read_fd(fd, name, limit, text, err);
}

static int read_optional(int dir, const char *name, size_t limit, struct strbuf *text,
			 struct error *err)
{
	return read_file(dir, name, true, limit, text, err);
}

/* dpkg puts the fields into its own order when it writes the file next. */
static void add_paragraph(struct strbuf *status, const struct unpacked *package)
{
	size_t length = strlen(package->control);
	while (length && package->control[length - 1] == '\n')
		length--;
	strbuf_add(status, package->control, length);
	strbuf_adds(status, "\nStatus: install ok unpacked\n");
	if (*package->conffiles)
		strbuf_addf(status, "Conffiles:\n%s", package->conffiles);
	strbuf_addc(status, '\n');
}

static int add_status(struct dpkg_database *database, const struct unpacked *const *packages,
		      size_t count, struct error *err)
{
	AUTO(strbuf_release) struct strbuf status = STRBUF_INIT;

	if (read_optional(database->dpkg, "status", STATUS_LIMIT, &status, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		add_paragraph(&status, packages[i]);
	return file_write_atomic(database->dpkg, "status", 0644, status.text, status.length, err);
}

static void add_difference(struct strbuf *text, const char *name, const char *state)
{
	strbuf_addf(text, "%s%s (%s)", text->length ? ", " : "", name, state);
}

/* One paragraph of the status file; what it is about is marked as found. */
static void compare_one(const char *paragraph, const struct plan *plan, bool *found,
			struct strbuf *text)
{
	autofree char *name = paragraph_get(paragraph, "Package");
	autofree char *state = paragraph_get(paragraph, "Status");
	bool planned = false;

	for (size_t i = 0; name && i < plan->count; i++)
		if (strcmp(plan->packages[i].name, name) == 0)
			found[i] = planned = true;
	if (name && state && strcmp(state, "install ok installed") != 0)
		add_difference(text, name, state);
	else if (name && !planned)
		add_difference(text, name, "not to be installed");
}

int dpkg_database_compare(const struct dpkg_database *database, const struct plan *plan,
			  struct strbuf *text, struct error *err)
{
	AUTO(strbuf_release) struct strbuf status = STRBUF_INIT;
	autofree bool *found = xcalloc(plan->count + 1, sizeof(*found));

	/* By its path: a script may have put another folder in the place of the one that is open. */
	if (read_file(database->tree, "var/lib/dpkg/status", false, STATUS_LIMIT, &status, err) < 0)
		return -1;
	for (char *at = status.text; *at;) {
		char *end = strstr(at, "\n\n");
		if (end)
			end[1] = '\0';
		compare_one(at, plan, found, text);
		if (!end)
			break;
		at = end + 2;
	}
	for (size_t i = 0; i < plan->count; i++)
		if (!found[i])
			add_difference(text, plan->packages[i].name, "missing");
	return 0;
}

/* ---- triggers -------------------------------------------------------------------------------------------- */

/* One "interest NAME" of a package's triggers file: for triggers/File or triggers/NAME. */
static int add_interest(struct dpkg_database *database, const char *info_name, const char *word,
			const char *trigger, struct strbuf *file, struct error *err)
{
	const char *suffix = strcmp(word, "interest-noawait") == 0 ? "/noawait" : "";

	if (*trigger == '/') {
		strbuf_addf(file, "%s %s%s\n", trigger, info_name, suffix);
		return 0;
	}
	if (strchr(trigger, '/') || *trigger == '.')
		return error_set(err, ERROR_INSTALL, "%s: \"%s\" cannot be a trigger", info_name,
				 trigger);
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	if (read_optional(database->triggers, trigger, LIST_LIMIT, &text, err) < 0)
		return -1;
	strbuf_addf(&text, "%s%s\n", info_name, suffix);
	return file_write_atomic(database->triggers, trigger, 0644, text.text, text.length, err);
}

static int add_interests(struct dpkg_database *database, const char *info_name, struct strbuf *file,
			 struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *name = xasprintf("%s.triggers", info_name);

	if (read_optional(database->info, name, LIST_LIMIT, &text, err) < 0)
		return -1;
	for (char *line = text.text, *next; *line; line = next) {
		AUTO(strvec_release) struct strvec words = STRVEC_INIT;
		size_t length = strcspn(line, "\n");
		next = line + length + (line[length] == '\n');
		line[strcspn(line, "#\n")] = '\0';
		strvec_split(&words, line);
		if (words.count == 2 && strncmp(words.items[0], "interest", 8) == 0 &&
		    add_interest(database, info_name, words.items[0], words.items[1], file, err) <
			    0)
			return -1;
	}
	return 0;
}

int dpkg_database_add(struct dpkg_database *database, const struct unpacked *const *packages,
		      size_t count, struct error *err)
{
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;

	if (read_optional(database->triggers, "File", LIST_LIMIT, &file, err) < 0)
		return -1;
	size_t before = file.length;
	for (size_t i = 0; i < count; i++)
		if (add_interests(database, packages[i]->info_name, &file, err) < 0)
			return -1;
	if (file.length != before &&
	    file_write_atomic(database->triggers, "File", 0644, file.text, file.length, err) < 0)
		return -1;
	return add_status(database, packages, count, err);
}

/* true if one of the packages has put something at `path` or below it. */
static bool touches(const char *path, size_t length, const struct unpacked *const *packages,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t e = 0; e < packages[i]->count; e++) {
			const char *own = packages[i]->entries[e].path;
			if (strncmp(own, path, length) == 0 && (own[length] == '/' || !own[length]))
				return true;
		}
	return false;
}

int dpkg_database_activate(struct dpkg_database *database, const struct unpacked *const *packages,
			   size_t count, struct error *err)
{
	AUTO(strbuf_release) struct strbuf file = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf activated = STRBUF_INIT;

	if (read_optional(database->triggers, "File", LIST_LIMIT, &file, err) < 0 ||
	    read_optional(database->triggers, "Unincorp", LIST_LIMIT, &activated, err) < 0)
		return -1;
	size_t before = activated.length;
	for (const char *line = file.text; *line;) {
		size_t length = strcspn(line, " \n");
		/* "-": nobody waits for it; the packages are configured with the handlers. */
		if (touches(line, length, packages, count))
			strbuf_addf(&activated, "%.*s -\n", (int)length, line);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	if (activated.length == before)
		return 0;
	return file_write_atomic(database->triggers, "Unincorp", 0644, activated.text,
				 activated.length, err);
}

/* ---- lists ---------------------------------------------------------------------------------------------- */

int dpkg_database_unlist(struct dpkg_database *database, const char *info_name, const char *path,
			 struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT, kept = STRBUF_INIT;
	autofree char *name = xasprintf("%s.list", info_name);
	size_t path_length = strlen(path);

	if (read_file(database->info, name, false, LIST_LIMIT, &text, err) < 0)
		return -1;
	for (const char *line = text.text; *line;) {
		size_t length = strcspn(line, "\n");
		if (length != path_length || memcmp(line, path, length) != 0)
			strbuf_addf(&kept, "%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	return file_write_atomic(database->info, name, 0644, kept.text, kept.length, err);
}

/* apt writes "all" packages down under the system's own architecture. */
int apt_mark_automatic(int tree, const struct plan *plan, const char *arch, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autoclose int apt = open_in_root(tree, "var/lib/apt", O_RDONLY | O_DIRECTORY, 0);

	if (apt < 0)
		return 0;
	for (size_t i = 0; i < plan->count; i++)
		if (plan->packages[i].automatic)
			strbuf_addf(&text, "Package: %s\nArchitecture: %s\nAuto-Installed: 1\n\n",
				    plan->packages[i].name,
				    strcmp(plan->packages[i].arch, "all") == 0
					    ? arch
					    : plan->packages[i].arch);
	if (!text.length)
		return 0;
	return file_write_atomic(apt, "extended_states", 0644, text.text, text.length, err);
}
