#include "vzpkg/fleet/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/strvec.h"

enum { SCHEMA = 1, SIZE_LIMIT = 256 << 20 };

static const char suffix[] = ".jsonl";

struct entry {
	unsigned ctid;
	enum journal_state state;
	unsigned plan; /* 0: none */
	bool manager; /* its package manager has begun, and not ended */
};

struct journal {
	int dir; /* TEMPLATE/fleet */
	int fd;
	char *name; /* RUN.jsonl */
	struct lock lock;
	json_t *request;
	struct entry *entries;
	size_t count;
	json_t *plans; /* an array: the first is number 1 */
};

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->dir >= 0) {
		autofree char *lock = xasprintf("%s.lck", journal->name);
		lock_remove(&journal->lock, journal->dir, lock);
		close(journal->dir);
	}
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal->name);
	free(journal->entries);
	json_decref(journal->request);
	json_decref(journal->plans);
	free(journal);
}

void journal_freep(struct journal **journal)
{
	journal_free(*journal);
	*journal = NULL;
}

static struct journal *journal_new(const char *name)
{
	struct journal *journal = xcalloc(1, sizeof(*journal));
	journal->dir = journal->fd = -1;
	journal->lock = LOCK_INIT;
	journal->name = xstrdup(name);
	journal->plans = json_array();
	return journal;
}

static bool lock_it(struct journal *journal)
{
	autofree char *lock = xasprintf("%s.lck", journal->name);
	return lock_try(&journal->lock, journal->dir, lock, LOCK_EXCLUSIVE);
}

static int folder(const char *template_dir, bool create, struct error *err)
{
	autofree char *path = xasprintf("%s/fleet", template_dir);
	return dir_open(AT_FDCWD, path, create, 0700, err);
}

