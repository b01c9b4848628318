#include "vzpkg/install/rpm_transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmdb.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <rpm/rpmps.h>
#include <rpm/rpmts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "vzpkg/fetch/rpm_library.h"
#include "vzpkg/install/rpm_database.h"
#include "vzpkg/install/rpm_placeholder.h"

/* What the VE mounts itself: packages own these folders, and what is in them is not for the tree. */
#define MOUNTED "/proc:/sys:/dev"

enum { COLOR_32 = 1, COLOR_64 = 2 }; /* rpm's names for word sizes */
enum { TIME_LIMIT_S = 1800, OUTPUT_KEPT = 4096, PROBLEMS_SHOWN = 12 };

/*
 * What comes out of the VE: what scripts print, and between it lines of ours that begin with a byte which texts do not have. A script that
 * writes such lines changes what is shown, and nothing else.
 */
enum { MARK = 1 };
enum event {
	EVENT_ELEMENT = 'e', /* "DONE NAME": so many packages are installed, this one is next */
	EVENT_SCRIPT = 's', /* "NAME TAG": what follows is printed by this script of it */
	EVENT_SCRIPT_END = 't',
	EVENT_WARNING = 'w', /* TEXT */
	EVENT_FAILED_SCRIPT = 'f', /* WHY: it failed, and the package is installed all the same */
	EVENT_NODE = 'n', /* PATH: a device node that was left out */
	EVENT_DATABASE = 'd', /* 0 or 1, PATH */
};

struct transaction {
	struct session *session;
	const struct rpm_options *options;
	struct rpm_outcome *outcome;
	int *files; /* of each package of the plan */
	const char *rpm_version; /* of the guest's; NULL: it has none */

	/* In the VE. */
	int channel;
	rpmts ts;
	/* Digests that all packages have stronger ones for. Then those of single files are redundant too: the payload's is
	 * verified before the first file is unpacked. */
	rpmVSFlags redundant;
	struct strbuf said; /* by librpm: warnings and errors */
	size_t said_before; /* the script in progress */
	struct strbuf shared; /* paths that librpm leaves alone, ":" between them */
	char *failed; /* the package whose script or files failed it */

	/* In the parent. */
	struct strbuf pending; /* the beginning of a line */
	struct strbuf output; /* the end of what the script in progress has printed */
	char *script_of, *script; /* the last one's package and tag */
	bool script_runs;
};

/* ---- in the VE: events --------------------------------------------------------------------------------- */

static void send(const struct transaction *transaction, enum event event, const char *text)
{
	autofree char *line = xasprintf("%c%c%s\n", MARK, event, text);
	write_all(transaction->channel, line, strlen(line), "a pipe", NULL);
}

static const char *name_of(const void *header)
{
	return header ? headerGetString((Header)header, RPMTAG_NAME) ?: "?" : "?";
}

static FD_t open_package(struct transaction *transaction, fnpyKey key)
{
	int fd = transaction->files[(size_t)key - 1];
	lseek(fd, 0, SEEK_SET);
	return fdDup(fd);
}

static const char *script_name(rpm_loff_t tag)
{
	const char *name = rpmTagGetName((rpmTagVal)tag);
	return name && *name != '(' ? name : "trigger";
}

/* What librpm has said of the script: "%post(NAME) scriptlet failed, exit status 1", or its own words if it is in Lua. */
static char *why_failed(const struct transaction *transaction)
{
	static const char known[] = " scriptlet failed, ";
	const char *text = transaction->said.text + transaction->said_before;
	const char *status = strstr(text, known);

	if (status)
		text = status + strlen(known);
	return xstrndup(text, strcspn(text, "\n"));
}

/* `total` says whether the package is lost by it. */
static void script_failed(struct transaction *transaction, const void *header, rpm_loff_t tag,
			  rpm_loff_t total)
{
	if (total == RPMRC_OK) {
		autofree char *why = why_failed(transaction);
		send(transaction, EVENT_FAILED_SCRIPT, why);
		strbuf_truncate(&transaction->said, transaction->said_before);
	} else if (!transaction->failed) {
		transaction->failed =
			xasprintf("%s: its script %s failed", name_of(header), script_name(tag));
	}
}

