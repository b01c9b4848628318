#include "vzpkg/fetch/rpm_library.h"

#include <grp.h>
#include <pwd.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmmacro.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

#define CONFIG "/usr/lib/rpm"

static struct strbuf *listener;
static int importance;

static int take_message(rpmlogRec record, rpmlogCallbackData data)
{
	(void)data;
	if (listener && (int)rpmlogRecPriority(record) <= importance)
		strbuf_adds(listener, rpmlogRecMessage(record));
	return 0; /* not printed */
}

void rpm_library_listen(struct strbuf *text, int level)
{
	listener = text;
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
