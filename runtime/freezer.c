#include "runtime/freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/interrupt.h"

enum { STEP_NS = 5000000, STEPS = 4000, STATE_LIMIT = 4096 };

/* cgroups(7): v2, and v1's controller "freezer". What is written, and where it is read that it has come true. */
static const struct freezer_form {
	const char *file, *freeze, *thaw;
	const char *seen_in, *seen;
} forms[] = {
	{ "cgroup.freeze", "1", "0", "cgroup.events", "frozen 1" },
	{ "freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN" },
};

static int put(const char *group, const char *file, const char *text)
{
	autofree char *path = xasprintf("%s/%s", group, file);
	autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

/* The first group that is one of either form. */
static const char *find(const struct strvec *groups, const struct freezer_form **form)
{
	for (size_t i = 0; i < groups->count; i++)
		for (size_t j = 0; j < sizeof(forms) / sizeof(*forms); j++) {
			autofree char *path = xasprintf("%s/%s", groups->items[i], forms[j].file);
			*form = &forms[j];
			if (access(path, W_OK) == 0)
				return groups->items[i];
		}
	return NULL;
}

static bool has_come(const char *group, const struct freezer_form *form)
{
	AUTO(strbuf_release) struct strbuf text = STRBUF_INIT;
	autofree char *path = xasprintf("%s/%s", group, form->seen_in);
	return file_read(AT_FDCWD, path, STATE_LIMIT, &text, NULL) == 0 &&
	       strstr(text.text, form->seen);
}

/* v1 has to be told again as long as processes are being made. */
static int wait(const char *group, const struct freezer_form *form, struct error *err)
{
	for (unsigned i = 0; i < STEPS; i++) {
		if (has_come(group, form))
			return 0;
		if (interrupt_check(err) < 0)
			return -1;
		nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
		put(group, form->file, form->freeze);
	}
	error_set(err, ERROR_TIME_LIMIT, "a process of the VE does not stop");
	return error_hint(err, "one in state D waits in the kernel: \"ps -o pid,stat,wchan,cmd\"");
}

int freezer_freeze(const struct strvec *groups, struct error *err)
{
	const struct freezer_form *form;
	const char *group = find(groups, &form);
	if (!group) {
		error_set(err, ERROR_TECHNOLOGY,
			  "the VE is in no control group that can be frozen");
		return error_hint(err, "mount cgroup2, or v1's freezer, then start the VE again; "
				       "or stop it");
	}
	if (put(group, form->file, form->freeze) < 0)
		return error_errno(err, errno, "writing %s/%s", group, form->file);
	if (wait(group, form, err) == 0)
		return 0;
	freezer_thaw(groups);
	return -1;
}

void freezer_thaw(const struct strvec *groups)
{
	const struct freezer_form *form;
	const char *group = find(groups, &form);
	if (group)
		put(group, form->file, form->thaw);
}
