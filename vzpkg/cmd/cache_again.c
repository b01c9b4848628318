#include "vzpkg/cmd/cache_again.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "base/worker.h"
#include "image/compare.h"
#include "image/unpack.h"
#include "vzpkg/cmd/manifest.h"
#include "vzpkg/install/blame.h"

enum { SHOWN = 20, LOG_LINES = 10, TEXT_LIMIT = 4 << 20, EXCERPT = 60 };

/* A path that differs, and how. */
struct found {
	char *path;
	unsigned differs;
};

struct again {
	struct cache_build *build;
	int dir; /* in the work folder: TEMPLATE, and the configuration of the other vzpkg */
	int trees[2]; /* the two tarballs, unpacked */
	struct found *found;
	size_t count, capacity;
	struct blame *blame;
	json_t *rows; /* what differs */
	struct strbuf text; /* the first of them, for people */
};

static void again_release(struct again *again)
{
	int fds[] = { again->dir, again->trees[0], again->trees[1] };

	for (size_t i = 0; i < again->count; i++)
		free(again->found[i].path);
	free(again->found);
	blame_freep(&again->blame);
	for (size_t i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	strbuf_release(&again->text);
	json_decref(again->rows);
}

/* ---- the other vzpkg --------------------------------------------------------------------------------------------- */

static void add_setting(struct strbuf *text, const char *key, const char *value)
{
	strbuf_addf(text, "%s=\"", key);
	for (const char *c = value; *c; c++)
		strbuf_addf(text, strchr("\"\\$`", *c) ? "\\%c" : "%c", *c);
	strbuf_adds(text, "\"\n");
}

static int link_to(int dir, const char *name, const char *target, struct error *err)
{
	if (access(target, F_OK) < 0)
		return 0;
	if (symlinkat(target, dir, name) < 0)
		return error_errno(err, errno, "linking %s", name);
	return 0;
}

/* A TEMPLATE of its own, which has metadata, packages and this host's templates in common with ours. */
static int lay_out(struct again *again, struct error *err)
{
	const struct app *app = again->build->app;
	const char *template = app->host.template_dir, *os = again->build->template->name.os;
	AUTO(strbuf_release) struct strbuf host = STRBUF_INIT, settings = STRBUF_INIT;
	autofree char *pm = xasprintf("%s/pm", template);
	autofree char *locked = xasprintf("%s/locked", template);
	autofree char *own = xasprintf("%s/%s", template, os);
	autofree char *other = xasprintf("%s/again/template", again->build->workdir.path);

	again->dir = dir_open(again->build->workdir.fd, "again", true, 0755, err);
	autoclose int folder =
		again->dir < 0 ? -1 : dir_open(again->dir, "template", true, 0755, err);
	if (folder < 0)
		return -1;
	for (size_t i = 0; i < app->variables.count; i++)
		add_setting(&settings, app->variables.entries[i].key,
			    app->variables.entries[i].value);
	add_setting(&host, "TEMPLATE", other);
	add_setting(&host, "LOCKDIR", app->host.lock_dir);
	if (file_write_atomic(again->dir, "vz.conf", 0644, host.text, host.length, err) < 0 ||
	    file_write_atomic(again->dir, "vzpkg.conf", 0644, settings.text, settings.length, err) <
		    0)
		return -1;
	return link_to(folder, "pm", pm, err) < 0 || link_to(folder, "locked", locked, err) < 0 ||
			       link_to(folder, os, own, err) < 0
		       ? -1
		       : 0;
}

/*
 * Everything that differs between two hosts, and between two nights, as far as it can be had without privileges over the host: with one CPU files are
 * unpacked one after the other and so get other inode numbers and another order in their folders, and nothing is compressed ahead.
 * What is not there does no harm: the other build is then more like the first one.
 */
static void other_conditions(void *data)
{
	cpu_set_t set, one;

	(void)data;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &set)) {
				CPU_ZERO(&one);
				CPU_SET(cpu, &one);
				sched_setaffinity(0, sizeof(one), &one);
				break;
			}
	if (unshare(CLONE_NEWUTS) == 0 && sethostname("another-host", 12) < 0)
		_exit(1);
	umask(077);
	setenv("TZ", "XXX-13:45", 1);
	setenv("LC_ALL", "tr_TR.UTF-8", 1);
	setenv("LANG", "tr_TR.UTF-8", 1);
	setenv("HOME", "/nonexistent", 1);
	setenv("USER", "somebody", 1);
	if (chdir("/") < 0)
		_exit(1);
}

/* Both builds within one second would write the same time. */
static void wait_for_another_second(const struct cache_build *build)
{
	struct stat st;
	const struct timespec moment = { .tv_nsec = 20000000 };

	/* A clock that was set back meanwhile shows another one already. */
	while (fstat(build->workdir.fd, &st) == 0 && time(NULL) >= st.st_ctime &&
	       time(NULL) <= st.st_ctime + 1)
		nanosleep(&moment, NULL);
}

static char *program_path(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	return xstrndup(path, length > 0 ? (size_t)length : 0);
}

