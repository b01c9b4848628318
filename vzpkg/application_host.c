#include "vzpkg/application_host.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/child.h"
#include "base/cleanup.h"
#include "base/text.h"

enum { LIMIT_S = 1800, OUTPUT_LINES = 15 };

/* In the child. A script that does not get its environment does not run. */
static void prepare(void *data)
{
	const struct application_host_run *run = data;
	autofree char *veid = xasprintf("%u", run->ctid);

	if (clearenv() != 0 || chdir("/") < 0 ||
	    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1) < 0 ||
	    setenv("VEID", veid, 1) < 0 || setenv("NAME", run->ve_name ?: "", 1) < 0)
		_exit(126);
}

int application_host_run(const struct application_host_run *run, struct strbuf *output,
			 struct error *err)
{
	const char *path = run->application->host_scripts[run->kind];
	const char *argv[] = { path, NULL };
	const struct child_run child = {
		.argv = argv,
		.limit_s = run->limit_s ?: (unsigned)LIMIT_S,
		.prepare = prepare,
		.data = (void *)run,
	};
	AUTO(strbuf_release) struct strbuf out = STRBUF_INIT, errors = STRBUF_INIT;
	int status;

	if (!path)
		return 0;
	int ret = child_run(&child, &out, &errors, &status, err);
	strbuf_add(&out, errors.text, errors.length);
	strbuf_add(output, out.text, out.length);
	if (ret < 0)
		return error_wrap(err, "running %s on the host", path);
	if (!status)
		return 0;
	autofree char *printed = text_tail(out.text ?: "", OUTPUT_LINES);
	error_set(err, ERROR_INSTALL, "running %s on the host: ended with status %d%s%s", path,
		  status, *printed ? "; it printed:" : " and printed nothing", printed);
	return error_subject(err, "%s", path);
}
