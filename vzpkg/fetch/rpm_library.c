#include "vzpkg/fetch/rpm_library.h"

#include <grp.h>
#include <pwd.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

#define CONFIG "/usr/lib/rpm"

static struct strbuf *listener;
static pid_t listening;
static int importance;

static int take_message(rpmlogRec record, rpmlogCallbackData data)
{
	const char *text = rpmlogRecMessage(record);

	(void)data;
	if (!listener || (int)rpmlogRecPriority(record) > importance)
		return 0; /* not printed */
	/* A child that was to become a script, and says why it cannot: with the script's output, which is ours to see. */
	if (getpid() != listening)
		(void)!write(STDERR_FILENO, text, strlen(text));
	else
		strbuf_adds(listener, text);
	return 0;
}

void rpm_library_listen(struct strbuf *text, int level)
{
	listener = text;
	listening = getpid();
	importance = level;
}

int rpm_library_open(struct error *err)
{
	static bool open;

	if (open)
		return 0;
	rpmlogSetCallback(take_message, NULL);
	/* Below that, what scriptlets print goes nowhere. */
	rpmSetVerbosity(RPMLOG_INFO);
	macrofiles = xstrdup(CONFIG "/macros:" CONFIG "/platform/%{_target}/macros");
	if (rpmReadConfigFiles(CONFIG "/rpmrc", NULL) != 0) {
		error_set(err, ERROR_SYSTEM, "librpm cannot read %s", CONFIG "/rpmrc");
		return error_hint(err, "install Debian's package rpm-common");
	}
	/* Later there may be another root, and what NSS loads would be from there. */
	(void)getpwnam("root");
	(void)getgrnam("root");
	open = true;
	return 0;
}