static int failed_again(const struct strbuf *log, struct error *err)
{
	unsigned lines = 0;
	const char *at = log->text + log->length;

	while (at > log->text && (at[-1] != '\n' || lines++ < LOG_LINES))
		at--;
	autofree char *end = text_clean(at);
	error_set(err, ERROR_GATE, "the template was built once, and the second build failed:\n%s",
		  end);
	return error_hint(err,
			  "what differs: one CPU, umask 077, the locale, the time zone, and the "
			  "names of the host and of the folder");
}

static int build_again(struct again *again, struct error *err)
{
	const struct app *app = again->build->app;
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	autofree char *locked = app->locked ? realpath(app->locked, NULL) : NULL;
	AUTO(strbuf_release) struct strbuf log = STRBUF_INIT;
	int status;

	strvec_take(&argv, program_path());
	strvec_pushf(&argv, "--conf=%s/again/vz.conf", again->build->workdir.path);
	strvec_push(&argv, "--offline");
	for (size_t i = 0; i < app->options.repositories.count; i++)
		strvec_pushf(&argv, "--repository=%s", app->options.repositories.items[i]);
	strvec_push(&argv, "create-cache");
	if (locked)
		strvec_pushf(&argv, "--locked=%s", locked);
	if (again->build->gzip_single)
		strvec_push(&argv, "--gzip-single");
	strvec_push(&argv, again->build->template->text);
	const struct child_run run = {
		.argv = (const char *const *)argv.items,
		.prepare = other_conditions,
	};
	wait_for_another_second(again->build);
	if (child_run(&run, NULL, &log, &status, err) < 0)
		return error_wrap(err, "the second build");
	return status ? failed_again(&log, err) : 0;
}

/* ---- causes ---------------------------------------------------------------------------------------------------- */

static const struct {
	unsigned bit;
	const char *word; /* for programs */
	const char *text; /* for people */
} causes[] = {
	{ DIFFERS_FIRST_ONLY, "missing", "only the first build has it" },
	{ DIFFERS_SECOND_ONLY, "added", "only the second build has it" },
	{ DIFFERS_TYPE, "type", "it is of another kind" },
	{ DIFFERS_CONTENT, "content", "content" },
	{ DIFFERS_MODE, "mode", "mode" },
	{ DIFFERS_OWNER, "owner", "owner" },
	{ DIFFERS_TIME, "mtime", "time of last change" },
	{ DIFFERS_LINK, "link", "hard links" },
	{ DIFFERS_ATTRIBUTES, "attributes", "extended attributes" },
};

static bool read_text(int tree, const char *path, struct strbuf *text)
{
	autoclose int fd = open_in_root(tree, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	return fd >= 0 && file_read_fd(fd, path, TEXT_LIMIT, text, NULL) == 0 &&
	       !memchr(text->text, 0, text->length);
}

static void split_lines(const char *text, struct strvec *lines)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		strvec_take(lines, xstrndup(text, length));
		text += length + (text[length] == '\n');
	}
}

static char *excerpt(const char *line)
{
	autofree char *cut =
		xasprintf("%.*s%s", EXCERPT, line ?: "", line && strlen(line) > EXCERPT ? "…" : "");
	return line ? text_clean(cut) : xstrdup("(the end)");
}

static bool same_lines(const struct strvec *a, const struct strvec *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

/* How two texts differ; NULL if they are none. */
static char *how_text_differs(const struct again *again, const char *path)
{
	AUTO(strbuf_release) struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
	AUTO(strvec_release) struct strvec a = STRVEC_INIT, b = STRVEC_INIT;
	size_t at = 0;

	if (!read_text(again->trees[0], path, &first) || !read_text(again->trees[1], path, &second))
		return NULL;
	split_lines(first.text, &a);
	split_lines(second.text, &b);
	while (at < a.count && at < b.count && strcmp(a.items[at], b.items[at]) == 0)
		at++;
	autofree char *ours = excerpt(at < a.count ? a.items[at] : NULL);
	autofree char *theirs = excerpt(at < b.count ? b.items[at] : NULL);
	strvec_sort(&a);
	strvec_sort(&b);
	if (same_lines(&a, &b))
		return xasprintf("the same lines in another order, from line %zu on", at + 1);
	return xasprintf("line %zu is \"%s\" and \"%s\"", at + 1, ours, theirs);
}

static void note(struct again *again, const char *path, unsigned differs)
{
	AUTO(strbuf_release) struct strbuf list = STRBUF_INIT;
	autofree char *who = blame_file(again->blame, path);
	autofree char *how = differs & DIFFERS_CONTENT ? how_text_differs(again, path) : NULL;
	json_t *words = json_array();

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		if (!(differs & causes[i].bit))
			continue;
		strbuf_addf(&list, "%s%s", list.length ? ", " : "", causes[i].text);
		json_array_append_new(words, json_string(causes[i].word));
	}
	json_array_append_new(again->rows, json_pack("{s:s s:o s:s? s:s}", "path", path, "differs",
						     words, "detail", how, "origin", who));
	if (json_array_size(again->rows) <= SHOWN)
		strbuf_addf(&again->text, "\n  /%s: %s%s%s (%s)", path, list.text, how ? ": " : "",
			    how ?: "", who);
}

