#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"

static const char *const kind_names[ERROR_KINDS] = {
	[ERROR_NONE] = "none",
	[ERROR_SYSTEM] = "system",
	[ERROR_INTERNAL] = "internal",
	[ERROR_EXEC] = "exec",
	[ERROR_EXISTS] = "exists",
	[ERROR_CHILD] = "child",
	[ERROR_NO_FILE] = "no-file",
	[ERROR_NOT_ROOT] = "not-root",
	[ERROR_PARSE] = "parse",
	[ERROR_LOCKED] = "locked",
	[ERROR_STALE] = "stale",
	[ERROR_NOT_CACHED] = "not-cached",
	[ERROR_NO_TEMPLATE] = "no-template",
	[ERROR_BAD_TEMPLATE] = "bad-template",
	[ERROR_USAGE] = "usage",
	[ERROR_PACKAGE_MANAGER] = "package-manager",
	[ERROR_FETCH] = "fetch",
	[ERROR_URL] = "url",
	[ERROR_ARCH] = "arch",
	[ERROR_NO_METADATA] = "no-metadata",
	[ERROR_INSTALL] = "install",
	[ERROR_TRUST] = "trust",
	[ERROR_ROLLBACK] = "rollback",
	[ERROR_UNSATISFIABLE] = "unsatisfiable",
	[ERROR_PACKAGES] = "packages",
	[ERROR_CHANGED] = "changed",
	[ERROR_GATE] = "gate",
	[ERROR_PARTIAL] = "partial",
	[ERROR_INTERRUPTED] = "interrupted",
	[ERROR_NO_SPACE] = "no-space",
	[ERROR_TIME_LIMIT] = "time-limit",
	[ERROR_TECHNOLOGY] = "technology",
	[ERROR_UNSUPPORTED] = "unsupported",
	[ERROR_CONTAINER] = "container",
	[ERROR_NO_VE] = "no-ve",
	[ERROR_NO_PRIVATE] = "no-private",
	[ERROR_VE_EXISTS] = "ve-exists",
	[ERROR_VE_NAME] = "ve-name",
	[ERROR_RUNNING] = "running",
	[ERROR_NOT_RUNNING] = "not-running",
	[ERROR_MOUNTED] = "mounted",
	[ERROR_NOT_MOUNTED] = "not-mounted",
	[ERROR_MOUNT] = "mount",
	[ERROR_UMOUNT] = "umount",
	[ERROR_DISABLED] = "disabled",
	[ERROR_SAVE] = "save",
	[ERROR_SAMPLE] = "sample",
	[ERROR_PASSWORD] = "password",
	[ERROR_SCRIPT] = "script",
	[ERROR_NO_INIT] = "no-init",
	[ERROR_STOP] = "stop",
	[ERROR_CREATE] = "create",
	[ERROR_DESTROY] = "destroy",
	[ERROR_ADDRESS] = "address",
	[ERROR_ADDRESS_USED] = "address-used",
	[ERROR_NETWORK] = "network",
	[ERROR_VETH] = "veth",
	[ERROR_GUEST] = "guest",
	[ERROR_NO_BUILD] = "no-build",
	[ERROR_VALUE] = "value",
	[ERROR_QUOTA] = "quota",
	[ERROR_DISK] = "disk",
	[ERROR_RESIZE] = "resize",
	[ERROR_CONVERT] = "convert",
	[ERROR_SNAPSHOT] = "snapshot",
	[ERROR_SNAPSHOT_DELETE] = "snapshot-delete",
	[ERROR_SNAPSHOT_SWITCH] = "snapshot-switch",
	[ERROR_SNAPSHOT_LIST] = "snapshot-list",
	[ERROR_SUSPEND] = "suspend",
	[ERROR_RESUME] = "resume",
	[ERROR_SUSPENDED] = "suspended",
	[ERROR_CONNECT] = "connect",
	[ERROR_COPY] = "copy",
	[ERROR_ARRIVE] = "arrive",
	[ERROR_LIMIT] = "limit",
};

const char *error_kind_name(enum error_kind kind)
{
	return kind < ERROR_KINDS ? kind_names[kind] : "unknown";
}

enum error_kind error_kind_parse(const char *name)
{
	for (size_t i = 0; i < ERROR_KINDS; i++)
		if (kind_names[i] && strcmp(kind_names[i], name) == 0)
			return (enum error_kind)i;
	return ERROR_INTERNAL;
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	if (!err)
		return -1;
	error_clear(err);
	va_list args;
	va_start(args, format);
	err->message = xvasprintf(format, args);
	va_end(args);
	err->kind = kind;
	return -1;
}

static enum error_kind kind_of_errno(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
		return ERROR_NO_SPACE;
	case EINTR:
		return ERROR_INTERRUPTED;
	default:
		return ERROR_SYSTEM;
	}
}

int error_errno(struct error *err, int number, const char *format, ...)
{
	if (!err)
		return -1;
	va_list args;
	va_start(args, format);
	autofree char *what = xvasprintf(format, args);
	va_end(args);
	error_set(err, kind_of_errno(number), "%s: %s", what, strerror(number));
	if (err->kind == ERROR_NO_SPACE)
		error_hint(err, "free some space on that file system, then run the command again");
	return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
	if (!err)
		return -1;
	va_list args;
	va_start(args, format);
	autofree char *context = xvasprintf(format, args);
	va_end(args);
	autofree char *inner = err->message;
	err->message = xasprintf("%s: %s", context, inner ? inner : "failed");
	return -1;
}

int error_subject(struct error *err, const char *format, ...)
{
	if (!err || err->subject)
		return -1;
	va_list args;
	va_start(args, format);
	err->subject = xvasprintf(format, args);
	va_end(args);
	return -1;
}

int error_hint(struct error *err, const char *format, ...)
{
	if (!err || err->hint)
		return -1;
	va_list args;
	va_start(args, format);
	err->hint = xvasprintf(format, args);
	va_end(args);
	return -1;
}

void error_move(struct error *to, struct error *from)
{
	if (!to) {
		error_clear(from);
		return;
	}
	error_clear(to);
	*to = *from;
	*from = ERROR_INIT;
}

void error_clear(struct error *err)
{
	if (!err)
		return;
	free(err->subject);
	free(err->message);
	free(err->hint);
	*err = ERROR_INIT;
}