static void script_begins(struct transaction *transaction, const void *header, rpm_loff_t tag)
{
	autofree char *text = xasprintf("%s %s", name_of(header), script_name(tag));

	transaction->said_before = transaction->said.length;
	send(transaction, EVENT_SCRIPT, text);
}

static void *notify(const void *header, const rpmCallbackType what, const rpm_loff_t amount,
		    const rpm_loff_t total, fnpyKey key, rpmCallbackData data)
{
	static FD_t open;
	struct transaction *transaction = data;

	switch (what) {
	case RPMCALLBACK_INST_OPEN_FILE:
		open = open_package(transaction, key);
		return open;
	case RPMCALLBACK_INST_CLOSE_FILE:
		if (open)
			Fclose(open);
		open = NULL;
		break;
	case RPMCALLBACK_ELEM_PROGRESS: {
		autofree char *text =
			xasprintf("%llu %s", (unsigned long long)amount, name_of(header));
		send(transaction, EVENT_ELEMENT, text);
		break;
	}
	case RPMCALLBACK_SCRIPT_START:
		script_begins(transaction, header, amount);
		break;
	case RPMCALLBACK_SCRIPT_STOP:
		send(transaction, EVENT_SCRIPT_END, "");
		break;
	case RPMCALLBACK_SCRIPT_ERROR:
		script_failed(transaction, header, amount, total);
		break;
	case RPMCALLBACK_UNPACK_ERROR:
	case RPMCALLBACK_CPIO_ERROR:
		if (!transaction->failed)
			transaction->failed =
				xasprintf("%s: it cannot be unpacked", name_of(header));
		break;
	default:
		break;
	}
	return NULL;
}

/* ---- in the VE: before ------------------------------------------------------------------------------------ */

static void set_environment(const struct transaction *transaction)
{
	const struct strvec *env = &transaction->session->env;

	clearenv();
	for (size_t i = 0; i < env->count; i++)
		putenv(env->items[i]);
}

static void set_macros(const struct transaction *transaction)
{
	const struct rpm_options *options = transaction->options;

	rpmPushMacro(NULL, "_dbpath", NULL, RPM_DATABASE_OURS, RMIL_CMDLINE);
	rpmPushMacro(NULL, "_db_backend", NULL, "sqlite", RMIL_CMDLINE);
	rpmPushMacro(NULL, "_netsharedpath", NULL, transaction->shared.text, RMIL_CMDLINE);
	if (options->langs)
		rpmPushMacro(NULL, "_install_langs", NULL, options->langs, RMIL_CMDLINE);
}

static int problems(struct transaction *transaction, const char *what, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	rpmps set = rpmtsProblems(transaction->ts);
	rpmpsi iterator = rpmpsInitIterator(set);
	enum error_kind kind = ERROR_INSTALL;
	rpmProblem problem;
	unsigned count = 0;

	while ((problem = rpmpsiNext(iterator))) {
		autofree char *line = rpmProblemString(problem);
		rpmProblemType type = rpmProblemGetType(problem);
		if (type == RPMPROB_DISKSPACE || type == RPMPROB_DISKNODES)
			kind = ERROR_NO_SPACE;
		if (count++ < PROBLEMS_SHOWN)
			strbuf_addf(&text, "\n    %s", line);
	}
	rpmpsFreeIterator(iterator);
	rpmpsFree(set);
	if (!count)
		return 0;
	error_set(err, kind, "%s: %u problem%s:%s%s", what, count, count == 1 ? "" : "s", text.text,
		  count > PROBLEMS_SHOWN ? "\n    …" : "");
	return error_hint(err, kind == ERROR_NO_SPACE
				       ? HINT_DISK_FULL
				       : "leave one of the packages out of the list, or tell the "
					 "owner of the repository");
}

/* A node cannot be made in a VE, and the template would not keep it: librpm leaves it alone, and its database says so. */
static void leave_nodes_out(struct transaction *transaction, Header header)
{
	rpmfiles files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES, RPMFI_FLAGS_QUERY);
	int count = (int)rpmfilesFC(files);

	for (int i = 0; i < count; i++) {
		rpm_mode_t mode = rpmfilesFMode(files, i);
		if ((!S_ISCHR(mode) && !S_ISBLK(mode)) || rpmfilesFFlags(files, i) & RPMFILE_GHOST)
			continue;
		autofree char *path = rpmfilesFN(files, i);
		if (strncmp(path, "/dev/", 5) == 0 || strchr(path, ':'))
			continue;
		strbuf_addf(&transaction->shared, ":%s", path);
		send(transaction, EVENT_NODE, path);
	}
	rpmfilesFree(files);
}

