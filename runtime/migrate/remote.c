#include "runtime/migrate/remote.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/strvec.h"
#include "base/text.h"

#define ENV "/usr/bin/env"

/* A host that is gone is noticed within a minute. */
#define SSH "ssh -o ServerAliveInterval=15 -o ServerAliveCountMax=4"

/* The line with the answer begins so: a login there may print whatever it likes before. */
#define ANSWER "vzmigrate-answer: "

enum { ANSWER_MAX = 4 << 20 };

static char *last_line(const struct strbuf *text)
{
	size_t length = text->length;
	while (length && strchr("\r\n", text->text[length - 1]))
		length--;
	autofree char *all = xstrndup(text->text, length);
	const char *line = strrchr(all, '\n');
	return text_clean(line ? line + 1 : all);
}

/* env(1) finds the program; if it does not, it says so in its own name, and not the other host's shell in its. */
static int run(const struct child_run *child, const char *name, const char *package,
	       struct strbuf *output, struct strbuf *errors, int *status, struct error *err)
{
	if (child_run(child, output, errors, status, err) < 0)
		return -1;
	if (*status != 127 || strncmp(errors->text, ENV ":", strlen(ENV ":")))
		return 0;
	error_set(err, ERROR_EXEC, "%s cannot be started", name);
	return error_hint(err, "install the package %s", package);
}

/* ---- our program there ------------------------------------------------------------------------------------ */

/* sh(1): between single quotes everything is itself but the quote. */
static void add_quoted(struct strbuf *text, const char *word)
{
	strbuf_adds(text, " '");
	for (const char *c = word; *c; c++)
		strbuf_adds(text, *c == '\'' ? "'\\''" : (const char[]){ *c, 0 });
	strbuf_addc(text, '\'');
}

static void take_input(void *data)
{
	const int *input = data;
	if (dup2(*input, STDIN_FILENO) < 0)
		_exit(126);
}

static int put_input(json_t *request, struct error *err)
{
	autofree char *text = json_dumps(request, JSON_COMPACT);
	autoclose int fd = memfd_create("request", MFD_CLOEXEC);
	json_decref(request);
	if (fd < 0 || !text)
		return error_errno(err, errno, "writing down what the other host is asked for");
	if (write_all(fd, text, strlen(text), "a request", err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, errno, "writing down what the other host is asked for");
	return steal_fd(&fd);
}

static json_t *find_answer(struct strbuf *output)
{
	char *rest = output->text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (!strncmp(line, ANSWER, strlen(ANSWER)))
			return json_loads(line + strlen(ANSWER), 0, NULL);
	return NULL;
}

/* What it has said besides is the user's. */
static void pass_on(const struct remote *remote, struct strbuf *errors)
{
	char *rest = errors->text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		autofree char *clean = text_clean(line);
		if (*clean)
			report_info(remote->report, "%s: %s", remote->host, clean);
	}
}

static int judge(struct remote *remote, json_t *answer, struct error *err)
{
	json_t *error = json_object_get(answer, "error");
	if (!error)
		return 0;
	const char *kind = json_string_value(json_object_get(error, "kind"));
	const char *hint = json_string_value(json_object_get(error, "hint"));
	autofree char *message =
		text_clean(json_string_value(json_object_get(error, "message")) ?: "");
	remote->answered = true;
	error_set(err, error_kind_parse(kind ?: ""), "%s: %s", remote->host, message);
	return hint ? error_hint(err, "%s", hint) : -1;
}

static int no_answer(const struct remote *remote, int status, const struct strbuf *errors,
		     struct error *err)
{
	autofree char *said = last_line(errors);
	error_set(err, ERROR_CONNECT, "%s does not answer (exit status %d)%s%s", remote->host,
		  status, *said ? ": " : "", said);
	return error_hint(err,
			  "\"ssh %s %s --version\" has to work: this product is needed there, "
			  "too, and a key (--ssh gives options)",
			  remote->host, remote->program ?: "vzmigrate");
}

