#include "base/worker_child.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"

static void put_text(struct strbuf *text, const char *part)
{
	strbuf_add(text, part ?: "", strlen(part ?: "") + 1);
}

static void child_report(int fd, int status, const struct strbuf *result, const struct error *err)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	struct worker_message header = { .status = status, .kind = (int32_t)err->kind };

	if (status < 0) {
		put_text(&text, err->subject);
		put_text(&text, err->message);
		put_text(&text, err->hint);
	} else {
		strbuf_add(&text, result->text, result->length);
	}
	header.size = text.length;
	if (write_all(fd, &header, sizeof(header), "pipe", NULL) < 0 ||
	    write_all(fd, text.text, text.length, "pipe", NULL) < 0)
		_exit(2);
}

/* A parent that passes signals on wants what it has begun to be taken back in any case. */
static void settle(const struct worker_job *job, const struct worker_child *child, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, job->pass_signals ? SIGTERM : SIGKILL);
	if (getppid() != parent)
		_exit(2);
	interrupt_reset_child();
	/* A terminal's signals are for the parent's group. */
	if (job->finish_started || job->pass_signals)
		setpgid(0, 0);
	if (job->pass_signals)
		interrupt_setup();
	for (int i = 0; i < WORKER_PRINTED; i++)
		if (child->printed[i] >= 0 && dup2(child->printed[i], STDOUT_FILENO + i) < 0)
			_exit(2);
}

void worker_child_run(const struct worker_job *job, const struct worker_child *child, pid_t parent)
{
	struct strbuf result = STRBUF_INIT;
	struct error err = ERROR_INIT;
	int status = 0;

	settle(job, child, parent);
	for (size_t i = 0; status == 0 && i < child->count; i++) {
		strbuf_truncate(&result, 0);
		status = job->task(child->first + i, job->data, &result, &err);
		child_report(child->messages, status, &result, &err);
	}
	_exit(0);
}

int worker_message_error(const struct worker_message *header, const char *text, struct error *err)
{
	const char *end = text + header->size;
	const char *subject = text;
	const char *message = subject + strlen(subject) + (subject < end);
	message = message < end ? message : end;
	const char *hint = message + strlen(message) + 1;
	hint = hint < end ? hint : end;

	bool known = header->kind > ERROR_NONE && header->kind < ERROR_KINDS;
	error_set(err, known ? (enum error_kind)header->kind : ERROR_INTERNAL, "%s",
		  *message ? message : "failed");
	if (*subject)
		error_subject(err, "%s", subject);
	if (*hint)
		error_hint(err, "%s", hint);
	return -1;
}