static Header read_header(struct transaction *transaction, rpmts ts, size_t index)
{
	Header header = NULL;
	FD_t file = open_package(transaction, (fnpyKey)(index + 1));

	rpmRC status = rpmReadPackageFile(
		ts, file, transaction->session->job->plan->packages[index].name, &header);
	Fclose(file);
	if (status == RPMRC_OK || status == RPMRC_NOKEY || status == RPMRC_NOTTRUSTED)
		return header;
	return headerFree(header);
}

static int unreadable(const struct transaction *transaction, size_t index, struct error *err)
{
	const struct plan_package *package = &transaction->session->job->plan->packages[index];
	error_set(err, ERROR_TRUST, "%s %s: its header cannot be read: %s", package->name,
		  package->version, transaction->said.text);
	return error_subject(err, "%s", package->name);
}

static int look_at_packages(struct transaction *transaction, struct error *err)
{
	rpmts ts = rpmtsCreate();
	int ret = 0;

	rpmtsSetVSFlags(ts, RPMVSF_MASK_NODIGESTS | RPMVSF_MASK_NOSIGNATURES);
	strbuf_adds(&transaction->shared, MOUNTED);
	transaction->redundant = RPMVSF_NOMD5;
	for (size_t i = 0; ret == 0 && i < transaction->session->job->plan->count; i++) {
		Header header = read_header(transaction, ts, i);
		if (header) {
			leave_nodes_out(transaction, header);
			transaction->redundant &= package_redundant_digests(header);
		} else {
			ret = unreadable(transaction, i, err);
		}
		headerFree(header);
	}
	rpmtsFree(ts);
	return ret;
}

/* Whether packages need a signature, is decided for each of them when it enters the store: what has one must have a good one. */
static rpmts make_ts(struct transaction *transaction)
{
	const struct install_job *job = transaction->session->job;
	bool all_signed = true;
	rpmts ts = rpmtsCreate();

	for (size_t i = 0; i < job->plan->count; i++)
		all_signed &=
			job->plan->repositories[job->plan->packages[i].repository].packages_signed;
	rpmtsSetRootDir(ts, "/");
	rpmtsSetKeyring(ts, package_keys_ring(job->keys));
	rpmtsSetVSFlags(ts, 0);
	rpmtsSetVfyFlags(ts, transaction->redundant);
	rpmtsSetVfyLevel(ts, RPMSIG_DIGEST_TYPE | (all_signed ? RPMSIG_SIGNATURE_TYPE : 0));
	rpmtsSetFlags(ts, RPMTRANS_FLAG_NOPLUGINS |
				  (transaction->options->no_docs ? RPMTRANS_FLAG_NODOCS : 0) |
				  (transaction->redundant ? RPMTRANS_FLAG_NOFILEDIGEST : 0));
	/* Where a package of 32 and one of 64 bits have the same program, the latter's is kept. */
	rpmtsSetColor(ts, COLOR_32 | COLOR_64);
	rpmtsSetPrefColor(ts, COLOR_64);
	rpmtsSetNotifyCallback(ts, notify, transaction);
	rpmtsSetNotifyStyle(ts, 0);
	rpmtsSetScriptFd(ts, fdDup(transaction->channel));
	return ts;
}

static int add_packages(struct transaction *transaction, struct error *err)
{
	const struct plan *plan = transaction->session->job->plan;

	for (size_t i = 0; i < plan->count; i++) {
		Header header = read_header(transaction, transaction->ts, i);
		if (!header)
			return unreadable(transaction, i, err);
		int status =
			rpmtsAddInstallElement(transaction->ts, header, (fnpyKey)(i + 1), 1, NULL);
		headerFree(header);
		if (status != 0)
			return error_set(err, ERROR_INSTALL,
					 "%s %s cannot be added to the transaction",
					 plan->packages[i].name, plan->packages[i].version);
	}
	return 0;
}

/* ---- in the VE: after ------------------------------------------------------------------------------------- */