/* ---- comparing -------------------------------------------------------------------------------------------------- */

struct unpacking {
	const struct again *again;
	int tarballs[2];
};

/* In a child, as unpacking has a thread. */
static int unpack_task(size_t index, void *data, struct strbuf *result, struct error *err)
{
	const struct unpacking *unpacking = data;
	struct image_unpacked unpacked;
	struct image_unpack job = {
		.fd = unpacking->tarballs[index],
		.name = index ? "the second tarball" : "the first tarball",
		.tree = unpacking->again->trees[index],
	};

	(void)result;
	if (lseek(job.fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "reading %s", job.name);
	return image_unpack(&job, &unpacked, err);
}

static int open_trees(struct again *again, struct error *err)
{
	autofree char *path = xasprintf("template/cache/%s.tar.gz", again->build->template->text);
	autoclose int second = openat(again->dir, path, O_RDONLY | O_CLOEXEC);
	struct unpacking unpacking = {
		.again = again,
		.tarballs = { again->build->draft.fd, second },
	};
	struct worker_job job = {
		.name = "unpacking the template",
		.jobs = 2,
		.count = 2,
		.task = unpack_task,
		.data = &unpacking,
	};

	if (second < 0)
		return error_errno(err, errno, "opening %s of the second build", path);
	again->trees[0] = dir_open(again->dir, "first", true, 0755, err);
	again->trees[1] =
		again->trees[0] < 0 ? -1 : dir_open(again->dir, "second", true, 0755, err);
	return again->trees[1] < 0 ? -1 : workers_run(&job, err);
}

static int find(const char *path, unsigned differs, void *data, struct error *err)
{
	struct again *again = data;

	(void)err;
	again->found = xgrow(again->found, again->count, &again->capacity, sizeof(*again->found));
	again->found[again->count++] = (struct found){ .path = xstrdup(path), .differs = differs };
	return 0;
}

/* Who is to blame is asked when all has been compared: the guest's rpm, which answers, makes files in its tree. */
static int differ(struct again *again, json_t **ret, struct error *err)
{
	const struct cache_build *build = again->build;
	struct install_job job = {
		.template = build->template,
		.plan = build->solved.plan,
		.host = &build->app->host,
		.report = build->app->report,
	};

	report_phase(build->app->report, "comparing", REPORT_ITEMS, 0, 10);
	if (open_trees(again, err) < 0)
		return -1;
	job.tree = again->trees[0];
	if (trees_compare(again->trees[0], again->trees[1], find, again, err) < 0 ||
	    blame_open(&job, &again->blame, err) < 0)
		return -1;
	for (size_t i = 0; i < again->count; i++)
		note(again, again->found[i].path, again->found[i].differs);
	report_phase_end(build->app->report);
	size_t count = again->count;
	*ret = json_pack("{s:s s:s s:O}", "template", build->template->text, "status", "differs",
			 "differences", again->rows);
	if (!count)
		return error_set(err, ERROR_INTERNAL,
				 "two builds of %s gave the same files and other tarballs",
				 build->template->text);
	if (count > SHOWN)
		strbuf_addf(&again->text, "\n  … (all of them: --json)");
	error_set(err, ERROR_GATE, "two builds of %s differ in %zu file%s:%s",
		  build->template->text, count, count == 1 ? "" : "s", again->text.text);
	error_subject(err, "%s", build->template->text);
	return error_hint(err, "nothing was published; the template's post-install may remove or "
			       "settle what scripts write differently each time, or "
			       "create-cache without --check-reproducible does not mind");
}

static int compare(struct again *again, json_t **ret, struct error *err)
{
	autofree char *path =
		xasprintf("template/cache/%s.manifest.json", again->build->template->text);
	autoclose int fd = openat(again->dir, path, O_RDONLY | O_CLOEXEC);
	AUTO(manifest_release) json_t *manifest = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
	char hex[DIGEST_MAX * 2 + 1];

	if (!manifest)
		return error_set(err, ERROR_INTERNAL, "the second build has left no manifest");
	if (!manifest_same_plan(manifest, again->build->solved.plan))
		return error_set(err, ERROR_STALE,
				 "the repositories of %s changed between the two builds",
				 again->build->template->text);
	if (strcmp(manifest_gzip(manifest), digest_hex(&again->build->image.gzip, hex)) == 0)
		return 0;
	return differ(again, ret, err);
}

int cache_build_again(struct cache_build *build, json_t **ret, struct error *err)
{
	AUTO(again_release)
	struct again again = {
		.build = build,
		.dir = -1,
		.trees = { -1, -1 },
		.rows = json_array(),
		.text = STRBUF_INIT,
	};

	if (lay_out(&again, err) < 0)
		return -1;
	report_phase(build->app->report, "building once more", REPORT_ITEMS, 0, 40);
	if (build_again(&again, err) < 0)
		return -1;
	report_phase_end(build->app->report);
	if (compare(&again, ret, err) < 0)
		return -1;
	report_info(build->app->report, "two builds of %s, under other conditions, are the same",
		    build->template->text);
	return 0;
}
