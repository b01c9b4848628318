#include "vzpkg/cmd/run_log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/text.h"

#define USUAL "/var/log/vzpkg.log"

/* These change nothing. */
static const char *const looking[] = { "list",    "info", "lint", "resolve", "status",
				       "history", "diff", "sbom", "verify",  NULL };

static const char *log_path(const struct app *app)
{
	const char *set = conf_get(&app->variables, "LOG_FILE"), *elsewhere = getenv("VZ_CONF");
	if (set)
		return *set ? set : NULL;
	return app->options.conf || (elsewhere && *elsewhere) ? NULL : USUAL;
}

/* One line, whatever is in it. */
static void add(struct strbuf *line, const char *text)
{
	autofree char *clean = text_clean(text);
	for (char *at = clean; *at; at++)
		if (*at == '\n' || *at == '\t')
			*at = ' ';
	strbuf_adds(line, clean);
}

void run_log(const struct app *app, const struct run_log *run)
{
	AUTO(strbuf_release) struct strbuf line = STRBUF_INIT;
	const char *path = log_path(app);
	char when[32];
	time_t now = time(NULL);
	struct tm tm;
	for (size_t i = 0; looking[i]; i++)
		if (!strcmp(run->command, looking[i]))
			return;
	if (!path || geteuid() != 0)
		return;
	/* RFC 3339 */
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &tm));
	strbuf_addf(&line, "%s vzpkg[%d] %s", when, (int)getpid(), run->command);
	for (size_t i = 0; i < run->operands->count; i++) {
		strbuf_addc(&line, ' ');
		add(&line, run->operands->items[i]);
	}
	strbuf_addf(&line, ": status %d, %.1f s", run->status, run->seconds);
	if (run->err && run->err->message) {
		strbuf_adds(&line, ": ");
		add(&line, run->err->message);
	}
	strbuf_addc(&line, '\n');
	autoclose int fd =
		open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0640);
	if (fd >= 0)
		(void)!write(fd, line.text, line.length); /* in one piece, among others' lines */
}