static int finish_fifos(rpmts ts, struct error *err)
{
	rpmdbMatchIterator headers = rpmtsInitIterator(ts, RPMDBI_PACKAGES, NULL, 0);
	Header header;
	int ret = 0;

	while (ret == 0 && (header = rpmdbNextIterator(headers))) {
		rpmfiles files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES, RPMFI_FLAGS_QUERY);
		int count = (int)rpmfilesFC(files);
		for (int i = 0; ret == 0 && i < count; i++) {
			if (!S_ISFIFO(rpmfilesFMode(files, i)) ||
			    rpmfilesFFlags(files, i) & RPMFILE_GHOST)
				continue;
			autofree char *path = rpmfilesFN(files, i);
			ret = rpm_placeholder_to_fifo(path, err);
		}
		rpmfilesFree(files);
	}
	rpmdbFreeIterator(headers);
	return ret;
}

/* The guest's own yum shall trust what we trust. librpm would not import what is in its keyring already. */
static int import_key(const uint8_t *packet, size_t size, void *data)
{
	rpmtsImportPubkey(data, packet, size);
	return 0;
}

static void import_keys(const struct transaction *transaction)
{
	rpmKeyring none = rpmKeyringNew();

	rpmtsSetKeyring(transaction->ts, none);
	rpmKeyringFree(none);
	package_keys_each(transaction->session->job->keys, import_key, transaction->ts);
}

static int choose_database(const struct transaction *transaction, struct rpm_database *ret,
			   struct error *err)
{
	const struct rpm_options *options = transaction->options;

	rpm_database_detect(transaction->rpm_version, ret);
	if (options->database_format &&
	    !rpm_database_format_parse(options->database_format, &ret->format)) {
		error_set(err, ERROR_BAD_TEMPLATE, "RPM_DB_FORMAT is \"%s\"",
			  options->database_format);
		return error_hint(err,
				  "in the template's environment, write sqlite, bdb, bdb8 or ndb");
	}
	if (options->database_path)
		snprintf(ret->path, sizeof(ret->path), "%s", options->database_path);
	return 0;
}

/* Scripts may have done anything to its folder. */
static int hand_over(const struct transaction *transaction, struct error *err)
{
	struct rpm_database database;

	if (choose_database(transaction, &database, err) < 0)
		return -1;
	if (rpm_database_hand_over(transaction->ts, &database, err) < 0) {
		if (err && err->kind == ERROR_SYSTEM)
			err->kind = ERROR_INSTALL;
		return error_wrap(err, "handing the database over to the guest's rpm");
	}
	autofree char *text =
		xasprintf("%d %s", database.format == RPM_DATABASE_NDB, database.path);
	send(transaction, EVENT_DATABASE, text);
	return 0;
}

/* ---- in the VE: the whole --------------------------------------------------------------------------------- */

static int transaction_failed(const struct transaction *transaction, struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *line = transaction->said.text;

	for (unsigned lines = 0; *line && lines < PROBLEMS_SHOWN; lines++) {
		size_t length = strcspn(line, "\n");
		strbuf_addf(&text, "\n    %.*s", (int)length, line);
		line += length + (line[length] == '\n');
	}
	error_set(err, ERROR_INSTALL, "%s%s", transaction->failed ?: "the transaction failed",
		  text.text);
	if (transaction->failed)
		error_subject(err, "%.*s", (int)strcspn(transaction->failed, ":"),
			      transaction->failed);
	return -1;
}

static int run_transaction(struct transaction *transaction, struct error *err)
{
	rpmts ts = transaction->ts;

	if (rpmtsOpenDB(ts, O_RDWR | O_CREAT) != 0)
		return error_set(err, ERROR_INSTALL, "librpm cannot create its database: %s",
				 transaction->said.text);
	if (add_packages(transaction, err) < 0)
		return -1;
	rpmtsCheck(ts);
	if (problems(transaction, "checking the packages", err) < 0)
		return -1;
	rpmtsOrder(ts);
	rpmtsClean(ts);
	int status = rpmtsRun(ts, NULL, RPMPROB_FILTER_NONE);
	if (status > 0 && problems(transaction, "installing", err) < 0)
		return -1;
	return status != 0 ? transaction_failed(transaction, err) : 0;
}

/* Of a package that needs no signature; the others were refused when they entered the store. */
static bool is_about_a_key(const char *line)
{
	static const char end[] = ": NOKEY";
	size_t length = strlen(line);
	return length >= strlen(end) && strcmp(line + length - strlen(end), end) == 0;
}