static struct entry *find(const struct journal *journal, unsigned ctid)
{
	for (size_t i = 0; i < journal->count; i++)
		if (journal->entries[i].ctid == ctid)
			return &journal->entries[i];
	return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static int write_line(struct journal *journal, const json_t *line, struct error *err)
{
	autofree char *text = json_dumps(line, JSON_COMPACT);
	autofree char *whole = text ? xasprintf("%s\n", text) : NULL;

	if (!whole)
		return error_set(err, ERROR_INTERNAL, "a result cannot be written as JSON");
	if (write_all(journal->fd, whole, strlen(whole), journal->name, err) < 0)
		return -1;
	if (fdatasync(journal->fd) < 0)
		return error_errno(err, errno, "writing %s", journal->name);
	return 0;
}

static int note(struct journal *journal, json_t *line, struct error *err)
{
	int ret = write_line(journal, line, err);
	json_decref(line);
	return ret < 0 ? error_wrap(err, "the journal of this run") : 0;
}

static json_t *head(const struct journal *journal)
{
	json_t *ves = json_array();
	for (size_t i = 0; i < journal->count; i++)
		json_array_append_new(ves, json_integer(journal->entries[i].ctid));
	return json_pack("{s:i s:O s:o}", "schema", SCHEMA, "request", journal->request, "ves",
			 ves);
}

/* Sorted by name they are sorted by age. */
static char *new_name(void)
{
	struct timespec now;
	struct tm tm;
	char day[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y%m%d-%H%M%S", &tm);
	return xasprintf("%s.%06ld-%d%s", day, now.tv_nsec / 1000, (int)getpid(), suffix);
}

static int create(struct journal *journal, const char *template_dir, struct error *err)
{
	journal->dir = folder(template_dir, true, err);
	if (journal->dir < 0)
		return -1;
	if (!lock_it(journal))
		return error_set(err, ERROR_LOCKED, "the journal %s is somebody else's",
				 journal->name);
	journal->fd = openat(journal->dir, journal->name,
			     O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (journal->fd < 0)
		return error_errno(err, errno, "creating %s/fleet/%s", template_dir, journal->name);
	if (note(journal, head(journal), err) < 0)
		return -1;
	return fsync(journal->dir) < 0 ? error_errno(err, errno, "writing %s/fleet", template_dir)
				       : 0;
}

int journal_begin(const char *template_dir, json_t *request, const unsigned *ctids, size_t count,
		  struct journal **ret, struct error *err)
{
	autofree char *name = new_name();
	AUTO(journal_freep) struct journal *journal = journal_new(name);

	journal->request = request;
	journal->entries = xcalloc(count + 1, sizeof(*journal->entries));
	journal->count = count;
	for (size_t i = 0; i < count; i++)
		journal->entries[i].ctid = ctids[i];
	if (create(journal, template_dir, err) < 0)
		return -1;
	*ret = steal_ptr(journal);
	return 0;
}

int journal_note_plan(struct journal *journal, json_t *plan, unsigned *id, struct error *err)
{
	json_array_append(journal->plans, plan);
	*id = (unsigned)json_array_size(journal->plans);
	json_object_set_new(plan, "plan", json_integer(*id));
	return note(journal, plan, err);
}

static void begin_entry(struct entry *entry, unsigned plan)
{
	*entry = (struct entry){ .ctid = entry->ctid, .state = JOURNAL_BEGUN, .plan = plan };
}

int journal_note_begun(struct journal *journal, unsigned ctid, unsigned plan, struct error *err)
{
	struct entry *entry = find(journal, ctid);
	if (entry)
		begin_entry(entry, plan);
	return note(journal,
		    json_pack("{s:I s:I}", "ve", (json_int_t)ctid, "plan", (json_int_t)plan), err);
}

int journal_note_manager(struct journal *journal, unsigned ctid, bool ended, struct error *err)
{
	struct entry *entry = find(journal, ctid);
	if (entry)
		entry->manager = !ended;
	return note(journal,
		    json_pack("{s:I s:s}", "ve", (json_int_t)ctid, "manager",
			      ended ? "ended" : "begun"),
		    err);
}

static enum journal_state state_of(const json_t *result)
{
	if (json_is_true(json_object_get(result, "half_done")))
		return JOURNAL_BEGUN;
	return json_object_get(result, "error") ? JOURNAL_FAILED : JOURNAL_DONE;
}

int journal_note_ended(struct journal *journal, unsigned ctid, const json_t *result,
		       struct error *err)
{
	struct entry *entry = find(journal, ctid);
	if (entry)
		entry->state = state_of(result);
	return note(journal, json_pack("{s:I s:O}", "ve", (json_int_t)ctid, "result", result), err);
}

bool journal_close(struct journal *journal)
{
	bool stays = false;

	for (size_t i = 0; i < journal->count; i++)
		stays |= journal->entries[i].state <= JOURNAL_BEGUN;
	if (!stays)
		unlinkat(journal->dir, journal->name, 0);
	journal_free(journal);
	return stays;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static int read_head(struct journal *journal, const json_t *line, struct error *err)
{
	const json_t *ves = json_object_get(line, "ves");
	json_t *request = json_object_get(line, "request");

	if (json_integer_value(json_object_get(line, "schema")) != SCHEMA || !json_is_array(ves) ||
	    !json_is_object(request)) {
		error_set(err, ERROR_PARSE, "%s is no journal that this version can read",
			  journal->name);
		return error_hint(err, "the vzpkg that wrote it can; or remove it");
	}
	journal->request = json_incref(request);
	journal->count = json_array_size(ves);
	journal->entries = xcalloc(journal->count + 1, sizeof(*journal->entries));
	for (size_t i = 0; i < journal->count; i++)
		journal->entries[i].ctid = (unsigned)json_integer_value(json_array_get(ves, i));
	return 0;
}

static unsigned number(const json_t *line, const char *key)
{
	return (unsigned)json_integer_value(json_object_get(line, key));
}

/* A line that was cut off, or of another version, says nothing. */
static void read_note(struct journal *journal, json_t *line)
{
	struct entry *entry = find(journal, number(line, "ve"));
	const json_t *result = json_object_get(line, "result");
	const char *manager = json_string_value(json_object_get(line, "manager"));

	if (!entry && json_object_get(line, "packages"))
		json_array_append(journal->plans, line);
	else if (entry && result)
		entry->state = state_of(result);
	else if (entry && manager)
		entry->manager = strcmp(manager, "begun") == 0;
	else if (entry)
		begin_entry(entry, number(line, "plan"));
}

/* *torn: the last line is not whole. */
static int read_lines(struct journal *journal, char *text, bool *torn, struct error *err)
{
	char *end;

	for (bool first = true; (end = strchr(text, '\n')); first = false, text = end + 1) {
		json_t *line = json_loadb(text, (size_t)(end - text), 0, NULL);
		int ret = 0;
		if (first)
			ret = read_head(journal, line, err);
		else
			read_note(journal, line);
		json_decref(line);
		if (ret < 0)
			return -1;
	}
	*torn = *text != '\0';
	return 0;
}

static int read_it(struct journal *journal, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	bool torn;

	journal->fd =
		openat(journal->dir, journal->name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	if (journal->fd < 0)
		return error_errno(err, errno, "opening %s", journal->name);
	if (file_read_fd(journal->fd, journal->name, SIZE_LIMIT, &text, err) < 0)
		return -1;
	if (!strchr(text.text, '\n')) {
		/* Killed before it had said what it was about to do: it has done nothing. */
		unlinkat(journal->dir, journal->name, 0);
		return 0;
	}
	if (read_lines(journal, text.text, &torn, err) < 0)
		return -1;
	/* So that what follows is on a line of its own; the torn one is passed over. */
	return torn ? write_all(journal->fd, "\n", 1, journal->name, err) : 0;
}

static int names(int dir, struct strvec *ret, struct error *err)
{
	int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	autoclosedir DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;

	if (!stream)
		return error_errno(err, errno, "listing the journals");
	while ((entry = readdir(stream))) {
		size_t length = strlen(entry->d_name), end = sizeof(suffix) - 1;
		if (length > end && strcmp(entry->d_name + length - end, suffix) == 0)
			strvec_push(ret, entry->d_name);
	}
	strvec_sort(ret);
	return 0;
}

/* NULL without an error: somebody is at work on it, or there is nothing in it. */
static struct journal *open_one(int dir, const char *name, struct error *err)
{
	AUTO(journal_freep) struct journal *journal = journal_new(name);

	journal->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (journal->dir < 0) {
		error_errno(err, errno, "opening the journals");
		return NULL;
	}
	if (!lock_it(journal)) {
		close(journal->dir);
		journal->dir = -1; /* its lock is not ours to remove */
		return NULL;
	}
	return read_it(journal, err) < 0 || !journal->request ? NULL : steal_ptr(journal);
}

int journal_take_up(const char *template_dir, struct journal **ret, size_t *others,
		    struct error *err)
{
	AUTO(strvec_release) struct strvec found = STRVEC_INIT;
	AUTO(error_clear) struct error why = ERROR_INIT;
	autoclose int dir = folder(template_dir, false, NULL);

	*ret = NULL;
	*others = 0;
	if (dir < 0)
		return 0;
	if (names(dir, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < found.count; i++) {
		AUTO(journal_freep) struct journal *journal = open_one(dir, found.items[i], &why);
		if (!journal && why.kind != ERROR_NONE) {
			error_move(err, &why);
			return -1;
		}
		if (journal && *ret)
			++*others;
		else if (journal)
			*ret = steal_ptr(journal);
	}
	return 0;
}

const json_t *journal_request(const struct journal *journal)
{
	return journal->request;
}

size_t journal_count(const struct journal *journal)
{
	return journal->count;
}

unsigned journal_ve(const struct journal *journal, size_t index)
{
	return journal->entries[index].ctid;
}

enum journal_state journal_state(const struct journal *journal, unsigned ctid)
{
	const struct entry *entry = find(journal, ctid);
	return entry ? entry->state : JOURNAL_WAITING;
}

const json_t *journal_cut_off(const struct journal *journal, unsigned ctid)
{
	const struct entry *entry = find(journal, ctid);

	if (!entry || !entry->manager || entry->state != JOURNAL_BEGUN || !entry->plan)
		return NULL;
	return json_array_get(journal->plans, entry->plan - 1);
}