int remote_call(struct remote *remote, const char *step, json_t *request, json_t **ret,
		struct error *err)
{
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	AUTO(strbuf_release) struct strbuf command = STRBUF_INIT, output = STRBUF_INIT;
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	int status = 0;
	remote->answered = false;
	autoclose int input = put_input(request, err);
	if (input < 0)
		return -1;
	strvec_split(&argv, ENV " " SSH);
	strvec_split(&argv, remote->ssh_options ?: "");
	strvec_push(&argv, remote->host);
	strbuf_adds(&command, "exec");
	add_quoted(&command, remote->program ?: "vzmigrate");
	if (remote->conf) {
		add_quoted(&command, "--conf");
		add_quoted(&command, remote->conf);
	}
	add_quoted(&command, "--receive");
	add_quoted(&command, step);
	strvec_push(&argv, command.text);
	const struct child_run child = {
		.argv = (const char *const *)argv.items,
		.prepare = take_input,
		.data = &input,
		.output_max = ANSWER_MAX,
	};
	if (run(&child, "ssh", "openssh-client", &output, &errors, &status, err) < 0)
		return -1;
	json_t *answer = find_answer(&output);
	if (!answer)
		return no_answer(remote, status, &errors, err);
	pass_on(remote, &errors);
	if (judge(remote, answer, err) == 0) {
		*ret = answer;
		return 0;
	}
	json_decref(answer);
	return -1;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

/* What has ":" in it is an IPv6 address, and has to be told from the path. */
static char *place(const struct remote *remote, const char *path)
{
	const char *at = strrchr(remote->host, '@');
	const char *host = at ? at + 1 : remote->host;
	if (!strchr(host, ':'))
		return xasprintf("%s:%s/", remote->host, path);
	return xasprintf("%.*s[%s]:%s/", (int)(host - remote->host), remote->host, host, path);
}

static void begin_rsync(const struct remote *remote, struct strvec *argv)
{
	strvec_split(argv, ENV " rsync -aHAXS --numeric-ids --protect-args");
	strvec_split(argv, remote->rsync_options ?: "");
	strvec_push(argv, "-e");
	strvec_pushf(argv, SSH "%s%s", remote->ssh_options ? " " : "", remote->ssh_options ?: "");
}

static int run_rsync(const struct remote *remote, const struct strvec *argv, bool moving,
		     const char *what, struct error *err)
{
	/* rsync(1): not all could be read; some had gone; its connection. */
	enum { PARTIAL = 23, VANISHED = 24, STREAM = 12, TIMEOUT = 30, SSH_FAILED = 255 };
	AUTO(strbuf_release) struct strbuf errors = STRBUF_INIT;
	const struct child_run child = { .argv = (const char *const *)argv->items };
	int status = 0;
	if (run(&child, "rsync", "rsync", NULL, &errors, &status, err) < 0)
		return -1;
	if (status == 0 || (moving && (status == PARTIAL || status == VANISHED)))
		return 0;
	char *rest = errors.text, *line = strsep(&rest, "\n");
	autofree char *first = text_clean(line ?: "");
	bool lost = status == SSH_FAILED || status == TIMEOUT ||
		    (status == STREAM && !strstr(errors.text ?: "", "No space"));
	error_set(err, lost ? ERROR_CONNECT : ERROR_COPY,
		  "copying %s to %s: rsync ended with %d: %s", what, remote->host, status, first);
	return status == 127 ? error_hint(err, "install the package rsync there, too")
			     : error_hint(err, "run it again: it goes on where it was");
}

int remote_copy(struct remote *remote, const char *from, const char *to, bool moving,
		struct error *err)
{
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	begin_rsync(remote, &argv);
	strvec_push(&argv, "--delete");
	strvec_pushf(&argv, "%s/", from);
	strvec_take(&argv, place(remote, to));
	return run_rsync(remote, &argv, moving, from, err);
}

int remote_copy_files(struct remote *remote, const struct strvec *from, const char *to,
		      struct error *err)
{
	AUTO(strvec_release) struct strvec argv = STRVEC_INIT;
	if (!from->count)
		return 0;
	begin_rsync(remote, &argv);
	for (size_t i = 0; i < from->count; i++)
		strvec_push(&argv, from->items[i]);
	strvec_take(&argv, place(remote, to));
	return run_rsync(remote, &argv, false, from->items[0], err);
}