/* What librpm warned of, each once. */
static void send_warnings(const struct transaction *transaction)
{
	AUTO(strvec_release) struct strvec sent = STRVEC_INIT;

	for (const char *line = transaction->said.text; *line;) {
		size_t length = strcspn(line, "\n");
		autofree char *text = xstrndup(line, length);
		line += length + (line[length] == '\n');
		if (!*text || is_about_a_key(text) || strvec_contains(&sent, text))
			continue;
		send(transaction, EVENT_WARNING, text);
		strvec_push(&sent, text);
	}
}

/* rpm writes its scripts there. */
static int make_folders(struct error *err)
{
	static const char *const folders[] = { "/var", "/var/tmp", RPM_DATABASE_OURS };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i], 0755) < 0 && errno != EEXIST)
			return error_errno(err, errno, "creating %s", folders[i]);
	return 0;
}

static int inside(void *data, int channel, struct error *err)
{
	struct transaction *transaction = data;

	transaction->channel = channel;
	rpm_library_listen(&transaction->said, RPMLOG_WARNING);
	set_environment(transaction);
	rpm_placeholders_begin();
	if (make_folders(err) < 0 || look_at_packages(transaction, err) < 0)
		return -1;
	set_macros(transaction);
	transaction->ts = make_ts(transaction);
	if (run_transaction(transaction, err) < 0 || finish_fifos(transaction->ts, err) < 0)
		return -1;
	send_warnings(transaction);
	import_keys(transaction);
	return hand_over(transaction, err);
}

/* ---- in the parent ------------------------------------------------------------------------------------------ */

static void take_database(struct transaction *transaction, const char *text)
{
	struct rpm_outcome *outcome = transaction->outcome;

	outcome->database = *text == '1' ? GUEST_DATABASE_HEADERS : GUEST_DATABASE_DONE;
	free(outcome->database_path);
	outcome->database_path = xstrdup(strlen(text) > 2 ? text + 2 : "");
}

static void take_script(struct transaction *transaction, const char *text)
{
	const char *blank = strrchr(text, ' ') ?: "";

	free(transaction->script_of);
	free(transaction->script);
	transaction->script_of = xstrndup(text, strlen(text) - strlen(blank));
	transaction->script = xstrdup(*blank ? blank + 1 : "?");
	transaction->script_runs = true;
	strbuf_truncate(&transaction->output, 0);
}

static void take_failed_script(struct transaction *transaction, const char *why)
{
	transaction->outcome->scripts_failed++;
	report_warning(transaction->session->job->report, transaction->script_of,
		       "its script %s failed: %s%s%s", transaction->script ?: "?", why,
		       transaction->output.length ? "; it printed:" : "", transaction->output.text);
}

static void take_event(struct transaction *transaction, enum event event, const char *text)
{
	struct report *report = transaction->session->job->report;

	switch (event) {
	case EVENT_ELEMENT:
		report_progress(report, strtoull(text, NULL, 10), strchr(text, ' ') ?: "");
		break;
	case EVENT_SCRIPT:
		take_script(transaction, text);
		break;
	case EVENT_SCRIPT_END:
		transaction->script_runs = false;
		break;
	case EVENT_FAILED_SCRIPT:
		take_failed_script(transaction, text);
		break;
	case EVENT_WARNING:
		report_warning(report, NULL, "%s", text);
		break;
	case EVENT_NODE:
		report_warning(report, text,
			       "this device node was left out: a VE has its own in /dev");
		break;
	case EVENT_DATABASE:
		take_database(transaction, text);
		break;
	}
}

static void take_line(struct transaction *transaction, const char *line)
{
	if (line[0] == MARK && line[1]) {
		take_event(transaction, (enum event)line[1], line + 2);
		return;
	}
	report_detail(transaction->session->job->report, "%s: %s", transaction->script_of ?: "rpm",
		      line);
	if (transaction->output.length < OUTPUT_KEPT)
		strbuf_addf(&transaction->output, "\n    %.200s", line);
}

static void receive(const void *bytes, size_t size, void *data)
{
	struct transaction *transaction = data;
	struct strbuf *pending = &transaction->pending;
	const char *from = bytes, *end = from + size;

	while (from < end) {
		const char *newline = memchr(from, '\n', (size_t)(end - from));
		strbuf_add(pending, from, (size_t)((newline ?: end) - from));
		if (!newline && pending->length < OUTPUT_KEPT)
			return;
		take_line(transaction, pending->text);
		strbuf_truncate(pending, 0);
		if (!newline)
			return;
		from = newline + 1;
	}
}

/* All are open at once, and a plan may have hundreds. */
static int raise_limit(size_t count, struct error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_errno(err, errno, "asking how many files may be open");
	if (limit.rlim_cur >= count + 256)
		return 0;
	limit.rlim_cur = count + 256;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_errno(err, errno, "allowing %zu open files", count + 256);
	return 0;
}

static int open_packages(struct transaction *transaction, struct error *err)
{
	const struct install_job *job = transaction->session->job;

	if (raise_limit(job->plan->count, err) < 0)
		return -1;
	for (size_t i = 0; i < job->plan->count; i++) {
		const struct plan_package *package = &job->plan->packages[i];
		transaction->files[i] = store_package_reopen(job->store, package, err);
		if (transaction->files[i] < 0)
			return -1;
		if (strcmp(package->name, "rpm") == 0)
			transaction->rpm_version = package->version;
	}
	return 0;
}

static void transaction_release(struct transaction *transaction)
{
	for (size_t i = 0; i < transaction->session->job->plan->count; i++)
		if (transaction->files[i] >= 0)
			close(transaction->files[i]);
	free(transaction->files);
	free(transaction->script_of);
	free(transaction->script);
	strbuf_release(&transaction->pending);
	strbuf_release(&transaction->output);
	strbuf_release(&transaction->said);
	strbuf_release(&transaction->shared);
}

/* librpm itself was killed, or had to be: by the script that ran then, if one did. */
static void say_who_ran(const struct transaction *transaction, struct error *err)
{
	if (err->kind == ERROR_CHILD)
		err->kind = ERROR_INSTALL;
	if (!transaction->script_runs) {
		error_wrap(err, "installing the packages");
		return;
	}
	error_wrap(err, "%s: its script %s was running", transaction->script_of,
		   transaction->script);
	error_subject(err, "%s", transaction->script_of);
}

/* The end of what the script printed is known here, and whether the disk is full. */
static int explain(const struct transaction *transaction, struct error *err)
{
	if (!err)
		return -1;
	if (err->kind == ERROR_CHILD || err->kind == ERROR_TIME_LIMIT)
		say_who_ran(transaction, err);
	else if (err->kind != ERROR_INSTALL)
		return -1;
	if (transaction->output.length) {
		autofree char *message = steal_ptr(err->message);
		err->message =
			xasprintf("%s\n  %s printed:%s", message,
				  transaction->script_of ?: "a script", transaction->output.text);
	}
	if (err->kind == ERROR_INSTALL && space_used_up(transaction->session->job->tree)) {
		err->kind = ERROR_NO_SPACE;
		return error_hint(err, HINT_DISK_FULL);
	}
	return error_hint(err, "--verbose shows all that the packages' scripts printed");
}

void rpm_outcome_release(struct rpm_outcome *outcome)
{
	free(outcome->database_path);
	*outcome = (struct rpm_outcome){ 0 };
}

int rpm_transaction_run(struct session *session, const struct rpm_options *options,
			struct rpm_outcome *ret, struct error *err)
{
	size_t count = session->job->plan->count;
	AUTO(transaction_release)
	struct transaction transaction = {
		.session = session,
		.options = options,
		.outcome = ret,
		.files = xcalloc(count + 1, sizeof(int)),
		.pending = STRBUF_INIT,
		.output = STRBUF_INIT,
		.said = STRBUF_INIT,
		.shared = STRBUF_INIT,
	};
	for (size_t i = 0; i < count; i++)
		transaction.files[i] = -1;
	if (rpm_library_open(err) < 0 || open_packages(&transaction, err) < 0)
		return -1;
	if (ve_call(session->ve, inside, &transaction, transaction.files, count, receive,
		    session->job->time_limit_s ?: TIME_LIMIT_S, err) < 0)
		return explain(&transaction, err);
	report_progress(session->job->report, count, NULL); /* librpm tells when one begins */
	return 0;
}
